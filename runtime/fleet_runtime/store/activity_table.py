"""The table of the last requests of each gateway, as opaque JSON."""

from __future__ import annotations

from collections.abc import Iterable
from sqlite3 import Connection


def append_requests(connection: Connection, gateway: str, rows: Iterable[bytes], most: int) -> None:
    """Append requests, the oldest first, and remove the gateway's oldest beyond `most`."""
    connection.executemany(
        "INSERT INTO activity (gateway, request) VALUES (?, ?)", [(gateway, row) for row in rows]
    )
    connection.execute(
        "DELETE FROM activity WHERE gateway = ? AND number <= (SELECT number FROM activity WHERE gateway = ? "
        "ORDER BY number DESC LIMIT 1 OFFSET ?)",
        (gateway, gateway, most),
    )


def read_requests(connection: Connection, gateway: str, most: int) -> list[bytes]:
    """Return the newest requests of a gateway, the newest first."""
    query = "SELECT request FROM activity WHERE gateway = ? ORDER BY number DESC LIMIT ?"
    return [row for (row,) in connection.execute(query, (gateway, most)) if isinstance(row, bytes)]
