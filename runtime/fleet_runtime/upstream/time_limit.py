"""A timeout for a server that does not count the time in which this process was stalled.

After a stall, as on an overloaded or suspended computer, an event loop runs expired timers before it reads
responses that arrived long ago: every server would seem to be offline.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Final

LATE: Final = 0.02
"""The delay of a timer in seconds above which the loop counts as stalled."""


class TimeLimit:
    """Raises TimeoutError if the block takes longer than `seconds`, as `asyncio.timeout` does.

    If the loop was stalled when the time expires, the block gets the duration of the stall in addition, at
    most `seconds` in total. For one block; afterwards it is not part of a reference cycle.
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
