"""An alarm: a flag that one task waits for, at most until a given time."""

from __future__ import annotations

import asyncio
import time
from contextvars import Context
from typing import Final

_CONTEXT: Final = Context()
"""For the timers: none has variables, and a copy for each is one more object for the collector of garbage."""


class Alarm:
    """As an `asyncio.Event` within `asyncio.timeout`, of fewer objects while it waits: a gateway has one for
    each provider, which waits nearly always."""

    __slots__ = ("_is_set", "_waiter")

    def __init__(self) -> None:
        self._is_set = False
        self._waiter: asyncio.Future[None] | None = None

    def set(self) -> None:
        """Set the flag, and end the waiting."""
        self._is_set = True
        self._end()

    def clear(self) -> None:
        self._is_set = False

    async def wait_until(self, due: float) -> bool:
        """Return when the flag is set, at the latest at `due` (monotonic seconds); whether it is set."""
        if not self._is_set:
            loop = asyncio.get_running_loop()
            self._waiter = loop.create_future()
            timer = loop.call_later(max(0.0, due - time.monotonic()), self._end, context=_CONTEXT)
            try:
                await self._waiter
            finally:
                timer.cancel()
                self._waiter = None
        return self._is_set

    def _end(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
