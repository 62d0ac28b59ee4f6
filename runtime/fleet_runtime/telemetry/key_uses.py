"""Remember when each of the gateway's keys was last used, in memory and in the state file.

During the replacement of a key, this shows whether a client still has the old one. Gateways that share a
state file share it; others know their own requests only.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from fleet_runtime.proxy.request_record import RequestRecord
from fleet_runtime.store.store import Store, StoreUnavailableError

SAVE_SECONDS: Final = 60.0

_ADD: Final = """
INSERT INTO key_use (name, last_at) VALUES (?, ?)
ON CONFLICT (name) DO UPDATE SET last_at = max(last_at, excluded.last_at)
"""


class KeyUses:
    """`names` returns the names of the present keys; others are forgotten."""

    def __init__(self, names: Callable[[], Collection[str]], clock: Callable[[], float] = time.time) -> None:
        self._names = names
        self._clock = clock
        self._last: dict[str, float] = {}
        self._is_saved = False

    @property
    def last(self) -> Mapping[str, float]:
        """When a key was last used (unix seconds), by its name; without those that never were."""
        return self._last

    def add(self, records: Sequence[RequestRecord]) -> None:
        """Note the keys of finished requests, as used now."""
        if used := {record.key for record in records if record.key is not None}:
            self._last |= dict.fromkeys(used, self._clock())
            self._is_saved = False

    async def keep(self, store: Store) -> None:
        """Save what is new every `SAVE_SECONDS`, until cancelled; first read what the file has."""
        while True:
            if not self._is_saved:
                await self.save(store)
            await asyncio.sleep(SAVE_SECONDS)

    async def save(self, store: Store) -> None:
        """Write to the state file, and read what it has from before and from other gateways; if it cannot be
        used, that is done the next time."""
        names = set(self._names())
        rows = [(name, at) for name, at in self._last.items() if name in names]
        self._is_saved = True
        try:
            kept = await store.write(lambda connection: _exchange(connection, rows, names))
        except StoreUnavailableError:
            self._is_saved = False
            return
        self._last = {
            name: max(at, kept.get(name, at)) for name, at in (kept | self._last).items() if name in names
        }


def _exchange(
    connection: sqlite3.Connection, rows: list[tuple[str, float]], names: set[str]
) -> dict[str, float]:
    """Add to the rows, delete those of other names, and return what there is now."""
    connection.executemany(_ADD, rows)
    kept: dict[str, float] = {}
    for name, at in connection.execute("SELECT name, last_at FROM key_use").fetchall():
        if name in names and isinstance(at, int | float):
            kept[name] = at
        else:
            connection.execute("DELETE FROM key_use WHERE name IS ?", (name,))
    return kept
