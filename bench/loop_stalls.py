"""Run the gateway and record the stalls of its event loop: how long a request can wait at the worst moment.

    python -m bench.loop_stalls FILE serve [OPTIONS of `fleet serve`]

The loop calls a monitor every millisecond; a late call appends a line to FILE. The cause is a slow callback,
or a thread that holds the interpreter's lock. A stall is at most the CPU time that the process used
meanwhile, so the time in which another process had the core is not counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

INTERVAL: Final = 0.001
SHORTEST: Final = 0.003
"""The shortest stall that is recorded, in seconds."""


class StallMonitor:
    """Schedules itself on `loop` every millisecond and appends late calls to `file`, a file descriptor."""

    def __init__(self, loop: asyncio.AbstractEventLoop, file: int) -> None:
        self._loop = loop
        self._file = file
        self._at = time.monotonic()
        self._used = time.process_time()

    def __call__(self) -> None:
        at, used = time.monotonic(), time.process_time()
        stall = min(at - self._at - INTERVAL, used - self._used)
        if stall >= SHORTEST:
            os.write(self._file, f"{at:.6f} {stall:.6f}\n".encode())
        self._at, self._used = at, used
        self._loop.call_later(INTERVAL, self)


@dataclass(frozen=True, slots=True)
class LoopStalls:
    """The stalls that a running gateway has recorded in a file."""

    path: Path

    def longest(self, since: float) -> float:
        """Return the longest stall in seconds since a `time.monotonic()`, 0 if none was recorded."""
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        stalls = [(float(at), float(stall)) for at, _, stall in (line.partition(" ") for line in lines)]
        return max((stall for at, stall in stalls if at >= since), default=0.0)


def main() -> None:
    """Run `fleet` with the remaining arguments and a monitored event loop."""
    from fleet_compiler.__main__ import main as fleet
    from fleet_runtime import server

    path, sys.argv[1:] = sys.argv[1], sys.argv[2:]
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
    make = server.loop_factory() or asyncio.new_event_loop

    def monitored_loop() -> asyncio.AbstractEventLoop:
        loop = make()
        loop.call_soon(StallMonitor(loop, file))
        return loop

    server.loop_factory = lambda: monitored_loop
    with contextlib.closing(os.fdopen(file, closefd=False)):
        fleet()


if __name__ == "__main__":
    main()
