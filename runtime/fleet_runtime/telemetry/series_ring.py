"""A series in fixed memory: rings of cells, for the last hour, day and month.

A step is known by its number, its time divided by its width. The present step always gets its place, whatever
was there, and a reader is shown only steps of the past span: a clock that jumps loses at most what it covers.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

from fleet_runtime.telemetry.series_cell import merged

Range = Literal["hour", "day", "month"]


@dataclass(frozen=True, slots=True)
class Span:
    """`width` of a step in seconds, `steps` of the range."""

    width: int
    steps: int


SPANS: Final[dict[Range, Span]] = {
    "hour": Span(10, 360),
    "day": Span(300, 288),
    "month": Span(3600, 720),
}
RANGES: Final[tuple[Range, ...]] = get_args(Range)


class Ring:
    """`columns` numbers of 32 bits for each step of `span`. `changed` are the steps that were written to."""

    def __init__(self, span: Span, columns: int) -> None:
        self.span = span
        self.changed: set[int] = set()
        self._columns = columns
        self._steps = array("q", [-1]) * span.steps
        self._cells = array("I", [0]) * (span.steps * columns)

    def add(self, step: int, cell: Sequence[int]) -> None:
        """Merge `cell` into a step, which takes the place of an older one."""
        at = step % self.span.steps
        first = at * self._columns
        if self._steps[at] == step:
            cell = merged(self._cells[first : first + self._columns], cell)
        self._steps[at] = step
        self._cells[first : first + self._columns] = array("I", cell)
        self.changed.add(step)

    def cell(self, step: int) -> array[int] | None:
        at = step % self.span.steps
        first = at * self._columns
        return self._cells[first : first + self._columns] if self._steps[at] == step else None

    def past(self, now: float) -> Iterator[tuple[int, array[int]]]:
        """Yield the steps of the span that ends `now` (unix seconds), the oldest first."""
        last = int(now) // self.span.width
        for step in range(last - self.span.steps + 1, last + 1):
            cell = self.cell(step)
            if cell is not None:
                yield step, cell


class Series:
    """The rings of one provider or model."""

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.rings = {name: Ring(span, columns) for name, span in SPANS.items()}

    def add(self, now: float, cell: Sequence[int]) -> None:
        """Merge `cell` into the present step of each range."""
        for ring in self.rings.values():
            ring.add(int(now) // ring.span.width, cell)

    def merge(self, other: Series, now: float) -> None:
        """Merge what `other` has of the past spans."""
        for name, ring in self.rings.items():
            for step, cell in other.rings[name].past(now):
                ring.add(step, cell)
