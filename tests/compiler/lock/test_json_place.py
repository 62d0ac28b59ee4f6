"""Where a value of a JSON text is."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fleet_compiler.diagnostics.diagnostic import Span
from fleet_compiler.lock.json_place import find_repeated_key, find_span

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text(), below, max_size=4),
    max_leaves=20,
)


def paths(value: Any, above: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    found = [above] if above else []
    if isinstance(value, dict):
        for key, below in value.items():
            found += paths(below, (*above, key))
    elif isinstance(value, list):
        for index, below in enumerate(value):
            found += paths(below, (*above, index))
    return found


@given(VALUES, st.sampled_from([None, 0, 2]), st.booleans())
def test_every_key_is_found_where_it_is_written(value: Any, indent: int | None, escaped: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=escaped)
    lines = text.split("\n")
    for path in paths(value):
        span = find_span(text, path)
        assert span is not None
        written = lines[span.line - 1][span.column - 1 : span.end_column - 1]
        if isinstance(path[-1], str):
            assert json.loads(written) == path[-1]
        else:
            assert len(written) == 1


@given(st.text(), st.lists(st.text() | st.integers(0, 3), max_size=3))
def test_any_text_and_any_path_end_in_a_place_or_in_none(text: str, path: list[str | int]) -> None:
    find_span(text, path)


@given(VALUES)
def test_a_text_whose_keys_differ_has_none_repeated(value: Any) -> None:
    assert find_repeated_key(json.dumps(value)) is None


def test_a_repeated_key_is_found_where_it_is_written_again() -> None:
    text = '{"a": {"b": 1},\n "c": [{"d": 1, "\\u0064": 2}]}'
    assert find_repeated_key(text) == ("d", Span(2, 17, 25))


def test_a_path_that_is_not_there_ends_at_its_nearest_parent() -> None:
    span = find_span('{"a":\n  {"b": 1}}', ("a", "c", "d"))
    assert span is not None
    assert (span.line, span.column, span.end_column) == (1, 2, 5)
    assert find_span("{}", ("a",)) is None


def test_a_text_that_is_too_deep_has_no_places() -> None:
    assert find_span("[" * 100_000, (0, 0)) is not None
    assert find_span('{"a": ' + "[" * 100_000, ("b",)) is None
