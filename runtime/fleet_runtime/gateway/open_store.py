"""Open the store that fleet.yaml names: a file, or a database and a file."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from importlib.util import find_spec

from fleet_runtime.artifacts.gateway_parts import DatabaseState
from fleet_runtime.artifacts.snapshot import Snapshot
from fleet_runtime.edge.listen_address import CannotServeError
from fleet_runtime.files import UnreadableFileError
from fleet_runtime.store.location import claim_state
from fleet_runtime.store.postgres import PostgresState
from fleet_runtime.store.postgres_url import DatabaseUrl
from fleet_runtime.store.store import Store


def make_store(
    snapshot: Snapshot, listen: str | None, environ: Mapping[str, str], on_change: Callable[[int], None]
) -> Store:
    """Return the store, not opened yet; raises `CannotServeError` if its driver is not installed, or its path
    begins with the unknown home folder of a user."""
    state = snapshot.gateway.state
    name = f"{platform.node()}:{(listen or snapshot.gateway.listen).rpartition(':')[2]}"
    if not isinstance(state, DatabaseState):
        try:
            path = claim_state(state, snapshot.root, environ)
        except UnreadableFileError as error:
            raise CannotServeError(f"gateway.state '{state}' {error.strerror}") from None
        return Store(path, on_change, name)
    if find_spec("asyncpg") is None:
        raise CannotServeError(
            "gateway.state is a PostgreSQL database, and its driver is not installed:"
            " `pipx inject boofleet asyncpg`, or `pip install asyncpg` in fleet's environment"
        )
    database = PostgresState(DatabaseUrl(state.postgres, snapshot.root, environ), f"fleet {name}")
    return Store(claim_state(None, snapshot.root, environ), on_change, name, database)
