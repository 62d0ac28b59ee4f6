"""The store for the event loop: favorites and the providers' history.

Readers never wait for the disk or a database. What arrives together is committed together, and acknowledged
when it is kept.
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
    """Favorites and history, in the state file at `path` or in the `shared` database; what else a gateway
    keeps is in the file. If they cannot be used, the favorites are those last known, `edit` raises
    `StoreUnavailableError`, and `status` says why.

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
        """The name under which this gateway writes what other gateways may write too."""
        return self._gateway or ""

    @property
    def favorites(self) -> Favorites:
        return self._backend.favorites

    @property
    def status(self) -> StoreStatus:
        return self._backend.status

    @property
    def fault(self) -> str | None:
        """Return what is wrong with the state, None if nothing is."""
        return self.status.reason

    def open(self) -> None:
        """Load the state file, blocking; to be called before anything else."""
        self._local.open()
        self._told = self.favorites.tag

    async def watch(self) -> None:
        """Follow what other gateways write, until cancelled."""
        await self._backend.watch(self._tell)

    async def edit(self, change: FavoritesChange) -> Favorites:
        """The favorites after `change`, which is kept by then.

        Raises what `FavoritesChange.apply` raises, and `StoreUnavailableError` if nothing can be
        written. A caller that goes away does not undo its change.
        """
        done: asyncio.Future[Favorites] = asyncio.get_running_loop().create_future()
        self._waiting.append((change, done))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write(), name="store")
        return await done

    async def record_status(self, provider: str, status: str, reason: str | None, at: float) -> None:
        """Append to the history; an entry that the state file cannot take is lost, and `fault` says so."""
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

        It may be called twice. Raises `StoreUnavailableError`.
        """
        return await self._local.read(work)

    async def write(self, work: Callable[[Connection], Result]) -> Result:
        """Commit what `work` writes to a table of `schema.ADDITIONS`, on the thread of the state file.

        It may be called twice, and counts once. Raises `StoreUnavailableError`.
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
    """Record every change of status, or of the kind of its reason, among `events`, until cancelled."""
    async for event in events:
        change = event.data
        if isinstance(change, ProviderChange):
            await store.record_status(change.provider, change.status, change.reason, clock())
