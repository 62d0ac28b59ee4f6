"""Split long work on the event loop into turns of milliseconds, so that requests do not wait for it.

A thread would not be better: it holds the interpreter lock for five milliseconds at a time, or for the
duration of one call of an encoder.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Final, TypeVar

TURN_SECONDS: Final = 0.002

Part = TypeVar("Part")


async def in_turns(parts: Iterable[Part]) -> list[Part]:
    """Return the list of `parts`; at the end of each turn, other work of the event loop runs first. The
    computation of one part is not interrupted."""
    made: list[Part] = []
    began = time.perf_counter()
    for part in parts:
        made.append(part)
        if time.perf_counter() - began >= TURN_SECONDS:
            await asyncio.sleep(0)
            began = time.perf_counter()
    return made
