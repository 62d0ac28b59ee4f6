"""What the gateway keeps between runs: favorites and the providers' history, for the event loop.

Readers never wait for the disk. Writes go to one thread, which commits together what arrived together; each
is acknowledged when it is on the disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from sqlite3 import Connection
from typing import TypeVar

from fleet_runtime.catalog.favorites import Favorites, FavoritesChange
from fleet_runtime.event_log import Event
from fleet_runtime.events import ProviderChange
from fleet_runtime.store.rows import StatusChange
from fleet_runtime.store.sqlite import Database, StoreUnavailableError

__all__ = ["StatusChange", "Store", "StoreUnavailableError", "keep_history"]

WATCH_SECONDS = 1.0
RETRY_ROUNDS = 5
"""Rounds between two attempts to use a file that could not be used."""

Result = TypeVar("Result")


class Store:
    """Favorites and history; without a usable file, the favorites are those last known, `edit` raises
    `StoreUnavailableError`, and `fault` says why.

    `on_change` is called on the event loop with the version, after each change of the favorites, by this
    process or by another one. `gateway`: the name of this one in the history.
    """

    def __init__(
        self, path: Path, on_change: Callable[[int], None] = lambda version: None, gateway: str | None = None
    ) -> None:
        self._database = Database(path)
        self._on_change = on_change
        self._gateway = gateway
        self._told = ""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="fleet-store")
        self._waiting: list[tuple[FavoritesChange, asyncio.Future[Favorites]]] = []
        self._writing: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<Store {self._database.path}: {self.fault or f'version {self.favorites.version}'}>"

    @property
    def path(self) -> Path:
        return self._database.path

    @property
    def gateway(self) -> str:
        """The name under which this gateway writes what other gateways may write too."""
        return self._gateway or ""

    @property
    def favorites(self) -> Favorites:
        return self._database.favorites

    @property
    def fault(self) -> str | None:
        return self._database.fault

    def open(self) -> None:
        """Load the state file, blocking; to be called before anything else."""
        self._thread.submit(self._database.open).result()
        self._told = self.favorites.tag

    async def watch(self) -> None:
        """Read once a second what another process has written to the file, until cancelled."""
        for number in itertools.count():
            await asyncio.sleep(WATCH_SECONDS)
            if not self._database.available and number % RETRY_ROUNDS:
                continue
            with contextlib.suppress(StoreUnavailableError):
                await self._in_thread(self._database.catch_up)
            self._tell()

    async def edit(self, change: FavoritesChange) -> Favorites:
        """The favorites after `change`, which is on the disk by then.

        Raises what `FavoritesChange.apply` raises, and `StoreUnavailableError` if nothing can be
        written. A caller that goes away does not undo its change.
        """
        done: asyncio.Future[Favorites] = asyncio.get_running_loop().create_future()
        self._waiting.append((change, done))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write(), name="store")
        return await done

    async def record_status(self, provider: str, status: str, reason: str | None, at: float) -> None:
        """Append to the history; if nothing can be written, the entry is lost, and `fault` says so."""
        entry = StatusChange(provider, status, reason, at, self._gateway)
        with contextlib.suppress(StoreUnavailableError):
            await self._in_thread(lambda: self._database.record(entry))

    async def history(
        self, providers: Collection[str] | None = None, limit: int = 100
    ) -> tuple[StatusChange, ...]:
        """Return the newest changes of status, newest first, of these providers or of all; none if the file
        cannot be used."""
        try:
            return await self._in_thread(lambda: self._database.history(providers, limit))
        except StoreUnavailableError:
            return ()

    async def read(self, work: Callable[[Connection], Result]) -> Result:
        """Return what `work` reads of a table of `schema.ADDITIONS`, on the store's thread.

        It may be called twice. Raises `StoreUnavailableError`.
        """
        return await self._in_thread(lambda: self._database.read(work))

    async def write(self, work: Callable[[Connection], Result]) -> Result:
        """Commit what `work` writes to a table of `schema.ADDITIONS`, on the store's thread.

        It may be called twice, and counts once. Raises `StoreUnavailableError`.
        """
        return await self._in_thread(lambda: self._database.write(work))

    async def close(self) -> None:
        """Finish the pending writes, and close the file."""
        while self._writing is not None:
            await self._writing
        await self._in_thread(self._database.close)
        self._thread.shutdown()

    async def _write(self) -> None:
        """Commit the waiting changes, and those that arrive meanwhile, until none is left."""
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                await self._commit(batch)
        finally:
            self._writing = None

    async def _commit(self, batch: list[tuple[FavoritesChange, asyncio.Future[Favorites]]]) -> None:
        outcomes: list[Favorites | Exception]
        try:
            outcomes = await self._in_thread(lambda: self._database.edit([edit for edit, _ in batch]))
        except Exception as error:
            outcomes = [error] * len(batch)
        for (_, done), outcome in zip(batch, outcomes, strict=True):
            if done.cancelled():
                continue
            if isinstance(outcome, Exception):
                done.set_exception(outcome)
            else:
                done.set_result(outcome)
        self._tell()

    def _tell(self) -> None:
        if self.favorites.tag != self._told:
            self._told = self.favorites.tag
            self._on_change(self.favorites.version)

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


async def keep_history(store: Store, events: AsyncIterator[Event], clock: Callable[[], float]) -> None:
    """Record every change of status, or of the kind of its reason, among `events`, until cancelled."""
    async for event in events:
        change = event.data
        if isinstance(change, ProviderChange):
            await store.record_status(change.provider, change.status, change.reason, clock())
