"""Waiting for a condition that nothing announces, and the pace of a slow peer: the tests' only pauses."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable

POLL_SECONDS = 0.01


def eventually(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Return once `condition` holds; AssertionError if it does not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"did not come true within {seconds:g} s"
        time.sleep(POLL_SECONDS)


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Return once `condition` holds, letting the event loop run; AssertionError after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"did not come true within {seconds:g} s"
        await asyncio.sleep(POLL_SECONDS)


def listens(port: int) -> bool:
    """Return whether something accepts connections to a port of 127.0.0.1."""
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


async def pace(seconds: float) -> None:
    """Let `seconds` pass as a slow peer does, where time itself is what a test is about."""
    await asyncio.sleep(seconds)


async def turn() -> None:
    """Let every task that is ready run once."""
    await asyncio.sleep(0)
