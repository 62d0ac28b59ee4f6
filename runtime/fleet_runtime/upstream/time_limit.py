"""A timeout for a server that does not count the time in which this process was stalled.

An event loop that was held up, as on an overloaded or suspended computer, sees the expired timers before the
responses that have long been here: every server would seem to be gone.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Final

LATE: Final = 0.02
"""Seconds that a timer may be late without the loop having been held up."""


class TimeLimit:
    """Raises TimeoutError if the block takes longer than `seconds`, as `asyncio.timeout` does.

    If the loop was held up when the time is over, the block gets as long again as that was, at most `seconds`
    in all. For one block; afterwards it holds nothing that refers to it, so that the collector of garbage has
    nothing to do with it.
    """

    __slots__ = ("_extra", "_seconds", "_timeout", "_timer")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._extra = seconds
        self._timeout = asyncio.timeout(None)
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> None:
        loop = asyncio.get_running_loop()
        await self._timeout.__aenter__()
        due = loop.time() + self._seconds
        self._timer = loop.call_at(due, self._expire, due)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await self._timeout.__aexit__(kind, error, traceback)

    def _expire(self, due: float) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        more = min(now - due, self._extra)
        if more <= LATE:
            self._timeout.reschedule(due)
            return
        self._extra -= more
        self._timer = loop.call_at(now + more, self._expire, now + more)
