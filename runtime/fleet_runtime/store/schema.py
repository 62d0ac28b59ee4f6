"""The tables of the state file, and upgrading an older file.

A change that is compatible with the previous version of fleet is an addition: a new table, or a column that
may be null. It is recorded by its name in the table ``additions``, and ``user_version`` stays, so that the
previous version still opens the file. Any other change is a migration, which raises ``user_version``. A file
that is older is backed up before either.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

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
"""The statements that lead from each ``user_version`` to the next; entries are only ever added."""


@dataclass(frozen=True, slots=True)
class Addition:
    """A change that is applied once to a file; its statements do not change anything that the previous
    version reads."""

    name: str
    statements: tuple[str, ...]


ADDITIONS = (
    Addition(
        "favorites_by_list",
        (
            "CREATE TABLE favorite_list (name TEXT PRIMARY KEY, run TEXT NOT NULL, version INTEGER NOT NULL)",
            "CREATE TABLE favorite (list TEXT NOT NULL, id TEXT NOT NULL, position INTEGER NOT NULL, "
            "added_at REAL NOT NULL, PRIMARY KEY (list, id))",
            "INSERT INTO favorite_list SELECT 'default', lower(hex(randomblob(6))), version "
            "FROM favorites_version",
            "INSERT INTO favorite SELECT 'default', id, position, added_at FROM favorites",
            "ALTER TABLE status_history ADD COLUMN gateway TEXT",
        ),
    ),
    Addition(
        "old_name",
        (
            "CREATE TABLE old_name (kind TEXT NOT NULL, name TEXT NOT NULL, since REAL NOT NULL, "
            "uses INTEGER NOT NULL, last_at REAL, surface TEXT, PRIMARY KEY (kind, name))",
        ),
    ),
    Addition(
        "activity",
        (
            "CREATE TABLE activity (number INTEGER PRIMARY KEY, gateway TEXT NOT NULL, "
            "request BLOB NOT NULL)",
            "CREATE INDEX activity_of_gateway ON activity (gateway, number)",
        ),
    ),
    Addition(
        "series",
        (
            "CREATE TABLE series_name (id INTEGER PRIMARY KEY, gateway TEXT NOT NULL, series TEXT NOT NULL, "
            "span TEXT NOT NULL, UNIQUE (gateway, series, span))",
            "CREATE TABLE series_step (id INTEGER NOT NULL, step INTEGER NOT NULL, cell BLOB NOT NULL, "
            "PRIMARY KEY (id, step)) WITHOUT ROWID",
        ),
    ),
    Addition("key_use", ("CREATE TABLE key_use (name TEXT PRIMARY KEY, last_at REAL NOT NULL)",)),
)
"""Add new tables of the state at the end; `Store.read` and `Store.write` access them."""

TABLES = ("favorites", "favorites_version", "status_history", "favorite_list", "favorite")
"""The required tables; a file without them is damaged."""

CHECK_SECONDS = 5.0
"""The time limit of the check of a file; a valid file takes a tenth of a second."""
_STEPS = 10_000
"""Instructions of SQLite between two readings of the clock."""

_CIRCUMSTANCES = {
    *(sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY),
    *(sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOMEM),
    *(sqlite3.SQLITE_AUTH, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_NOLFS, sqlite3.SQLITE_INTERRUPT),
}
"""Primary result codes about the disk, permissions or other processes, not the file's content."""

STATE_ERRORS = (sqlite3.Error, UnicodeDecodeError, OverflowError)
"""The exceptions of sqlite3 for a file, including failures to decode names and messages of a damaged one as
UTF-8."""


log = logging.getLogger("fleet.store")


class DamagedStateError(sqlite3.DatabaseError):
    """The file has content that fleet never writes."""


class NewerStateError(sqlite3.DatabaseError):
    """The file was written by a newer version of fleet."""

    def __init__(self) -> None:
        super().__init__("it was written by a newer version of fleet")


