"""Run a child process for the duration of a block, and find a free port for it."""

from __future__ import annotations

import contextlib
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

STOP_SECONDS = 15.0


@contextlib.contextmanager
def running(
    command: Sequence[str],
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    *,
    own_session: bool = False,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run `command`, its output appended to `log`; at the end of the block, terminate it and wait for it.

    A process that still runs after `STOP_SECONDS` is killed. With `own_session`, Ctrl-C does not reach it.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=env,
            cwd=cwd,
            start_new_session=own_session,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port(preferred: int = 0) -> int:
    """Return a port of 127.0.0.1 that nothing listens on: the preferred one if it is free."""
    for port in (preferred, 0):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            found: int = probe.getsockname()[1]
            return found
    raise OSError("127.0.0.1 has no free port")
