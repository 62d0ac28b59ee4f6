"""Keeping the series in the state file: what changed is written once a minute, and read at the start."""

from __future__ import annotations

import asyncio
import contextlib
import time
import zlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from sqlite3 import Connection
from typing import Final

from fleet_runtime.store.series_table import Step, drop_series, drop_steps, read_steps, write_steps
from fleet_runtime.store.store import Store, StoreUnavailableError
from fleet_runtime.telemetry.series import Name, SeriesBook
from fleet_runtime.telemetry.series_cell import MODEL_COLUMNS, PROVIDER_COLUMNS
from fleet_runtime.telemetry.series_ring import RANGES, SPANS, Range, Ring
from fleet_runtime.turns import in_turns

SAVE_SECONDS: Final = 60.0
_SEPARATOR: Final = "/"


class SeriesKeeper:
    """Without a usable state file, series are in memory only. `names` returns the present name of every name
    and former name of a provider."""

    def __init__(self, book: SeriesBook, store: Store, names: Callable[[], Mapping[str, str]]) -> None:
        self._book = book
        self._store = store
        self._names = names

    async def run(self) -> None:
        """Merge the series of former runs with this one's, and write what changes, until cancelled."""
        try:
            await self._load()
            while True:
                await asyncio.sleep(SAVE_SECONDS)
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
        span."""
        for found in steps:
            yield
            span = next((name for name in RANGES if name == found.span), None)
            cell = _unpacked(found.cell)
            provider, _, model = found.series.partition(_SEPARATOR)
            columns = MODEL_COLUMNS if model else PROVIDER_COLUMNS
            if span is None or cell is None or len(cell) != columns:
                continue
            last = int(now) // SPANS[span].width
            if last - SPANS[span].steps < found.step <= last:
                ring = self._book.open((provider, model or None)).rings[span]
                is_written = ring.cell(found.step) is None
                ring.add(found.step, cell)
                if is_written:
                    ring.changed.discard(found.step)

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
        kept = [_text(name) for name in self._book.series]

        def write(connection: Connection) -> None:
            write_steps(
                connection,
                gateway,
                (Step(name, span, step, _packed(cell)) for name, span, step, cell in cells),
            )
            for name, span in SPANS.items():
                last = int(now) // span.width
                drop_steps(connection, gateway, name, last - span.steps + 1, last)
            drop_series(connection, gateway, kept)

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
