"""The state file: SQLite in WAL mode; commits are on disk before they are acknowledged. For one thread.

A damaged file is set aside, and a new one starts with every row that could be rescued. While the file cannot
be written, its readable content is served, and every write tries again, so that freeing space or fixing
permissions is enough.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sqlite3
import stat
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from fleet_runtime.catalog.favorites import Favorites, FavoritesChange
from fleet_runtime.store.backend import StoreStatus, StoreUnavailableError
from fleet_runtime.store.previous_tables import read_previous_version, settle, write_previous
from fleet_runtime.store.rescue import RescuedState, rescue_state
from fleet_runtime.store.rows import StatusChange
from fleet_runtime.store.schema import (
    STATE_ERRORS,
    DamagedStateError,
    bounded,
    free_name,
    is_damage,
    prepare,
    transaction,
)
from fleet_runtime.store.tables import append_history, read_history, read_tag, write_favorites
from fleet_runtime.text import count, escape

BUSY_SECONDS = 5.0
HISTORY_ROWS = 10_000
TRIMMED_ROWS = 1000
"""The maximum number of entries removed per new entry, so that a commit never removes a million."""
MAX_BYTES = 256_000_000
"""The maximum size of a state file, far above any real one; checking a larger file would delay the start."""

Result = TypeVar("Result")

log = logging.getLogger("fleet.store")


class Database:
    """`favorites` is the list last committed or read; `fault` is the problem of the file, None if there is
    none.

    Every method except these two may raise `StoreUnavailableError`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.favorites = Favorites()
        self._connection: sqlite3.Connection | None = None
        self._loaded = False
        self._rescued: RescuedState | None = None
        self._data_version: int | None = None
        self._unavailable: str | None = None
        self._since = time.time()
        self._damage: str | None = None

    @property
    def fault(self) -> str | None:
        return self._unavailable or self._damage

    @property
    def status(self) -> StoreStatus:
        return StoreStatus(self._unavailable is None, self._since, escape(str(self.path)), self.fault)

    def open(self) -> None:
        """Load the state, and try to write; if that fails, load what can be read."""

        def check(connection: sqlite3.Connection) -> None:
            with self._writing(connection):
                connection.execute("UPDATE favorite_list SET version = version")

        try:
            self._attempt(check)
        except StoreUnavailableError:
            if (
                not self._loaded
                and self.path.is_file()
                and (known := rescue_state(self.path).favorites).items
            ):
                self.favorites, self._loaded = known, True

    def edit(self, edits: Sequence[FavoritesChange]) -> list[Favorites | Exception]:
        """Apply the edits in order and commit them together to disk; return the outcome of each."""
        return self._attempt(lambda connection: self._edit(connection, edits))

    def catch_up(self) -> None:
        """Read the commits of other processes since the last call; retry an unusable file."""
        if self._unavailable is not None:
            self.open()
            return

        def read(connection: sqlite3.Connection) -> None:
            (data_version,) = connection.execute("PRAGMA data_version").fetchone()
            if data_version != self._data_version:
                with transaction(connection):
                    self.favorites = self._current(connection)
                self._data_version = data_version

        self._attempt(read)

    def read(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Return what `work` reads of a table among `ADDITIONS`; it may be called twice."""
        return self._attempt(work)

    def write(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Commit what `work` writes to a table among `ADDITIONS`; it may be called twice, and counts once."""

        def commit(connection: sqlite3.Connection) -> Result:
            with self._writing(connection):
                return work(connection)

        return self._attempt(commit)

    def record(self, entry: StatusChange) -> None:
        """Append to the history, and remove its oldest entries beyond `HISTORY_ROWS`."""

        def insert(connection: sqlite3.Connection) -> None:
            with self._writing(connection):
                append_history(connection, (entry,))
                connection.execute(
                    "DELETE FROM status_history WHERE number IN (SELECT number FROM status_history WHERE "
                    "number <= (SELECT max(number) FROM status_history) - ? ORDER BY number LIMIT ?)",
                    (HISTORY_ROWS, TRIMMED_ROWS),
                )

        self._attempt(insert)

    def history(self, providers: Collection[str] | None, limit: int) -> tuple[StatusChange, ...]:
        """Return the newest `limit` entries, newest first, of these providers or of all."""
        names = None if providers is None else json.dumps(list(providers))

        def select(connection: sqlite3.Connection) -> tuple[StatusChange, ...]:
            return read_history(
                connection,
                "WHERE ? IS NULL OR provider IN (SELECT value FROM json_each(?)) "
                "ORDER BY number DESC LIMIT ?",
                names,
                names,
                min(limit, HISTORY_ROWS),
            )

        return self._attempt(select)

    def close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def _attempt(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run `work`; retry on a new connection after a failure, and on a new file if the old one is
        damaged."""
        try:
            try:
                return work(self._connected())
            except STATE_ERRORS as error:
                if not is_damage(error):
                    raise
                self._set_aside()
                return work(self._connected())
        except (*STATE_ERRORS, OSError) as error:
            self.close()
            unavailable = escape(f"the state file '{self.path}' cannot be used: {error}")
            if unavailable != self._unavailable:
                log.error("%s", unavailable)
            self._set_unavailable(unavailable)
            raise StoreUnavailableError(unavailable) from error

    def _connected(self) -> sqlite3.Connection:
        """Return a connection to the checked file, or to a new one with the rescued rows."""
        if self._loaded and self._rescued is None and not self.path.exists():
            self.close()
            self._rescued = RescuedState(self.favorites)
            log.warning("the state file '%s' was deleted: recreating it", self.path)
        if self._connection is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            _require_state_file(self.path)
            self._connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)
            with bounded(self._connection):
                prepare(self._connection, self.path)
            with transaction(self._connection):
                self.favorites = settle(self._connection)
            if self._rescued is not None:
                with self._writing(self._connection):
                    self._save(self._connection, self._rescued.favorites)
                    append_history(self._connection, self._rescued.history)
                self.favorites = self._rescued.favorites
                self._rescued = None
            read_history(self._connection, "ORDER BY number DESC LIMIT ?", HISTORY_ROWS)
            self._loaded = True
        return self._connection

    @contextlib.contextmanager
    def _writing(self, connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
        """Run a write transaction; success means that the file is writable."""
        with transaction(connection):
            yield connection
        self._set_unavailable(None)

    def _set_unavailable(self, reason: str | None) -> None:
        if (reason is None) != (self._unavailable is None):
            self._since = time.time()
        self._unavailable = reason

    def _edit(
        self, connection: sqlite3.Connection, edits: Sequence[FavoritesChange]
    ) -> list[Favorites | Exception]:
        outcomes: list[Favorites | Exception] = []
        with transaction(connection):
            before = now = self._current(connection)
            for edit in edits:
                try:
                    now = edit.apply(now)
                except Exception as refusal:
                    outcomes.append(refusal)
                else:
                    outcomes.append(now)
            self.favorites = before
            if now is not before:
                self._save(connection, now)
        if now is not before:
            self._set_unavailable(None)
        self.favorites = now
        return outcomes

    def _current(self, connection: sqlite3.Connection) -> Favorites:
        """Return the favorites of the file, which another process may have written to."""
        tag = read_tag(connection)
        same = tag.tag == self.favorites.tag and tag.version == read_previous_version(connection)
        return self.favorites if same else settle(connection)

    def _save(self, connection: sqlite3.Connection, favorites: Favorites) -> None:
        """Write what differs from `self.favorites`, which are those of the file."""
        write_favorites(connection, self.favorites, favorites)
        write_previous(connection, self.favorites, favorites)

    def _set_aside(self) -> None:
        """Rename the damaged file and rescue its rows; favorites that this process has loaded stay."""
        self.close()
        rescued = rescue_state(self.path)
        if self._loaded:
            rescued = RescuedState(self.favorites, rescued.history)
        aside = free_name(self.path, "damaged")
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                Path(f"{self.path}{suffix}").rename(f"{aside}{suffix}")
        self._rescued = rescued
        favorites = count(len(rescued.favorites.items), "favorite")
        history = count(len(rescued.history), "history entry", "history entries")
        damage = f"the state file was damaged and is now '{aside}': rescued {favorites} and {history}"
        self._damage = escape(damage)
        log.error("%s", self._damage)


def _require_state_file(path: Path) -> None:
    """Raise OSError for a device, pipe or folder, `DamagedStateError` for a file that is too large."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return
    if not stat.S_ISREG(found.st_mode):
        raise OSError("it is not a regular file")
    if found.st_size > MAX_BYTES:
        raise DamagedStateError(f"it is larger than {MAX_BYTES // 1_000_000} MB")
