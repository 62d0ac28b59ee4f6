"""Cache reports of a large fleet for a second, for all clients."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Final

LARGE_FLEET: Final = 100
"""With at least this many providers, a report would block the event loop for milliseconds."""
KEPT_SECONDS: Final = 1.0


class SecondCache:
    """Caches bytes by key."""

    def __init__(self) -> None:
        self._made: dict[Hashable, tuple[float, asyncio.Task[bytes]]] = {}

    async def get(self, key: Hashable, make: Callable[[], Coroutine[Any, Any, bytes]]) -> bytes:
        """Return the result of `make` for `key`, computed at most once per second."""
        now = time.monotonic()
        self._made = {
            each: (at, task)
            for each, (at, task) in self._made.items()
            if not task.done() or (now - at < KEPT_SECONDS and task.exception() is None)
        }
        if key not in self._made:
            self._made[key] = now, asyncio.create_task(make())
        return await asyncio.shield(self._made[key][1])
