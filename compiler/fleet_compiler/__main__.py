"""The ``fleet`` command, also as ``python -m fleet_compiler``."""

from __future__ import annotations

import gc
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import NoReturn

GC_THRESHOLD = 200_000
"""Allocations between two collections: importing makes many objects and drops none of them."""


def main() -> NoReturn:
    """Run the command line, and end the process.

    SIGHUP and SIGTERM would end a process that has not yet set its own handlers. `fleet serve` therefore
    begins with both blocked, before it imports anything: one that comes meanwhile waits until the server, or
    the end of a start that fails, unblocks it. No other command may: programs that it starts would inherit
    it. `fleet up`, which both stop, begins with handlers that end its first build.
    """
    problem = unsupported(sys.version_info[:2], sys.platform)
    if problem is not None:
        sys.exit(f"error: {problem}")
    gc.set_threshold(GC_THRESHOLD)
    stops: list[int] = []
    try:
        if sys.argv[1:2] == ["serve"]:
            _block_signals()
        elif sys.argv[1:2] == ["up"]:
            _end_cleanly(stops)
        from fleet_compiler.cli import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(0 if stops else 130)
    except SystemExit as end:
        sys.exit(0 if stops else end.code)


def unsupported(version: tuple[int, ...], platform: str) -> str | None:
    """Return why fleet cannot run on a version of Python or a platform, None if it can.

    An unsupported Python parses only this module, which is written for 3.7.
    """
    if version < (3, 11):
        return (
            f"fleet needs Python 3.11 or newer, and this is {version[0]}.{version[1]}: install it with "
            "`uv tool install --python 3.11` or `pipx install --python python3.11`"
        )
    if platform == "win32":
        return (
            "fleet runs on Linux and macOS; on Windows it runs in WSL: `wsl --install`, then install it there"
        )
    return None


def _block_signals() -> None:
    import signal

    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP, signal.SIGTERM})


def _end_cleanly(stops: list[int]) -> None:
    """Treat SIGHUP and SIGTERM as Ctrl-C, and add each to `stops`; what `nohup` ignores stays ignored."""
    import os
    import signal

    def stop(number: int, frame: FrameType | None) -> None:
        stops.append(number)
        interrupt = signal.getsignal(signal.SIGINT)
        if not callable(interrupt):  # as in a script's background, where SIGINT is ignored
            os._exit(0)
        interrupt(signal.SIGINT, frame)

    for name in ("SIGHUP", "SIGTERM"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, stop)


if __name__ == "__main__":
    main()
