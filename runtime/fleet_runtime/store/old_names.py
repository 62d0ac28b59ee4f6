"""Count the uses of old names in memory, and save them to the state file.

Several gateways may share a state file: each adds what it counted since it last wrote, and reads the others'.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from fleet_runtime.artifacts.contract import RoutingTable
from fleet_runtime.routing.old_names import OldName, accepted_names, names_used
from fleet_runtime.store.store import Store, StoreUnavailableError

SAVE_SECONDS: Final = 60.0

_ADD: Final = """
INSERT INTO old_name (kind, name, since, uses, last_at, surface) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (kind, name) DO UPDATE SET
    since = min(since, excluded.since),
    uses = uses + excluded.uses,
    surface = iif(excluded.last_at >= coalesce(last_at, 0), excluded.surface, surface),
    last_at = max(coalesce(last_at, 0), coalesce(excluded.last_at, last_at))
"""


@dataclass(slots=True)
class OldNameUse:
    """The uses of one old name since `since` (unix seconds).

    `last_at` and `surface` are those of the last use, None if there was none; `surface` is also None for a
    request without a surface. `unsaved` counts uses that are not in the state file yet.
    """

    since: float
    uses: int = 0
    last_at: float | None = None
    surface: str | None = None
    unsaved: int = 0

    def note(self, surface: str | None, now: float) -> None:
        """Count one use."""
        self.uses += 1
        self.unsaved += 1
        self.last_at = now
        self.surface = surface

    def take(self, row: Sequence[Any]) -> None:
        """Merge a row of the state file (since, uses, last_at, surface); ignore an invalid one."""
        match row:
            case (
                int() | float() as since,
                int() as uses,
                None | int() | float() as last_at,
                None | str() as surface,
            ):
                self.since = min(self.since, since)
                self.uses = uses + self.unsaved
                if last_at is not None and last_at >= (self.last_at or 0):
                    self.last_at, self.surface = last_at, surface


class OldNameUses:
    """The uses of every old name in the current fleet.yaml."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._uses: dict[OldName, OldNameUse] = {}
        self._is_new = False

    @property
    def uses(self) -> Mapping[OldName, OldNameUse]:
        return self._uses

    def follow(self, table: RoutingTable) -> None:
        """Count the names of another fleet.yaml from now on; names in both keep their counts."""
        names, now = accepted_names(table), self._clock()
        self._is_new |= names.keys() != self._uses.keys()
        self._uses = {name: self._uses.get(name) or OldNameUse(now) for name in names}

    def note(self, table: RoutingTable, text: str, surface: str | None) -> tuple[OldNameUse, ...]:
        """Count the old names in a model name, and return their counters for further requests."""
        found = tuple(self._uses[name] for name in names_used(table, text) if name in self._uses)
        for use in found:
            use.note(surface, self._clock())
        return found

    async def keep(self, store: Store) -> None:
        """Save new uses every `SAVE_SECONDS`, until cancelled."""
        while True:
            if self._is_new or any(use.unsaved for use in self._uses.values()):
                await self.save(store)
            await asyncio.sleep(SAVE_SECONDS)

    async def save(self, store: Store) -> None:
        """Add the new uses to the state file, and read those of other gateways; if the file cannot be used,
        retry the next time."""
        names = self._uses
        added = {name: use.unsaved for name, use in names.items()}
        rows = [
            (name.kind, name.name, use.since, use.unsaved, use.last_at, use.surface)
            for name, use in names.items()
        ]
        with suppress(StoreUnavailableError):
            kept = await store.write(lambda connection: _add(connection, rows))
            self._is_new &= names is not self._uses
            for name, use in names.items():
                use.unsaved -= added[name]
                use.take(kept.get(name, ()))


def _add(connection: sqlite3.Connection, rows: list[tuple[Any, ...]]) -> dict[OldName, tuple[Any, ...]]:
    """Add to the rows of these names, delete all others, and return the resulting rows."""
    connection.executemany(_ADD, rows)
    names = {(kind, name) for kind, name, *_ in rows}
    kept: dict[OldName, tuple[Any, ...]] = {}
    for kind, name, *row in connection.execute(
        "SELECT kind, name, since, uses, last_at, surface FROM old_name"
    ).fetchall():
        if (kind, name) in names:
            kept[OldName(kind, name)] = tuple(row)
        else:
            connection.execute("DELETE FROM old_name WHERE kind IS ? AND name IS ?", (kind, name))
    return kept
