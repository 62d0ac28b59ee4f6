"""A gate that releases waiters one by one, so that a test controls when a server continues."""

from __future__ import annotations

import asyncio
from collections import deque

from fleet_runtime.simulator.changes import Changes


class Gate:
    """Unused passes are kept for later waiters; `open` lets all current waiters through. `changes` is
    notified when a wait begins."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._passes = 0

    @property
    def waiting(self) -> int:
        return sum(not future.done() for future in self._waiting)

    async def wait(self) -> None:
        if self._passes:
            self._passes -= 1
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        self._changes.notify()
        try:
            await future
        finally:
            if future in self._waiting:
                self._waiting.remove(future)

    def release(self, count: int) -> None:
        """Let the next `count` through."""
        self._passes += count
        while self._passes and self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(None)
                self._passes -= 1

    def open(self) -> None:
        self._passes = 0
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(None)
