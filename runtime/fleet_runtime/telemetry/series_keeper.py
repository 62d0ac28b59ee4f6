"""Save the series to the state file: changes once per minute, read at the start.

A computer's clock may be years off, especially just after a start, and be corrected later. Therefore nothing
is removed from the file because of its age, but only to make room; steps in the future are kept aside, and
merged when their time has come.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import zlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from sqlite3 import Connection
from typing import Final

from fleet_runtime.store.series_table import (
    Step,
    drop_oldest_series,
    drop_series,
    keep_nearest,
    read_steps,
    write_steps,
)
from fleet_runtime.store.store import Store, StoreUnavailableError
from fleet_runtime.telemetry.series import Name, SeriesBook
from fleet_runtime.telemetry.series_cell import MODEL_COLUMNS, PROVIDER_COLUMNS
from fleet_runtime.telemetry.series_ring import RANGES, SPANS, Range, Ring
from fleet_runtime.turns import in_turns

SAVE_SECONDS: Final = 60.0
SPARE_STEPS: Final = 24
"""Steps of a series and range that the file may have beyond its span, from a wrong clock."""
MAX_UNKNOWN: Final = 64
"""Series that are kept in the file although none of their steps is in the past span."""
_SEPARATOR: Final = "/"


class SeriesKeeper:
    """Without a usable state file, series are in memory only. `names` maps every name and former name of a
    provider to its current name."""

    def __init__(self, book: SeriesBook, store: Store, names: Callable[[], Mapping[str, str]]) -> None:
        self._book = book
        self._store = store
        self._names = names
        self._later: list[tuple[Range, Step]] = []
        self._known: set[str] = set()

    async def run(self) -> None:
        """Merge the series of former runs with this one's, and write what changes, until cancelled."""
        try:
            await self._load()
            while True:
                await asyncio.sleep(SAVE_SECONDS)
                await in_turns(self._take_later(time.time()))
                await self._save()
        finally:
            await in_turns(self._book.fold(time.time()))
            await self._save()

    async def _load(self) -> None:
        gateway, now = self._store.gateway, time.time()
        with contextlib.suppress(StoreUnavailableError):
            steps = await self._store.read(lambda connection: list(read_steps(connection, gateway)))
            await in_turns(self._take(steps, now))
            self._book.rename_providers(self._names(), now)

    def _take(self, steps: Iterable[Step], now: float) -> Iterator[None]:
        """Merge stored steps into their series, one at each step of the iteration, if they are of the past
        span; put those that are still to come aside."""
        for found in steps:
            yield
            span = next((name for name in RANGES if name == found.span), None)
            cell = _unpacked(found.cell)
            provider, _, model = found.series.partition(_SEPARATOR)
            columns = MODEL_COLUMNS if model else PROVIDER_COLUMNS
            if span is None or cell is None or len(cell) != columns:
                continue
            last = int(now) // SPANS[span].width
            if found.step > last:
                self._later.append((span, found))
            elif last - SPANS[span].steps < found.step:
                self._known.add(found.series)
                ring = self._book.open((provider, model or None)).rings[span]
                is_written = ring.cell(found.step) is None
                ring.add(found.step, cell)
                if is_written:
                    ring.changed.discard(found.step)

    def _take_later(self, now: float) -> Iterator[None]:
        """Merge the steps whose time has come."""
        if any(int(now) // SPANS[span].width >= step.step for span, step in self._later):
            later, self._later = self._later, []
            yield from self._take((step for _, step in later), now)
            self._book.rename_providers(self._names(), now)

    async def _save(self) -> None:
        """Write the steps that changed since the last call. If the caller is cancelled, they are written all
        the same, or are left for the next call."""
        gateway, now = self._store.gateway, time.time()
        taken: list[tuple[Ring, set[int]]] = []
        try:
            cells = [cell for changed in await in_turns(self._changed(taken)) for cell in changed]
        except asyncio.CancelledError:
            for ring, steps in taken:
                ring.changed |= steps
            raise
        names = {_text(name) for name in self._book.series}
        gone, self._known = self._known - names, names

        def write(connection: Connection) -> None:
            write_steps(
                connection,
                gateway,
                (Step(name, span, step, _packed(cell)) for name, span, step, cell in cells),
            )
            for name, span in {(name, span) for name, span, _, _ in cells}:
                last = int(now) // SPANS[span].width
                keep_nearest(connection, gateway, name, span, last, SPANS[span].steps + SPARE_STEPS)
            drop_series(connection, gateway, gone)
            drop_oldest_series(connection, gateway, names, MAX_UNKNOWN)

        if cells:
            with contextlib.suppress(StoreUnavailableError):
                await asyncio.shield(self._store.write(write))

    def _changed(
        self, taken: list[tuple[Ring, set[int]]]
    ) -> Iterator[list[tuple[str, Range, int, array[int]]]]:
        """Yield the changed steps of one series after the other, and note in `taken` which those are."""
        for name, series in list(self._book.series.items()):
            cells = []
            for span, ring in series.rings.items():
                changed, ring.changed = ring.changed, set()
                taken.append((ring, changed))
                found = ((step, ring.cell(step)) for step in sorted(changed))
                cells += [(_text(name), span, step, cell) for step, cell in found if cell is not None]
            yield cells


def _text(name: Name) -> str:
    provider, model = name
    return provider if model is None else f"{provider}{_SEPARATOR}{model}"


def _packed(cell: array[int]) -> bytes:
    return zlib.compress(cell.tobytes(), 1)


def _unpacked(data: bytes) -> array[int] | None:
    """Return a cell of any number of columns; None if it is not one."""
    cell = array("I")
    reader = zlib.decompressobj()
    try:
        content = reader.decompress(data, PROVIDER_COLUMNS * cell.itemsize + 1)
        cell.frombytes(content)
    except (zlib.error, ValueError):
        return None
    return cell
