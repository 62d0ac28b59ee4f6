"""Tables that fit the terminal: long values move below their row, ids are not shortened. Pure, except
`output_width`."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from unicodedata import east_asian_width

import click

from fleet_runtime.text import escape

GAP = "  "
SHORTEST_DETAIL = 20
"""The minimum width of a shortened last column; below it, the details move below their row."""


@dataclass(frozen=True, slots=True)
class Column:
    """`is_detail`: shown below the row if the table is too wide. `is_optional`: left out if that is not
    enough. `color`: the colour of a cell, by its text."""

    title: str
    is_detail: bool = False
    is_optional: bool = False
    color: Callable[[str], str | None] = lambda text: None


def output_width() -> int | None:
    """Return the width of the terminal at standard output, None if it is a file or a pipe."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def layout(
    columns: Sequence[Column],
    rows: Sequence[Sequence[str]],
    width: int | None,
    *,
    has_header: bool = True,
    indent: str = "",
    earlier: list[int] | None = None,
) -> list[str]:
    """Return the lines of a table of at most `width` columns, if it is not None.

    An empty cell is shown as ``-`` in a table with a header. Only the last cell of a line is shortened, and
    only if it is a detail. `earlier`, empty at first, joins several calls to one table: it keeps the columns'
    widths, and only the first call returns the header.
    """
    titles = tuple(column.title for column in columns)
    cells = [tuple(escape(cell) for cell in row) for row in rows]
    room = None if width is None else max(1, width - len(indent))
    shown = list(range(len(columns)))
    sizes = _sizes([*cells, titles] if has_header else cells, len(columns))
    shows_titles = has_header and not earlier
    if earlier is not None:
        sizes = earlier[:] = [max(pair) for pair in zip(sizes, earlier or sizes, strict=True)]
    if room is not None and not _fits(columns, shown, sizes, room):
        shown = [at for at in shown if not columns[at].is_detail]
    while room is not None and _total(shown, sizes) > room:
        optional = [at for at in shown if columns[at].is_optional]
        if not optional:
            break
        shown.remove(optional[-1])
    below = [at for at, column in enumerate(columns) if column.is_detail and at not in shown]
    lines = [indent + _line(columns, titles, shown, sizes, room)] if shows_titles else []
    for row in cells:
        filled = tuple(cell or "-" for cell in row) if has_header else row
        lines.append(indent + _line(columns, filled, shown, sizes, room))
        lines += [f"{indent}{GAP}{line}" for line in _below(titles, row, below, room)]
    return lines


def _below(
    titles: Sequence[str], row: Sequence[str], below: Sequence[int], room: int | None
) -> Iterator[str]:
    """Yield the details of a row, each with its title; long ones are wrapped between words."""
    size = max((len(titles[at]) for at in below), default=0)
    for at in below:
        head = f"{titles[at]:<{size}}{GAP}" if size else ""
        left = max(SHORTEST_DETAIL, (room or 0) - len(GAP) - len(head))
        parts = textwrap.wrap(row[at], left, break_long_words=False, break_on_hyphens=False)
        yield from (f"{head if not number else ' ' * len(head)}{part}" for number, part in enumerate(parts))


def _fits(columns: Sequence[Column], shown: Sequence[int], sizes: Sequence[int], room: int) -> bool:
    last = shown[-1]
    spare = max(0, sizes[last] - SHORTEST_DETAIL) if columns[last].is_detail else 0
    return _total(shown, sizes) - spare <= room


def _total(shown: Sequence[int], sizes: Sequence[int]) -> int:
    return sum(sizes[at] for at in shown) + len(GAP) * (len(shown) - 1)


def _sizes(rows: Sequence[Sequence[str]], number: int) -> list[int]:
    return [max((_cells(row[at]) for row in rows), default=0) for at in range(number)]


def _line(
    columns: Sequence[Column],
    row: Sequence[str],
    shown: Sequence[int],
    sizes: Sequence[int],
    room: int | None,
) -> str:
    parts: list[str] = []
    used = 0
    for at in shown:
        text = row[at]
        if at == shown[-1]:
            text = _shorten(text, room and room - used) if columns[at].is_detail else text
        else:
            text += " " * (sizes[at] - _cells(text))
        color = columns[at].color(row[at])
        parts.append(click.style(text, fg=color) if color else text)
        used += sizes[at] + len(GAP)
    return GAP.join(parts).rstrip()


def _shorten(text: str, room: int | None) -> str:
    """Return `text`, truncated with an ellipsis if it is too long."""
    if room is None or _cells(text) <= room:
        return text
    kept = text
    while kept and _cells(kept) > room - 1:
        kept = kept[:-1]
    return f"{kept.rstrip()}…"


def _cells(text: str) -> int:
    """Return the width of `text` in terminal columns (Unicode Standard Annex 11)."""
    return len(text) if text.isascii() else sum(2 if east_asian_width(c) in "WF" else 1 for c in text)
