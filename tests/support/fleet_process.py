"""`fleet` commands as processes, which a fork server starts without the time that their imports take."""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from tests.support.forkserver import NUMBER, STOPS
from tests.support.paths import ROOT

FLEET = (sys.executable, "-m", "fleet_compiler")
SECONDS = 60.0
AT_START = ("PYTHON", "LC_", "LANG")
"""How variables begin that an interpreter reads only when it starts."""


class ForkedProcess:
    """A process of the fork server, with the methods of `subprocess.Popen` that tests use."""

    def __init__(self, reports: socket.socket) -> None:
        self._reports = reports
        self._lock = threading.Lock()
        self._returncode: int | None = None
        self.pid = self._read()

    @property
    def returncode(self) -> int | None:
        return self._wait(0)

    def poll(self) -> int | None:
        return self._wait(0)

    def wait(self, timeout: float | None = None) -> int:
        code = self._wait(timeout)
        if code is None:
            assert timeout is not None
            raise subprocess.TimeoutExpired("fleet", timeout)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it ended, and its code is still to be read
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _read(self) -> int:
        text = self._reports.recv(NUMBER.size, socket.MSG_WAITALL)
        assert text, "the fork server has ended"
        return int(NUMBER.unpack(text)[0])

    def _wait(self, seconds: float | None) -> int | None:
        poll = select.poll()
        with self._lock:  # another thread may read the code and close the socket
            if self._returncode is not None:
                return self._returncode
            poll.register(self._reports, select.POLLIN)
        ended = poll.poll(None if seconds is None else seconds * 1000)
        with self._lock:
            if ended and self._returncode is None:
                self._returncode = self._read()
                self._reports.close()
            return self._returncode


class ForkServer:
    """The fork server of this process."""

    def __init__(self) -> None:
        self._connection, theirs = socket.socketpair()
        self._lock = threading.Lock()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.forkserver", str(theirs.fileno())],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )

    def start(
        self, arguments: tuple[str, ...], folder: Path, environment: Mapping[str, str], descriptors: list[int]
    ) -> ForkedProcess:
        """Start a command; `descriptors`: its standard input, output and error."""
        ignored = [number for number in STOPS if signal.getsignal(number) is signal.SIG_IGN]
        body = {
            "arguments": arguments,
            "folder": str(folder),
            "environment": dict(environment),
            "ignored": ignored,
        }
        text = json.dumps(body).encode()
        ours, theirs = socket.socketpair()
        with theirs, self._lock:
            head = NUMBER.pack(len(text))
            socket.send_fds(self._connection, [head], [*descriptors, theirs.fileno()])
            self._connection.sendall(text)
        return ForkedProcess(ours)

    def close(self) -> None:
        self._connection.close()
        self._process.wait()


@functools.cache
def fork_server() -> ForkServer:
    """Start this process's fork server when it is first needed; it ends with this process."""
    server = ForkServer()
    atexit.register(server.close)
    return server


FleetProcess = ForkedProcess | subprocess.Popen[bytes]


def start_fleet(
    *arguments: str,
    cwd: Path,
    stdout: IO[Any] | int,
    stderr: IO[Any] | int,
    env: Mapping[str, str] | None = None,
) -> FleetProcess:
    """Start a `fleet` command without input; `env` is added to this process's variables."""
    environment = {**os.environ, **(env or {})}
    if sys.platform != "linux" or any(name.startswith(AT_START) for name in env or ()):
        null = subprocess.DEVNULL
        return subprocess.Popen(
            [*FLEET, *arguments], cwd=cwd, env=environment, stdin=null, stdout=stdout, stderr=stderr
        )
    outputs = [each if isinstance(each, int) else each.fileno() for each in (stdout, stderr)]
    with Path(os.devnull).open("rb") as null_file:
        return fork_server().start(arguments, cwd, environment, [null_file.fileno(), *outputs])


def run_fleet(
    *arguments: str, cwd: Path, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a `fleet` command to its end."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = start_fleet(*arguments, cwd=cwd, stdout=out, stderr=err, env=env)
        try:
            code = process.wait(SECONDS)
        finally:
            process.kill()
        for each in (out, err):
            each.seek(0)
        return subprocess.CompletedProcess(("fleet", *arguments), code, out.read(), err.read())


@contextlib.contextmanager
def fleet_running(
    *arguments: str, log: Path, cwd: Path, env: Mapping[str, str] | None = None
) -> Iterator[FleetProcess]:
    """Run a `fleet` command, its output appended to `log`; terminate it at the end of the block."""
    with log.open("ab") as output:
        process = start_fleet(*arguments, cwd=cwd, stdout=output, stderr=output, env=env)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
