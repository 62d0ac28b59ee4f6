"""Save the last requests to the state file."""

from __future__ import annotations

import asyncio
import contextlib
from sqlite3 import Connection
from typing import Final

import msgspec

from fleet_runtime.store.activity_table import append_requests, read_requests
from fleet_runtime.store.store import Store, StoreUnavailableError
from fleet_runtime.telemetry.activity import ROWS, Activity, Finished
from fleet_runtime.telemetry.activity_row import RequestActivity

SAVE_SECONDS: Final = 5.0

_decode: Final = msgspec.json.Decoder(RequestActivity).decode


class ActivityKeeper:
    """Without a usable state file, requests are in memory only."""

    def __init__(self, activity: Activity, store: Store) -> None:
        self._activity = activity
        self._store = store
        self._last: Finished | None = None

    async def run(self) -> None:
        """Load the requests of previous runs, and write those of this one every `SAVE_SECONDS` and when
        cancelled."""
        try:
            await self._load()
            while True:
                await asyncio.sleep(SAVE_SECONDS)
                await self._save()
        finally:
            await self._save()

    async def _load(self) -> None:
        store = self._store
        with contextlib.suppress(StoreUnavailableError):
            found = await store.read(lambda connection: read_requests(connection, store.gateway, ROWS))
            self._activity.earlier = tuple(row for each in found if (row := _read(each)) is not None)

    async def _save(self) -> None:
        """Write the requests that ended since the last call; cancelling the caller does not stop that."""
        requests = self._activity.since(self._last)
        if not requests:
            return
        before, self._last = self._last, requests[-1]
        store, activity = self._store, self._activity

        def write(connection: Connection) -> None:
            rows = [msgspec.json.encode(activity.row(each)) for each in requests]
            append_requests(connection, store.gateway, rows, ROWS)

        try:
            await asyncio.shield(store.write(write))
        except StoreUnavailableError:
            self._last = before


def _read(row: bytes) -> RequestActivity | None:
    """Return a stored request; None for one that another version wrote with another shape."""
    try:
        return _decode(row)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
