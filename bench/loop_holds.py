"""The gateway with a beat on its event loop: how long a request that arrives at the worst moment waits.

    python -m bench.loop_holds FILE serve [OPTIONS of `fleet serve`]

Every millisecond the loop calls the beat, which appends a line to FILE if it comes late: what held the loop,
a callback or a thread with the interpreter's lock. Time in which the process did not run, because something
else ran on its core, is not counted: a hold is as long as the process computed during it, at most.
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

BEAT: Final = 0.001
SHORTEST: Final = 0.003
"""Seconds of a hold that is written down."""


class Beat:
    """Calls itself on `loop`, and writes what came between two calls to `file`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, file: int) -> None:
        self._loop = loop
        self._file = file
        self._at = time.monotonic()
        self._used = time.process_time()

    def __call__(self) -> None:
        at, used = time.monotonic(), time.process_time()
        held = min(at - self._at - BEAT, used - self._used)
        if held >= SHORTEST:
            os.write(self._file, f"{at:.6f} {held:.6f}\n".encode())
        self._at, self._used = at, used
        self._loop.call_later(BEAT, self)


@dataclass(frozen=True, slots=True)
class Holds:
    """What a running gateway wrote to its file."""

    path: Path

    def longest(self, since: float) -> float:
        """Return the seconds of the longest hold since a `time.monotonic()`; 0 if none was worth a line."""
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        found = [(float(at), float(held)) for at, _, held in (line.partition(" ") for line in lines)]
        return max((held for at, held in found if at >= since), default=0.0)


def main() -> None:
    """Run `fleet` with the remaining arguments, its loop watched."""
    from fleet_compiler.__main__ import main as fleet
    from fleet_runtime import server

    path, sys.argv[1:] = sys.argv[1], sys.argv[2:]
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
    make = server.loop_factory() or asyncio.new_event_loop

    def watched() -> asyncio.AbstractEventLoop:
        loop = make()
        loop.call_soon(Beat(loop, file))
        return loop

    server.loop_factory = lambda: watched
    with contextlib.closing(os.fdopen(file, closefd=False)):
        fleet()


if __name__ == "__main__":
    main()
