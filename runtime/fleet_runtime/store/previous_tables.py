"""The favorites in the tables of the previous version of fleet, kept equal for a rollback.

The previous version reads and writes ``favorites`` and ``favorites_version`` only. What it wrote is
recognized by its version, which is greater than that of the list.
"""

from __future__ import annotations

import sqlite3
from dataclasses import replace

from fleet_runtime.catalog.favorites import Favorites
from fleet_runtime.store.rows import parse_version
from fleet_runtime.store.schema import DamagedStateError
from fleet_runtime.store.tables import favorite_rows, favorites_in_rows, read_favorites, write_favorites


def read_previous_version(connection: sqlite3.Connection) -> int:
    rows = connection.execute("SELECT version FROM favorites_version LIMIT 2").fetchall()
    version = parse_version(rows[0][0]) if len(rows) == 1 else None
    if version is None:
        raise DamagedStateError("the favorites do not have exactly one version")
    return version


def read_previous(connection: sqlite3.Connection) -> Favorites:
    """Return what the previous version would read; raises `DamagedStateError`."""
    rows = connection.execute("SELECT position, id, added_at FROM favorites ORDER BY position")
    return Favorites(read_previous_version(connection), favorites_in_rows(rows))


def write_previous(connection: sqlite3.Connection, before: Favorites, after: Favorites) -> None:
    """Write the rows that differ, and the version."""
    old, new = favorite_rows(before), favorite_rows(after)
    connection.executemany("DELETE FROM favorites WHERE id = ?", [(id,) for id in old.keys() - new.keys()])
    connection.executemany(
        "INSERT OR REPLACE INTO favorites (id, position, added_at) VALUES (?, ?, ?)",
        [(id, *row) for id, row in new.items() if old.get(id) != row],
    )
    connection.execute("UPDATE favorites_version SET version = ?", (after.version,))


def settle(connection: sqlite3.Connection) -> Favorites:
    """Return the list as the newer of both has it, and make the other equal; to be called in a transaction
    that writes. Raises `DamagedStateError`."""
    favorites, previous = read_favorites(connection), read_previous(connection)
    if previous.version > favorites.version:
        adopted = replace(favorites, version=previous.version, items=previous.items)
        write_favorites(connection, favorites, adopted)
        return adopted
    if replace(previous, run=favorites.run) != favorites:
        write_previous(connection, previous, favorites)
    return favorites
