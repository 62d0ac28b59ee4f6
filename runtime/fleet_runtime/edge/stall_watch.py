"""Close connections of clients that do not read their response."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable
from typing import Final

CHECKS: Final = 4
"""The number of checks of a stalled connection within its limit."""


class StallWatch:
    """Calls `stalled` when a client has read nothing for `seconds`; begins with `start`.

    It measures the unread bytes: those in our buffer and, on Linux, in the kernel's. They only decrease while
    nothing is added.
    """

    __slots__ = ("_left", "_since", "_stalled", "_timer", "_transport")

    def __init__(self, transport: asyncio.Transport, stalled: Callable[[], object]) -> None:
        self._transport = transport
        self._stalled = stalled
        self._left = 0
        self._since = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self, seconds: float) -> None:
        """Start watching, if it is not running."""
        if self._timer is None:
            self._left = unsent(self._transport)
            self._since = asyncio.get_running_loop().time()
            self._schedule(seconds)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _schedule(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(seconds / CHECKS, self._look, seconds)

    def _look(self, seconds: float) -> None:
        now, left = asyncio.get_running_loop().time(), unsent(self._transport)
        if left != self._left:
            self._left, self._since = left, now
        if now - self._since >= seconds:
            self._timer = None
            self._stalled()
        else:
            self._schedule(seconds)


def unsent(transport: asyncio.Transport) -> int:
    """Return the number of bytes that the client has not acknowledged, as far as the system reports it."""
    size = transport.get_write_buffer_size()
    if sys.platform == "linux":
        import fcntl
        import termios

        sock = transport.get_extra_info("socket")
        with contextlib.suppress(OSError, ValueError):
            size += int.from_bytes(fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, b"\0\0\0\0"), sys.byteorder)
    return size
