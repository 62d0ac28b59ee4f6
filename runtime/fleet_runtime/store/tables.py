"""Reading and writing the tables of the state file; a row that means nothing is damage."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from fleet_runtime.catalog.favorites import Favorite, Favorites
from fleet_runtime.store.rows import StatusChange, parse_favorite, parse_status_change, parse_version
from fleet_runtime.store.schema import DamagedStateError


def read_version(connection: sqlite3.Connection) -> int:
    rows = connection.execute("SELECT version FROM favorites_version LIMIT 2").fetchall()
    version = parse_version(rows[0][0]) if len(rows) == 1 else None
    if version is None:
        raise DamagedStateError("the version of the favorites is not one number")
    return version


def read_favorites(connection: sqlite3.Connection) -> Favorites:
    """Return the list; raises `DamagedStateError` if a row is not a favorite, or not in its position."""
    items: list[Favorite] = []
    for position, *row in connection.execute(
        "SELECT position, id, added_at FROM favorites ORDER BY position"
    ):
        favorite = parse_favorite(*row)
        if favorite is None or position != len(items):
            raise DamagedStateError("a favorite is not one")
        items.append(favorite)
    return Favorites(read_version(connection), tuple(items))


def read_history(connection: sqlite3.Connection, clause: str, *values: object) -> tuple[StatusChange, ...]:
    """Return the entries that `clause` selects; raises `DamagedStateError` if a row is not one."""
    changes: list[StatusChange] = []
    query = f"SELECT provider, status, reason, at FROM status_history {clause}"  # noqa: S608
    for row in connection.execute(query, values):
        change = parse_status_change(row)
        if change is None:
            raise DamagedStateError("an entry of the history is not one")
        changes.append(change)
    return tuple(changes)


def write_favorites(connection: sqlite3.Connection, before: Favorites, after: Favorites) -> None:
    """Write the rows that differ, and the version."""
    old, new = _rows(before), _rows(after)
    connection.executemany("DELETE FROM favorites WHERE id = ?", [(id,) for id in old.keys() - new.keys()])
    connection.executemany(
        "INSERT OR REPLACE INTO favorites (id, position, added_at) VALUES (?, ?, ?)",
        [(id, *row) for id, row in new.items() if old.get(id) != row],
    )
    connection.execute("UPDATE favorites_version SET version = ?", (after.version,))


def append_history(connection: sqlite3.Connection, changes: Sequence[StatusChange]) -> None:
    connection.executemany(
        "INSERT INTO status_history (provider, status, reason, at) VALUES (?, ?, ?, ?)",
        [(change.provider, change.status, change.reason, change.at) for change in changes],
    )


def _rows(favorites: Favorites) -> dict[str, tuple[int, float]]:
    return {item.id: (position, item.added_at) for position, item in enumerate(favorites.items)}
