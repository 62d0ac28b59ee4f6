"""The ``fleet`` command, also as ``python -m fleet_compiler``."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def main() -> NoReturn:
    """Run the command line, and end the process.

    SIGHUP and SIGTERM would end a process that has not yet set its handlers. `fleet serve` therefore begins
    with both blocked, before it imports anything: one that comes meanwhile waits until the server, or the
    end of a start that fails, unblocks it. No other command may: programs that it starts would inherit it.
    """
    try:
        if sys.argv[1:2] == ["serve"]:
            import signal

            if hasattr(signal, "pthread_sigmask"):
                signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP, signal.SIGTERM})
        from fleet_compiler.cli import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
