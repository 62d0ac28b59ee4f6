"""The tables of the state in PostgreSQL, as in the state file; the first gateway creates them."""

from __future__ import annotations

import secrets
import time
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from fleet_runtime.catalog.favorites import Favorites
from fleet_runtime.store.backend import StoreUnavailableError
from fleet_runtime.store.postgres_url import GRANT, DeletedListError
from fleet_runtime.store.rows import StatusChange, parse_favorite, parse_status_change
from fleet_runtime.store.sqlite import HISTORY_ROWS, TRIMMED_ROWS
from fleet_runtime.store.tables import LIST, favorite_rows

if TYPE_CHECKING:
    import asyncpg

CHANNEL = "fleet_favorites"
_MIGRATION_LOCK = 0x666C656574
"""An advisory lock that only fleet takes: "fleet" in ASCII."""

ADDITIONS = {
    "favorites_by_list": (
        "CREATE TABLE favorite_list (name text PRIMARY KEY, run text NOT NULL, version bigint NOT NULL)",
        "CREATE TABLE favorite (list text NOT NULL, id text NOT NULL, position integer NOT NULL, "
        "added_at double precision NOT NULL, PRIMARY KEY (list, id))",
        "CREATE TABLE status_history (number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "
        "provider text NOT NULL, status text NOT NULL, reason text, at double precision NOT NULL, "
        "gateway text)",
        "CREATE INDEX status_history_of_provider ON status_history (provider, number)",
    ),
}
"""Additions as in the state file: compatible with the previous version, recorded by name in ``additions``."""

RIGHTS = {
    "favorite_list": ("SELECT", "INSERT", "UPDATE"),
    "favorite": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "status_history": ("SELECT", "INSERT", "DELETE"),
}
"""What a gateway does with each table."""


async def prepare(connection: asyncpg.Connection) -> None:
    """Add missing tables; only one of several gateways does."""
    await connection.execute("BEGIN")
    if await _missing(connection):
        await connection.execute(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
        await connection.execute("CREATE TABLE IF NOT EXISTS additions (name text PRIMARY KEY, at float8)")
        for name in await _missing(connection):
            for statement in ADDITIONS[name]:
                await connection.execute(statement)
            await connection.execute("INSERT INTO additions VALUES ($1, $2)", name, time.time())
    await _require_writable(connection)
    if not await read_tag(connection):  # the tables are new, or a user deleted their rows
        await connection.execute(
            "INSERT INTO favorite_list (name, run, version) VALUES ($1, $2, 0) ON CONFLICT DO NOTHING",
            *(LIST, secrets.token_hex(6)),
        )
    await connection.execute("COMMIT")


async def _require_writable(connection: asyncpg.Connection) -> None:
    """Raise `StoreUnavailableError` if the tables can be read and not written; as a missing table does, that
    raises before the state is called usable."""
    if await connection.fetchval("SHOW transaction_read_only") == "on":
        remedy = "the URL must name the primary server, or all servers and `?target_session_attrs=read-write`"
        raise StoreUnavailableError("the database is read-only", remedy)
    tables, rights = zip(*((table, right) for table, each in RIGHTS.items() for right in each), strict=True)
    missing = await connection.fetchval(
        "SELECT string_agg(name || ' (' || granted || ')', ', ') "
        "FROM unnest($1::text[], $2::text[]) AS needed (name, granted) "
        "WHERE NOT has_table_privilege(name, granted)",
        *(tables, rights),
    )
    if missing is not None:
        raise StoreUnavailableError(f"the user lacks rights on tables: {missing}", GRANT)


async def _missing(connection: asyncpg.Connection) -> list[str]:
    if await connection.fetchval("SELECT to_regclass('additions')::text") is None:
        return list(ADDITIONS)
    present = {row["name"] for row in await connection.fetch("SELECT name FROM additions")}
    return [name for name in ADDITIONS if name not in present]


async def read_tag(connection: asyncpg.Connection, *, lock: bool = False) -> str:
    """Return the list's tag; with `lock`, no other gateway changes the list until the transaction ends."""
    query = "SELECT run, version FROM favorite_list WHERE name = $1"
    row = await connection.fetchrow(f"{query} FOR UPDATE" if lock else query, LIST)
    return "" if row is None else Favorites(row["version"], (), row["run"]).tag


async def read_favorites(connection: asyncpg.Connection) -> Favorites:
    """Return the list, in one statement, so that rows and version belong together."""
    rows = await connection.fetch(
        "SELECT run, version, id, added_at FROM favorite_list LEFT JOIN favorite ON list = name "
        "WHERE name = $1 ORDER BY position",
        LIST,
    )
    if not rows:
        raise DeletedListError
    found = (parse_favorite(row["id"], row["added_at"]) for row in rows)
    items = tuple(favorite for favorite in found if favorite is not None)
    return Favorites(rows[0]["version"], items, rows[0]["run"])


async def write_favorites(connection: asyncpg.Connection, before: Favorites, after: Favorites) -> None:
    """Write the rows that differ and the version, and notify every gateway at the commit."""
    old, new = favorite_rows(before), favorite_rows(after)
    gone = [id for id in old if id not in new]
    changed = [(id, *row) for id, row in new.items() if old.get(id) != row]
    if gone:
        await connection.execute("DELETE FROM favorite WHERE list = $1 AND id = ANY($2)", LIST, gone)
    if changed:
        ids, positions, times = zip(*changed, strict=True)
        await connection.execute(
            "INSERT INTO favorite SELECT $1, * FROM unnest($2::text[], $3::int[], $4::float8[]) "
            "ON CONFLICT (list, id) DO UPDATE SET position = excluded.position, added_at = excluded.added_at",
            *(LIST, ids, positions, times),
        )
    await connection.execute("UPDATE favorite_list SET version = $2 WHERE name = $1", LIST, after.version)
    await connection.execute("SELECT pg_notify($1, $2)", CHANNEL, after.tag)


async def append_history(connection: asyncpg.Connection, changes: Sequence[StatusChange]) -> None:
    """Add entries, and remove the oldest beyond `HISTORY_ROWS`, `TRIMMED_ROWS` at most."""
    columns = zip(*((c.provider, c.status, c.reason, c.at, c.gateway) for c in changes), strict=True)
    await connection.execute(
        "INSERT INTO status_history (provider, status, reason, at, gateway) "
        "SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::float8[], $5::text[])",
        *columns,
    )
    await connection.execute(
        "DELETE FROM status_history WHERE number IN (SELECT number FROM status_history "
        "WHERE number <= (SELECT max(number) FROM status_history) - $1 ORDER BY number LIMIT $2)",
        HISTORY_ROWS,
        TRIMMED_ROWS,
    )


async def read_history(
    connection: asyncpg.Connection, providers: Collection[str] | None, limit: int
) -> tuple[StatusChange, ...]:
    """Return the newest entries, newest first, of these providers or of all."""
    rows = await connection.fetch(
        "SELECT provider, status, reason, at, gateway FROM status_history "
        "WHERE $1::text[] IS NULL OR provider = ANY($1) ORDER BY number DESC LIMIT $2",
        None if providers is None else list(providers),
        min(limit, HISTORY_ROWS),
    )
    found = (parse_status_change(tuple(row)) for row in rows)
    return tuple(change for change in found if change is not None)
