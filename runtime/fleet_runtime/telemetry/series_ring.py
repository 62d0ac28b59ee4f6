"""A series in fixed memory: rings of cells for the last hour, day and month.

A step is known by its number, its time divided by its width. The current step always replaces the one in its
place, and a reader gets only steps of the past span: a clock that jumps loses at most the steps that it
overwrites.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

from fleet_runtime.telemetry.series_cell import MODEL_COLUMNS, merged

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
    """`columns` numbers of 32 bits for each step of `span`. `changed` are the steps that were written to.

    Of a provider without requests only the gauges take memory: those of the requests, which come first, have
    none until one of them is not zero.
    """

    def __init__(self, span: Span, columns: int) -> None:
        self.span = span
        self.changed: set[int] = set()
        self._counted = min(columns, MODEL_COLUMNS)
        self._steps = array("q", [-1]) * span.steps
        self._counts: array[int] | None = None
        self._gauges = array("I", [0]) * (span.steps * (columns - self._counted))

    def add(self, step: int, cell: Sequence[int]) -> None:
        """Merge `cell` into a step, which takes the place of an older one."""
        present = self.cell(step)
        if present is not None:
            cell = merged(present, cell)
        at, counted = step % self.span.steps, self._counted
        counts, gauges = array("I", cell[:counted]), array("I", cell[counted:])
        if self._counts is None and any(counts):
            self._counts = array("I", [0]) * (self.span.steps * counted)
        if self._counts is not None:
            self._counts[at * counted : (at + 1) * counted] = counts
        self._gauges[at * len(gauges) : (at + 1) * len(gauges)] = gauges
        self._steps[at] = step
        self.changed.add(step)

    def cell(self, step: int) -> array[int] | None:
        at = step % self.span.steps
        if self._steps[at] != step:
            return None
        counted, others = self._counted, len(self._gauges) // self.span.steps
        gauges = self._gauges[at * others : (at + 1) * others]
        if self._counts is None:
            return array("I", [0]) * counted + gauges
        return self._counts[at * counted : (at + 1) * counted] + gauges

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
        """Merge `cell` into the current step of each range."""
        for ring in self.rings.values():
            ring.add(int(now) // ring.span.width, cell)

    def merge(self, other: Series, now: float) -> None:
        """Merge what `other` has of the past spans."""
        for name, ring in self.rings.items():
            for step, cell in other.rings[name].past(now):
                ring.add(step, cell)
