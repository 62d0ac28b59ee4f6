"""Read and write the tables of the state file; an invalid row counts as damage."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from fleet_runtime.catalog.favorites import Favorite, Favorites
from fleet_runtime.store.rows import (
    StatusChange,
    parse_favorite,
    parse_run,
    parse_status_change,
    parse_version,
)
from fleet_runtime.store.schema import DamagedStateError

LIST = "default"
"""The name of the only list."""


def read_tag(connection: sqlite3.Connection) -> Favorites:
    """Return the list's run and version, without its favorites."""
    rows = connection.execute("SELECT run, version FROM favorite_list WHERE name = ?", (LIST,)).fetchall()
    run, version = (parse_run(rows[0][0]), parse_version(rows[0][1])) if len(rows) == 1 else (None, None)
    if run is None or version is None:
        raise DamagedStateError("the favorites do not have exactly one version")
    return Favorites(version, (), run)


def read_favorites(connection: sqlite3.Connection) -> Favorites:
    """Return the list; raises `DamagedStateError` if a row is not a favorite, or not in its position."""
    query = "SELECT position, id, added_at FROM favorite WHERE list = ? ORDER BY position"
    tag = read_tag(connection)
    return Favorites(tag.version, favorites_in_rows(connection.execute(query, (LIST,))), tag.run)


def favorites_in_rows(rows: sqlite3.Cursor) -> tuple[Favorite, ...]:
    """Return the favorites of rows in (position, id, added_at); raises `DamagedStateError`."""
    items: list[Favorite] = []
    for position, *row in rows:
        favorite = parse_favorite(*row)
        if favorite is None or position != len(items):
            raise DamagedStateError("a row of the favorites is invalid")
        items.append(favorite)
    return tuple(items)


def read_history(connection: sqlite3.Connection, clause: str, *values: object) -> tuple[StatusChange, ...]:
    """Return the entries that `clause` selects; raises `DamagedStateError` if a row is not one."""
    changes: list[StatusChange] = []
    query = f"SELECT provider, status, reason, at, gateway FROM status_history {clause}"  # noqa: S608
    for row in connection.execute(query, values):
        change = parse_status_change(row)
        if change is None:
            raise DamagedStateError("a row of the history is invalid")
        changes.append(change)
    return tuple(changes)


def write_favorites(connection: sqlite3.Connection, before: Favorites, after: Favorites) -> None:
    """Write the rows that differ, the run and the version."""
    old, new = favorite_rows(before), favorite_rows(after)
    connection.executemany(
        "DELETE FROM favorite WHERE list = ? AND id = ?", [(LIST, id) for id in old.keys() - new.keys()]
    )
    connection.executemany(
        "INSERT OR REPLACE INTO favorite (list, id, position, added_at) VALUES (?, ?, ?, ?)",
        [(LIST, id, *row) for id, row in new.items() if old.get(id) != row],
    )
    connection.execute(
        "UPDATE favorite_list SET run = ?, version = ? WHERE name = ?",
        (after.run or before.run, after.version, LIST),
    )


def favorite_rows(favorites: Favorites) -> dict[str, tuple[int, float]]:
    """Return position and time of each favorite."""
    return {item.id: (position, item.added_at) for position, item in enumerate(favorites.items)}


def append_history(connection: sqlite3.Connection, changes: Sequence[StatusChange]) -> None:
    connection.executemany(
        "INSERT INTO status_history (provider, status, reason, at, gateway) VALUES (?, ?, ?, ?, ?)",
        [(change.provider, change.status, change.reason, change.at, change.gateway) for change in changes],
    )
