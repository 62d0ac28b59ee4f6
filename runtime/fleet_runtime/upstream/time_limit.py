"""A limit on waiting for a server, which does not count the time in which this process itself stood still.

An event loop that was held up, as on an overloaded or suspended computer, sees the expired timers before the
responses that have long been here: every server would seem to be gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

LATE: Final = 0.02
"""Seconds that a timer may be late without the loop having been held up."""


@asynccontextmanager
async def time_limit(seconds: float) -> AsyncIterator[None]:
    """Raise TimeoutError if the block takes longer than `seconds`, as `asyncio.timeout` does.

    If the loop was held up when the time is over, the block gets as long again as that was, at most `seconds`
    in all.
    """
    loop = asyncio.get_running_loop()
    extra = seconds
    timer: asyncio.TimerHandle
    async with asyncio.timeout(None) as limit:

        def expire(due: float) -> None:
            nonlocal timer, extra
            now = loop.time()
            more = min(now - due, extra)
            if more <= LATE:
                limit.reschedule(due)
                return
            extra -= more
            timer = loop.call_at(now + more, expire, now + more)

        timer = loop.call_at(loop.time() + seconds, expire, loop.time() + seconds)
        try:
            yield
        finally:
            timer.cancel()
