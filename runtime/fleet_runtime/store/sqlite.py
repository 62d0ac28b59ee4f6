"""The state file: SQLite in WAL mode, every commit on the disk before it is told. For one thread only.

A file that is damaged is kept aside and a new one takes its place. Where the file cannot be written, what
can be read of it is, and every write tries anew: room that was made or a right that was given is enough.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from fleet_runtime.catalog.favorites import Favorite, Favorites, FavoritesChange

BUSY_SECONDS = 5.0
HISTORY_ROWS = 10_000

MIGRATIONS = (
    (
        "CREATE TABLE favorites (id TEXT PRIMARY KEY, position INTEGER NOT NULL, added_at REAL NOT NULL)",
        "CREATE TABLE favorites_version (version INTEGER NOT NULL)",
        "INSERT INTO favorites_version VALUES (0)",
        "CREATE TABLE status_history (number INTEGER PRIMARY KEY, provider TEXT NOT NULL, "
        "status TEXT NOT NULL, reason TEXT, at REAL NOT NULL)",
        "CREATE INDEX status_history_of_provider ON status_history (provider, number)",
    ),
)
"""What leads from each ``user_version`` to the next; entries are only ever added."""

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

Result = TypeVar("Result")

log = logging.getLogger("fleet.store")


class StoreUnavailableError(Exception):
    """The state cannot be written now; the message says why."""


class _DamagedError(Exception):
    """SQLite's own check found the file damaged."""


@dataclass(frozen=True, slots=True)
class StatusChange:
    """A machine's status from `at` (unix seconds) on."""

    provider: str
    status: str
    reason: str | None
    at: float


class Database:
    """`favorites` is what was last committed; `fault` says what is wrong with the file, None if all is well.

    Every method but those two may raise `StoreUnavailableError`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.favorites = Favorites()
        self._connection: sqlite3.Connection | None = None
        self._loaded = False
        self._rescued: Favorites | None = None
        self._unavailable: str | None = None
        self._damage: str | None = None

    @property
    def fault(self) -> str | None:
        return self._unavailable or self._damage

    def open(self) -> None:
        """Load what is there, and try to write. Where that fails, what can be read of it is taken."""

        def rewrite_version(connection: sqlite3.Connection) -> None:
            with self._writing(connection):
                connection.execute("UPDATE favorites_version SET version = version")

        try:
            self._attempt(rewrite_version)
        except StoreUnavailableError:
            known = _read_as_it_is(self.path)
            if known is not None:
                self.favorites, self._loaded = known, True

    def edit(self, edits: Sequence[FavoritesChange]) -> list[Favorites | Exception]:
        """Apply the edits in order and commit them together; what each came to, all on the disk."""
        return self._attempt(lambda connection: self._edit(connection, edits))

    def record(self, entry: StatusChange) -> None:
        """Add to the history, whose oldest entries go when it is long."""

        def insert(connection: sqlite3.Connection) -> None:
            with self._writing(connection):
                connection.execute(
                    "INSERT INTO status_history (provider, status, reason, at) VALUES (?, ?, ?, ?)",
                    (entry.provider, entry.status, entry.reason, entry.at),
                )
                connection.execute(
                    "DELETE FROM status_history WHERE number <= (SELECT max(number) FROM status_history) - ?",
                    (HISTORY_ROWS,),
                )

        self._attempt(insert)

    def history(self, provider: str | None, limit: int) -> tuple[StatusChange, ...]:
        """The newest `limit` entries, newest first, of one provider or of all."""

        def select(connection: sqlite3.Connection) -> tuple[StatusChange, ...]:
            rows = connection.execute(
                "SELECT provider, status, reason, at FROM status_history "
                "WHERE ? IS NULL OR provider = ? ORDER BY number DESC LIMIT ?",
                (provider, provider, limit),
            )
            return tuple(StatusChange(*row) for row in rows)

        return self._attempt(select)

    def close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def _attempt(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Do `work`, on a new connection after a failure, and on a new file where the old is damaged."""
        try:
            try:
                return work(self._connected())
            except (_DamagedError, sqlite3.DatabaseError) as error:
                if not _is_damage(error):
                    raise
                self._set_aside()
                return work(self._connected())
        except (_DamagedError, sqlite3.Error, OSError) as error:
            self.close()
            unavailable = f"the state file '{self.path}' cannot be used: {error}"
            if unavailable != self._unavailable:
                log.error("%s", unavailable)
            self._unavailable = unavailable
            raise StoreUnavailableError(unavailable) from error

    def _connected(self) -> sqlite3.Connection:
        """The open file, with the favorites loaded from it, or with those written to it that were rescued."""
        if self._loaded and self._rescued is None and not self.path.exists():
            self.close()
            self._rescued = self.favorites
            log.warning("the state file '%s' was removed, and is written anew", self.path)
        if self._connection is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)
            _prepare(self._connection)
            if self._rescued is not None:
                with self._writing(self._connection):
                    _write_favorites(self._connection, _read_favorites(self._connection), self._rescued)
                self._rescued = None
            self.favorites = _read_favorites(self._connection)
            self._loaded = True
        return self._connection

    @contextlib.contextmanager
    def _writing(self, connection: sqlite3.Connection) -> Iterator[None]:
        """A transaction that writes; its success shows that the file can be written."""
        with _transaction(connection):
            yield
        self._unavailable = None

    def _edit(
        self, connection: sqlite3.Connection, edits: Sequence[FavoritesChange]
    ) -> list[Favorites | Exception]:
        outcomes: list[Favorites | Exception] = []
        with _transaction(connection):
            before = now = self._current(connection)
            for edit in edits:
                try:
                    now = edit.apply(now)
                except Exception as refusal:
                    outcomes.append(refusal)
                else:
                    outcomes.append(now)
            if now is not before:
                _write_favorites(connection, before, now)
        if now is not before:
            self._unavailable = None
        self.favorites = now
        return outcomes

    def _current(self, connection: sqlite3.Connection) -> Favorites:
        """What the file holds, which another process may have written to."""
        (version,) = connection.execute("SELECT version FROM favorites_version").fetchone()
        return self.favorites if version == self.favorites.version else _read_favorites(connection)

    def _set_aside(self) -> None:
        """Keep the damaged file, and rescue what is known of the favorites.

        Known is what this process loaded, else what can still be read. A list that is lost whole goes on from
        a version that no reader has seen: the time in seconds.
        """
        self.close()
        known = self.favorites if self._loaded else _read_as_it_is(self.path)
        aside = _free_name(self.path)
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                Path(f"{self.path}{suffix}").rename(f"{aside}{suffix}")
        self._rescued = known or Favorites(int(time.time()))
        kept = "nothing of it could be read" if known is None else f"{len(known.items)} favorites were saved"
        self._damage = f"the state file was damaged and is kept as '{aside}'; {kept}"
        log.error("%s", self._damage)


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """One that holds the right to write from its begin; a failure inside leaves it to be closed."""
    connection.execute("BEGIN IMMEDIATE")
    yield
    connection.execute("COMMIT")


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise _DamagedError(verdict)
    with _transaction(connection):
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > len(MIGRATIONS):
            raise sqlite3.NotSupportedError("it was written by a newer version of fleet")
        for statements in MIGRATIONS[version:]:
            for statement in statements:
                connection.execute(statement)
        if version < len(MIGRATIONS):
            connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


