"""Keep the column of aligned comments on changed lines."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import groupby

from fleet_compiler.edit.layout import Extent
from fleet_compiler.edit.splice import Splice

_COMMENT = re.compile(r"[^#\"'\n]*?(?P<gap> +)#[^\n]*")
_NARROWEST = 2


def keep_comment_columns(text: str, splices: Iterable[Splice]) -> list[Splice]:
    """Return the additional splices that keep comments in their columns.

    A comment that is not aligned with an adjacent line, or whose line has become too long, moves with its
    line, so that the opposite change restores every byte.
    """
    added = []
    by_start = sorted(splices, key=lambda splice: splice.extent.start)
    for begin, group in groupby(by_start, key=lambda splice: _line_start(text, splice.extent.start)):
        on_line = list(group)
        last = on_line[-1].extent.end
        if any("\n" in each.text + text[each.extent.start : each.extent.end] for each in on_line):
            continue
        match = _COMMENT.match(text, last)
        if match is None or not _is_shared(text, begin, match.end("gap")):
            continue
        grown = sum(len(each.text) - (each.extent.end - each.extent.start) for each in on_line)
        before = len(match["gap"])
        if before - grown >= min(_NARROWEST, before):
            added.append(Splice(Extent(*match.span("gap")), " " * (before - grown)))
    return added


def _is_shared(text: str, begin: int, comment: int) -> bool:
    """Return whether the line before or after the one at `begin` has a comment in the same column."""
    column = comment - begin
    end = text.find("\n", comment)
    above = text[_line_start(text, begin - 1) : begin - 1] if begin else ""
    below = "" if end < 0 else text[end + 1 :].partition("\n")[0]
    return any(line[column - 1 : column + 1] == " #" and column > 0 for line in (above, below))


def _line_start(text: str, position: int) -> int:
    return text.rfind("\n", 0, position) + 1
