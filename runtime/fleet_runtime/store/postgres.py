"""The state in PostgreSQL, shared by several gateways: favorites and history on one connection of each.

No request and no list waits for the database. The favorites in memory are read after a notification, every
`READ_SECONDS`, and after each new connection. The notification is a hint only: PgBouncer in transaction mode
takes ``LISTEN`` and delivers nothing. Every statement is in an explicit transaction, because that pooler
gives each transaction to another server.

A suspended server is detected only by a timeout. A statement that takes too long ends its connection without
a rollback, which would wait for the same server.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from fleet_runtime.catalog.favorites import Favorites, FavoritesChange
from fleet_runtime.store.backend import StoreStatus, StoreUnavailableError
from fleet_runtime.store.postgres_tables import (
    CHANNEL,
    append_history,
    prepare,
    read_favorites,
    read_history,
    read_tag,
    write_favorites,
)
from fleet_runtime.store.postgres_url import DatabaseUrl, failure_reason, shown_url
from fleet_runtime.store.rows import StatusChange

if TYPE_CHECKING:
    import asyncpg

CONNECT_SECONDS = 2.0
STATEMENT_SECONDS = 2.0
"""The time limit of one change, so that a client gets an error within three seconds."""
READ_SECONDS = 5.0
RETRY_SECONDS = 1.0
PENDING = 1000
"""The maximum number of history entries kept in memory while the database is unavailable."""

log = logging.getLogger("fleet.store")


class PostgresState:
    """A `Backend` on the database at `url`. `name` is the application name shown by the server."""

    def __init__(self, url: DatabaseUrl, name: str) -> None:
        self._url = url
        self._name = name
        self._favorites = Favorites()
        where = f"the database of {url.source}"
        self._status = StoreStatus(False, time.time(), where, "no connection yet")
        self._connection: asyncpg.Connection | None = None
        self._lock = asyncio.Lock()
        self._attempted = asyncio.Event()
        self._news = asyncio.Event()
        self._pending: deque[StatusChange] = deque(maxlen=PENDING)

    @property
    def favorites(self) -> Favorites:
        return self._favorites

    @property
    def status(self) -> StoreStatus:
        return self._status

    def open(self) -> None:
        """Do nothing: `watch` connects, so that a gateway starts without its database."""

    async def watch(self, on_read: Callable[[], None]) -> None:
        while True:
            with contextlib.suppress(StoreUnavailableError):
                if self._connection is None:  # else a transaction had to wait for others too long
                    await self._connect()
                while True:
                    self._news.clear()
                    await self._catch_up()
                    on_read()
                    with contextlib.suppress(TimeoutError):
                        # not `wait_for`, which can lose a cancellation on Python 3.11
                        async with asyncio.timeout(READ_SECONDS):
                            await self._news.wait()
            await asyncio.sleep(RETRY_SECONDS)

    async def edit(self, changes: Sequence[FavoritesChange]) -> list[Favorites | Exception]:
        outcomes: list[Favorites | Exception] = []
        async with self._transaction() as connection:
            before = now = await self._locked(connection)
            for change in changes:
                try:
                    now = change.apply(now)
                except Exception as refusal:
                    outcomes.append(refusal)
                else:
                    outcomes.append(now)
            if now is not before:
                await write_favorites(connection, before, now)
        self._favorites = now
        return outcomes

    async def record(self, entry: StatusChange) -> None:
        self._pending.append(entry)
        await self._write_pending()

    async def history(self, providers: Collection[str] | None, limit: int) -> tuple[StatusChange, ...]:
        return await asyncio.shield(asyncio.create_task(self._history(providers, limit)))

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def _connect(self) -> None:
        import asyncpg

        connection: asyncpg.Connection | None = None
        try:
            url = self._url.read()
            self._status = replace(self._status, where=shown_url(url))
            async with asyncio.timeout(CONNECT_SECONDS):
                # Without its cache no statement outlives a transaction, which a pooler requires.
                connection = await asyncpg.connect(
                    url, statement_cache_size=0, server_settings={"application_name": self._name}
                )
                await prepare(connection)
                await connection.add_listener(CHANNEL, lambda *_: self._news.set())
            connection.add_termination_listener(lambda _: self._news.set())
            self._connection = connection  # not before: no edit may use it in the middle of that
        except BaseException as error:
            raise self._lost(error, connection) from None
        finally:
            self._attempted.set()
        await self._write_pending()

    async def _history(self, providers: Collection[str] | None, limit: int) -> tuple[StatusChange, ...]:
        async with self._transaction() as connection:
            return await read_history(connection, providers, limit)

    async def _catch_up(self) -> None:
        """Read the list if it has changed."""
        async with self._transaction() as connection:
            if await read_tag(connection) != self._favorites.tag:
                self._favorites = await read_favorites(connection)
        if not self._status.up:
            log.info("the state in %s can be used", self._status.where)
            self._status = StoreStatus(True, time.time(), self._status.where)

    async def _locked(self, connection: asyncpg.Connection) -> Favorites:
        """Return the current list, locked until the transaction ends."""
        same = await read_tag(connection, lock=True) == self._favorites.tag
        return self._favorites if same else await read_favorites(connection)

    async def _write_pending(self) -> None:
        if not self._pending:
            return
        async with self._transaction() as connection:
            entries = tuple(self._pending)
            if entries:
                await append_history(connection, entries)
        for _ in entries:
            self._pending.popleft()

    @contextlib.asynccontextmanager
    async def _transaction(self) -> AsyncIterator[asyncpg.Connection]:
        """A transaction within `STATEMENT_SECONDS`. Every failure in it closes the connection, and so does
        cancelling: the next user would continue it."""
        used: asyncpg.Connection | None = None
        try:
            async with asyncio.timeout(STATEMENT_SECONDS), self._lock:
                await self._attempted.wait()
                connection = self._connection
                if connection is None:
                    raise StoreUnavailableError(self._reason)
                used = connection
                await connection.execute("BEGIN")
                yield connection
                await connection.execute("COMMIT")
        except StoreUnavailableError:
            raise
        except BaseException as error:
            raise self._lost(error, used) from None

    @property
    def _reason(self) -> str:
        return f"{self._status.where} cannot be used: {self._status.reason}"

    def _lost(self, error: BaseException, connection: asyncpg.Connection | None) -> BaseException:
        """Close the connection; return the error for its user."""
        if connection is not None:
            connection.terminate()
            if self._connection is connection:
                self._connection = None
        self._news.set()
        if not isinstance(error, Exception):
            return error
        reason = failure_reason(error)
        if self._status.up or self._status.reason != reason:
            since = time.time() if self._status.up else self._status.since
            remedy = self._url.remedy(error, self._status.where)
            self._status = StoreStatus(False, since, self._status.where, reason, remedy)
            log.error("the state in %s is unavailable: %s: %s", self._status.where, reason, remedy)
        return StoreUnavailableError(self._reason)
