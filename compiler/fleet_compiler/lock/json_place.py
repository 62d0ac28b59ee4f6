"""Find the line and column of a value in a JSON text, by its path of keys and indices. Pure.

JSON parsers report positions only for syntax errors. This walks a text that is valid JSON, and is called only
to report an error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from json import JSONDecoder
from json.decoder import scanstring  # type: ignore[attr-defined]

from fleet_compiler.diagnostics.diagnostic import Span

_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = JSONDecoder()


def find_span(text: str, path: Sequence[str | int]) -> Span | None:
    """Return the span of the key, or of the list item, at `path`, or of its nearest existing parent.

    None without any part of the path, and for a text that is not JSON.
    """
    found: tuple[int, int] | None = None
    try:
        start = _skip_space(text, 0)
        for part in path:
            for key, key_range, value_start in _members(text, start):
                if key == part:
                    found, start = key_range, value_start
                    break
            else:
                break
    except (ValueError, IndexError, RecursionError):
        pass
    return None if found is None else _span(text, *found)


def find_repeated_key(text: str) -> tuple[str, Span] | None:
    """Return the first duplicate key of an object and the span of its second occurrence; None if there is
    none.

    A merge that kept both sides leaves such keys, and parsers silently use the last value.
    """
    try:
        json.loads(text, object_pairs_hook=_require_unique)
    except _RepeatedKeyError:
        pass
    else:
        return None
    starts = [_skip_space(text, 0)]
    while starts:
        keys: set[str | int] = set()
        for key, place, value_start in _members(text, starts.pop()):
            if key in keys:
                return str(key), _span(text, *place)
            keys.add(key)
            starts.append(value_start)
    return None


class _RepeatedKeyError(Exception):
    """An object has a key twice."""


def _require_unique(pairs: list[tuple[str, object]]) -> None:
    if len(pairs) > 1 and len({key for key, _ in pairs}) < len(pairs):
        raise _RepeatedKeyError


def _members(text: str, start: int) -> Iterator[tuple[str | int, tuple[int, int], int]]:
    """Yield the members of an object or list: key or index, its extent, and the offset of the value."""
    kind = text[start]
    if kind not in "{[":
        return
    at, index = _skip_space(text, start + 1), 0
    while text[at] not in "}]":
        if kind == "{":
            name, after = scanstring(text, at + 1)
            value = _skip_space(text, _skip_space(text, after) + 1)
            yield name, (at, after), value
        else:
            value = at
            yield index, (at, at + 1), value
        _, end = _DECODER.raw_decode(text, value)
        at, index = _skip_space(text, end), index + 1
        if text[at] == ",":
            at = _skip_space(text, at + 1)


def _skip_space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    assert match is not None
    return match.end()


def _span(text: str, start: int, end: int) -> Span:
    line_start = text.rfind("\n", 0, start) + 1
    return Span(text.count("\n", 0, start) + 1, start - line_start + 1, end - line_start + 1)
