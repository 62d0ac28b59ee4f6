"""Use the state file from the event loop: one thread does all reads and writes."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from sqlite3 import Connection
from typing import TypeVar

from fleet_runtime.catalog.favorites import Favorites, FavoritesChange
from fleet_runtime.store.backend import StoreStatus, StoreUnavailableError
from fleet_runtime.store.rows import StatusChange
from fleet_runtime.store.sqlite import Database

WATCH_SECONDS = 1.0
RETRY_ROUNDS = 5
"""Rounds between two attempts to use an unusable file, or to read one that seems unchanged."""
TICK_SECONDS = 0.02
"""A file system's clock has steps of up to 10 ms; two writes within one may leave the same stamp."""

Result = TypeVar("Result")
Stamp = tuple[tuple[int, int, int], ...]


class LocalState:
    """A `Backend` on a SQLite file, with the tables that a gateway does not share with other computers."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path)
        self._files = (path, path.with_name(f"{path.name}-wal"))
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="fleet-store")

    @property
    def path(self) -> Path:
        return self._database.path

    @property
    def favorites(self) -> Favorites:
        return self._database.favorites

    @property
    def status(self) -> StoreStatus:
        return self._database.status

    def open(self) -> None:
        self._thread.submit(self._database.open).result()

    async def watch(self, on_read: Callable[[], None]) -> None:
        """Read the changes of other processes once a second. The thread is woken only if the file or its log
        has changed, so that an idle gateway sleeps."""
        seen: Stamp | None = None
        for number in itertools.count():
            await asyncio.sleep(WATCH_SECONDS)
            now = stamp(self._files)
            if number % RETRY_ROUNDS and (now == seen or not self.status.up):
                continue
            seen = now if is_settled(now) else None
            with contextlib.suppress(StoreUnavailableError):
                await self._in_thread(self._database.catch_up)
            on_read()

    async def edit(self, changes: Sequence[FavoritesChange]) -> list[Favorites | Exception]:
        return await self._in_thread(lambda: self._database.edit(changes))

    async def record(self, entry: StatusChange) -> None:
        await self._in_thread(lambda: self._database.record(entry))

    async def history(self, providers: Collection[str] | None, limit: int) -> tuple[StatusChange, ...]:
        return await self._in_thread(lambda: self._database.history(providers, limit))

    async def read(self, work: Callable[[Connection], Result]) -> Result:
        """Return what `work` reads of a table of `schema.ADDITIONS`; raises `StoreUnavailableError`."""
        return await self._in_thread(lambda: self._database.read(work))

    async def write(self, work: Callable[[Connection], Result]) -> Result:
        """Commit what `work` writes to a table of `schema.ADDITIONS`; raises `StoreUnavailableError`."""
        return await self._in_thread(lambda: self._database.write(work))

    async def close(self) -> None:
        await self._in_thread(self._database.close)
        self._thread.shutdown()

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def stamp(files: Iterable[Path]) -> Stamp:
    """Return a value that changes whenever one of the files is written: inode, size and time of each existing
    file."""
    found: list[tuple[int, int, int]] = []
    for file in files:
        with contextlib.suppress(OSError):
            stat = file.stat()
            found.append((stat.st_ino, stat.st_size, stat.st_mtime_ns))
    return tuple(found)


def is_settled(found: Stamp) -> bool:
    """Return whether any write after this stamp certainly changes the stamp."""
    newest = max((written for _, _, written in found), default=0)
    return time.time() - newest / 1e9 > TICK_SECONDS
