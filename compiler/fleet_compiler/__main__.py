"""The ``fleet`` command, also as ``python -m fleet_compiler``."""

import signal
import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line, and end the process.

    SIGHUP would end a process that has not yet set its handler. `fleet serve` therefore begins with it
    blocked, before it imports anything: one that comes meanwhile waits until the server unblocks it.
    """
    if "serve" in sys.argv[1:] and hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        from fleet_compiler.cli import main as run
    except KeyboardInterrupt:
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