def is_damage(error: Exception) -> bool:
    """Return whether one of `STATE_ERRORS` means that the file's content is damaged."""
    if isinstance(error, NewerStateError | sqlite3.ProgrammingError | sqlite3.InterfaceError):
        return False
    code = getattr(error, "sqlite_errorcode", None)
    return code is None or code & 0xFF not in _CIRCUMSTANCES


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Begin a write transaction; after a failure inside it, the connection must be closed."""
    connection.execute("BEGIN IMMEDIATE")
    yield
    connection.execute("COMMIT")


@contextlib.contextmanager
def bounded(connection: sqlite3.Connection, seconds: float = CHECK_SECONDS) -> Iterator[None]:
    """Raise `DamagedStateError` if the block's statements run longer than `seconds`, which no valid file
    needs."""
    deadline = time.monotonic() + seconds
    connection.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
    try:
        yield
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", None) != sqlite3.SQLITE_INTERRUPT:
            raise
        raise DamagedStateError(f"reading it takes longer than {seconds:g} s") from None
    finally:
        connection.set_progress_handler(None, 0)


def is_table(connection: sqlite3.Connection, name: str) -> bool:
    """Return whether `name` is an ordinary table; a view of that name may take forever to read."""
    found = "SELECT 1 FROM sqlite_schema WHERE name = ? AND type = 'table' AND sql LIKE 'CREATE TABLE%'"
    return connection.execute(found, (name,)).fetchone() is not None


def prepare(connection: sqlite3.Connection, path: Path | None = None) -> None:
    """Check the file and upgrade it to the newest version; an older one is first backed up next to `path`.

    Raises `DamagedStateError` and `NewerStateError`.
    """
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if verdict != "ok":
        raise DamagedStateError(verdict)
    with transaction(connection):
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > len(MIGRATIONS):
            raise NewerStateError
        if version < 0:
            raise DamagedStateError(f"its version is {version}")
        _require_no_code(connection)
        present = _additions(connection)
        missing = [addition for addition in ADDITIONS if addition.name not in present]
        if path is not None and version > 0 and (version < len(MIGRATIONS) or missing):
            _back_up(path)
        for statements in MIGRATIONS[version:]:
            for statement in statements:
                connection.execute(statement)
        _add(connection, missing)
        for table in TABLES:
            if not is_table(connection, table):
                raise DamagedStateError(f"it has no table '{table}'")
        if version < len(MIGRATIONS):
            connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


def free_name(path: Path, word: str) -> Path:
    """Return a path next to `path` that does not exist: its name with `word` and a number."""
    number = 1
    while (free := path.with_name(f"{path.name}.{word}-{number}")).exists():
        number += 1
    return free


def _additions(connection: sqlite3.Connection) -> set[str]:
    if not is_table(connection, "additions"):
        return set()
    return {name for (name,) in connection.execute("SELECT name FROM additions LIMIT 1000")}


def _add(connection: sqlite3.Connection, missing: Collection[Addition]) -> None:
    if missing:
        connection.execute("CREATE TABLE IF NOT EXISTS additions (name TEXT PRIMARY KEY, at REAL NOT NULL)")
    for addition in missing:
        for statement in addition.statements:
            connection.execute(statement)
        connection.execute("INSERT INTO additions VALUES (?, ?)", (addition.name, time.time()))


def _back_up(path: Path) -> None:
    """Copy the last committed state; the copy gets its name when it is on disk."""
    target = free_name(path, "backup")
    unfinished = target.with_name(f"{target.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    present = f"file:{quote(str(path.absolute()))}?mode=ro"
    with (
        contextlib.closing(sqlite3.connect(present, uri=True)) as source,
        contextlib.closing(sqlite3.connect(unfinished)) as copy,
    ):
        source.backup(copy)
    unfinished.rename(target)
    log.info("copied the state file to '%s' before changing its tables", target)


def _require_no_code(connection: sqlite3.Connection) -> None:
    """Raise `DamagedStateError` if the file contains code, because a trigger could undo acknowledged
    writes."""
    foreign = "SELECT type, name FROM sqlite_schema WHERE type NOT IN ('table', 'index')"
    for kind, name in connection.execute(foreign):
        raise DamagedStateError(f"it has a {kind} '{name}'")
