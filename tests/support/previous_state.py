"""The state file as fleet read and wrote it before the first addition; to be left as it is."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

CREATE = (
    "CREATE TABLE favorites (id TEXT PRIMARY KEY, position INTEGER NOT NULL, added_at REAL NOT NULL)",
    "CREATE TABLE favorites_version (version INTEGER NOT NULL)",
    "INSERT INTO favorites_version VALUES (0)",
    "CREATE TABLE status_history (number INTEGER PRIMARY KEY, provider TEXT NOT NULL, "
    "status TEXT NOT NULL, reason TEXT, at REAL NOT NULL)",
    "CREATE INDEX status_history_of_provider ON status_history (provider, number)",
)


class PreviousState:
    """What the previous version sees of a file; refusing one, it raises ValueError with its reason."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        if verdict != "ok":
            raise ValueError(verdict)
        connection.execute("BEGIN IMMEDIATE")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version not in (0, 1):
            raise ValueError("it was written by a newer version of fleet")
        if version == 0:
            for statement in CREATE:
                connection.execute(statement)
        foreign = "SELECT type, name FROM sqlite_schema WHERE type NOT IN ('table', 'index')"
        for kind, name in connection.execute(foreign):
            raise ValueError(f"it has a {kind} '{name}'")
        found = "SELECT 1 FROM sqlite_schema WHERE name = ? AND type = 'table' AND sql LIKE 'CREATE TABLE%'"
        for table in ("favorites", "favorites_version", "status_history"):
            if connection.execute(found, (table,)).fetchone() is None:
                raise ValueError(f"it has no table '{table}'")
        connection.execute("PRAGMA user_version = 1")
        connection.execute("COMMIT")

    @property
    def version(self) -> int:
        ((version,),) = self._connection.execute("SELECT version FROM favorites_version LIMIT 2").fetchall()
        return int(version)

    @property
    def favorites(self) -> list[str]:
        found: list[str] = []
        for position, id, _ in self._connection.execute(
            "SELECT position, id, added_at FROM favorites ORDER BY position"
        ):
            if position != len(found):
                raise ValueError("a row of the favorites is invalid")
            found.append(id)
        return found

    @property
    def history(self) -> list[tuple[str, str, str | None, float]]:
        query = "SELECT provider, status, reason, at FROM status_history ORDER BY number DESC LIMIT 10000"
        return self._connection.execute(query).fetchall()

    def add(self, id: str, at: float) -> None:
        connection, position = self._connection, len(self.favorites)
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(
            "INSERT OR REPLACE INTO favorites (id, position, added_at) VALUES (?, ?, ?)", (id, position, at)
        )
        connection.execute("UPDATE favorites_version SET version = ?", (self.version + 1,))
        connection.execute("COMMIT")

    def record(self, provider: str, status: str, reason: str | None, at: float) -> None:
        self._connection.execute(
            "INSERT INTO status_history (provider, status, reason, at) VALUES (?, ?, ?, ?)",
            (provider, status, reason, at),
        )


@contextlib.contextmanager
def previous_state(path: Path) -> Iterator[PreviousState]:
    """The state file opened by the previous version, which makes it if there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(sqlite3.connect(path, timeout=5, isolation_level=None)) as connection:
        yield PreviousState(connection)
