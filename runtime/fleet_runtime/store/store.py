"""The store for the event loop: favorites and the providers' history.

Readers never wait for the disk or a database. Changes that arrive together are committed together, and
acknowledged after the commit.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection
from pathlib import Path
from sqlite3 import Connection
from typing import TypeVar

from fleet_runtime.catalog.favorites import Favorites, FavoritesChange
from fleet_runtime.event_log import Event
from fleet_runtime.events import ProviderChange
from fleet_runtime.store.backend import Backend, StoreStatus, StoreUnavailableError
from fleet_runtime.store.local_state import LocalState
from fleet_runtime.store.rows import StatusChange

__all__ = ["StatusChange", "Store", "StoreUnavailableError", "keep_history"]

Result = TypeVar("Result")


class Store:
    """Favorites and history, in the state file at `path` or in the `shared` database; everything else is in
    the file. If they are unavailable, the favorites are those last known, `edit` raises
    `StoreUnavailableError`, and `status` has the reason.

    `on_change` is called on the event loop with the version, after each change of the favorites, by this
    process or by another one. `gateway`: the name of this one in the history.
    """

    def __init__(
        self,
        path: Path,
        on_change: Callable[[int], None] = lambda version: None,
        gateway: str | None = None,
        shared: Backend | None = None,
    ) -> None:
        self._local = LocalState(path)
        self._backend: Backend = shared or self._local
        self._on_change = on_change
        self._gateway = gateway
        self._told = ""
        self._waiting: list[tuple[FavoritesChange, asyncio.Future[Favorites]]] = []
        self._writing: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<Store {self.status.where}: {self.fault or f'version {self.favorites.version}'}>"

    @property
    def gateway(self) -> str:
        """Return the name of this gateway in shared tables."""
        return self._gateway or ""

    @property
    def favorites(self) -> Favorites:
        return self._backend.favorites

    @property
    def status(self) -> StoreStatus:
        return self._backend.status

    @property
    def fault(self) -> str | None:
        """Return the problem of the state, None if there is none."""
        return self.status.reason

    def open(self) -> None:
        """Load the state file; blocks. Call it before anything else."""
        self._local.open()
        self._told = self.favorites.tag

    async def watch(self) -> None:
        """Follow the changes of other gateways, until cancelled."""
        await self._backend.watch(self._tell)

    async def edit(self, change: FavoritesChange) -> Favorites:
        """Apply and save `change`; return the resulting favorites.

        Raises what `FavoritesChange.apply` raises, and `StoreUnavailableError` if nothing can be
        written. Cancelling the caller does not undo the change.
        """
        done: asyncio.Future[Favorites] = asyncio.get_running_loop().create_future()
        self._waiting.append((change, done))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write(), name="store")
        return await done

    async def record_status(self, provider: str, status: str, reason: str | None, at: float) -> None:
        """Append to the history; an entry that cannot be written is lost, which `fault` reports."""
        with contextlib.suppress(StoreUnavailableError):
            await self._backend.record(StatusChange(provider, status, reason, at, self._gateway))

    async def history(
        self, providers: Collection[str] | None = None, limit: int = 100
    ) -> tuple[StatusChange, ...]:
        """Return the newest changes of status, newest first, of these providers or of all; none if the state
        cannot be used."""
        try:
            return await self._backend.history(providers, limit)
        except StoreUnavailableError:
            return ()

    async def read(self, work: Callable[[Connection], Result]) -> Result:
        """Return what `work` reads of a table of `schema.ADDITIONS`, on the thread of the state file.

        `work` may be called twice. Raises `StoreUnavailableError`.
        """
        return await self._local.read(work)

    async def write(self, work: Callable[[Connection], Result]) -> Result:
        """Commit what `work` writes to a table of `schema.ADDITIONS`, on the thread of the state file.

        `work` may be called twice, but takes effect once. Raises `StoreUnavailableError`.
        """
        return await self._local.write(work)

    async def close(self) -> None:
        """Finish the pending writes, and close file and database."""
        while self._writing is not None:
            await self._writing
        await self._backend.close()
        if self._backend is not self._local:
            await self._local.close()

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
            outcomes = await self._backend.edit([edit for edit, _ in batch])
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


async def keep_history(store: Store, events: AsyncIterator[Event], clock: Callable[[], float]) -> None:
    """Record every change of a status or reason code in `events`, until cancelled."""
    async for event in events:
        change = event.data
        if isinstance(change, ProviderChange):
            await store.record_status(change.provider, change.status, change.reason, clock())