def _read_favorites(connection: sqlite3.Connection) -> Favorites:
    (version,) = connection.execute("SELECT version FROM favorites_version").fetchone()
    rows = connection.execute("SELECT id, added_at FROM favorites ORDER BY position")
    return Favorites(version, tuple(Favorite(*row) for row in rows))


def _write_favorites(connection: sqlite3.Connection, before: Favorites, after: Favorites) -> None:
    """Write the rows that differ, and the version."""
    old, new = _rows(before), _rows(after)
    connection.executemany("DELETE FROM favorites WHERE id = ?", [(id,) for id in old.keys() - new.keys()])
    connection.executemany(
        "INSERT OR REPLACE INTO favorites (id, position, added_at) VALUES (?, ?, ?)",
        [(id, *row) for id, row in new.items() if old.get(id) != row],
    )
    connection.execute("UPDATE favorites_version SET version = ?", (after.version,))


def _rows(favorites: Favorites) -> dict[str, tuple[int, float]]:
    return {item.id: (position, item.added_at) for position, item in enumerate(favorites.items)}


def _read_as_it_is(path: Path) -> Favorites | None:
    """The favorites of a file that cannot be opened for writing or is damaged; None if they cannot be read.

    The second try takes the file alone, without its log, which a folder that is read-only may need.
    """
    for flags in ("mode=ro", "mode=ro&immutable=1"):
        with contextlib.suppress(sqlite3.Error):
            connection = sqlite3.connect(f"file:{quote(str(path.absolute()))}?{flags}", uri=True)
            with contextlib.closing(connection):
                return _read_favorites(connection)
    return None


def _is_damage(error: Exception) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(error, _DamagedError) or (code is not None and code & 0xFF in _DAMAGED)


def _free_name(path: Path) -> Path:
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    return aside
