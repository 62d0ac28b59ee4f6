"""A second address for a server: every connection to it is passed to the first one, and counted."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Relay(socketserver.ThreadingTCPServer):
    """Listens on `host`; `connections` is how many there were so far."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, host: str, port: int, target: tuple[str, int]) -> None:
        super().__init__((host, port), _Connection)
        self.target = target
        self.connections = 0

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Connection(socketserver.BaseRequestHandler):
    server: Relay

    def handle(self) -> None:
        self.server.connections += 1
        with socket.create_connection(self.server.target) as onward:
            back = threading.Thread(target=_copy, args=(onward, self.request), daemon=True)
            back.start()
            _copy(self.request, onward)
            back.join()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@contextmanager
def relay(host: str, target: tuple[str, int], port: int = 0) -> Iterator[Relay]:
    """Serve `target` at `host` too, on a free port unless one is given, until the block ends."""
    with Relay(host, port, target) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()
