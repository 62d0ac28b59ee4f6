"""A process that has imported all of fleet, and forks for each command.

Such a command is a process like any other, with its own descriptors, folder, environment and exit code; only
its imports are already done. ``python -m tests.support.forkserver FD``: FD is one end of a pair of sockets. A
request is the length of a JSON text (four bytes), with which the command's standard descriptors and one more
socket are sent, and the text. Through that socket the server reports the process id, and later the return
code of the process as `subprocess` defines it, in four bytes each. It ends when the pair is closed.
"""

from __future__ import annotations

import gc
import json
import os
import pkgutil
import random
import selectors
import signal
import socket
import struct
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module

import fleet_compiler
import fleet_runtime
from fleet_compiler.__main__ import main

NUMBER = struct.Struct("!i")
DESCRIPTORS = 4
"""Standard input, output and error, and the socket of the reports."""

STOPS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
"""Blocked here, so that a process just forked gets each of them once it is what it was started for,
and because Ctrl-C ends the tests, whose end closes the connection."""

FOREIGN = ("anyio", "certifi", "encodings.idna", "encodings.unicode_escape", "h11", "httpcore", "uvloop")
"""What fleet's modules, or those of others, import only when they need it."""


@dataclass(frozen=True, slots=True)
class Request:
    """`ignored`: the signals that the process ignores; the `descriptors` belong to this process."""

    arguments: list[str]
    folder: str
    environment: dict[str, str]
    ignored: list[int]
    descriptors: list[int]


def receive(connection: socket.socket) -> Request | None:
    """Return the next request; None at the end of the connection."""
    head, descriptors, _, _ = socket.recv_fds(connection, NUMBER.size, DESCRIPTORS)
    if not head:
        return None
    (length,) = NUMBER.unpack(head)
    return Request(**json.loads(connection.recv(length, socket.MSG_WAITALL)), descriptors=descriptors)


def fork_for_each(connection: socket.socket) -> Request | None:
    """Return each request in a process of its own; None in this process, when the connection has ended."""
    woken, waking = socket.socketpair()
    waking.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(waking.fileno(), warn_on_full_buffer=False)
    reports: dict[int, socket.socket] = {}
    with connection, woken, waking, selectors.DefaultSelector() as selector:
        selector.register(connection, selectors.EVENT_READ)
        selector.register(woken, selectors.EVENT_READ)
        while True:
            ready = [key.fileobj for key, _ in selector.select()]
            if woken in ready:
                woken.recv(4096)
                report_ended(reports)
            if connection not in ready:
                continue
            request = receive(connection)
            process = os.fork() if request is not None else None
            if process:
                assert request is not None
                for descriptor in request.descriptors[:3]:
                    os.close(descriptor)
                reports[process] = socket.socket(fileno=request.descriptors[3])
                reports[process].sendall(NUMBER.pack(process))
                continue
            for each in reports.values():
                each.close()
            signal.set_wakeup_fd(-1)
            return request


def report_ended(reports: dict[int, socket.socket]) -> None:
    """Send the return codes of the processes that have ended, and forget them."""
    for process in list(reports):
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            with reports.pop(process) as report, suppress(BrokenPipeError):
                report.sendall(NUMBER.pack(os.waitstatus_to_exitcode(status)))


def become(request: Request) -> None:
    """Make this process what one started for the request is before it runs the first line of fleet."""
    for standard, descriptor in enumerate(request.descriptors[:3]):
        os.dup2(descriptor, standard)
    for descriptor in request.descriptors:
        os.close(descriptor)
    sys.stdout.reconfigure(line_buffering=os.isatty(1))  # type: ignore[union-attr]
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number in request.ignored:
        signal.signal(number, signal.SIG_IGN)
    os.chdir(request.folder)
    os.environ.clear()
    os.environ.update(request.environment)
    time.tzset()
    random.seed()
    sys.path[0] = request.folder
    sys.argv = ["fleet", *request.arguments]
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)


def import_all() -> None:
    """Import every module of fleet."""
    for package in (fleet_compiler, fleet_runtime):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith(".__main__"):
                import_module(module.name)
    for name in FOREIGN:
        import_module(name)


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    import_all()
    gc.collect()
    gc.freeze()
    accepted = fork_for_each(socket.socket(fileno=int(sys.argv[1])))
    if accepted is not None:
        become(accepted)
        main()
