"""Responses about a large fleet: made once a second at most, for all clients that ask."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Final

LARGE_FLEET: Final = 100
"""Providers from which on a report of all of them would hold the event loop for milliseconds."""
KEPT_SECONDS: Final = 1.0


class SecondCache:
    """Bytes by what they are about."""

    def __init__(self) -> None:
        self._made: dict[Hashable, tuple[float, asyncio.Task[bytes]]] = {}

    async def get(self, key: Hashable, make: Callable[[], Coroutine[Any, Any, bytes]]) -> bytes:
        """Return what `make` returned for `key` within the last second, or returns now."""
        now = time.monotonic()
        self._made = {
            each: (at, task)
            for each, (at, task) in self._made.items()
            if not task.done() or (now - at < KEPT_SECONDS and task.exception() is None)
        }
        if key not in self._made:
            self._made[key] = now, asyncio.create_task(make())
        return await asyncio.shield(self._made[key][1])
