"""Ports of 127.0.0.1 for what a test starts, or for nothing at all."""

from __future__ import annotations

import socket

_held: list[socket.socket] = []


def free_port() -> int:
    """Return a port that the system gives to nobody else as long as this process runs.

    A socket holds it that is bound and does not listen. A server may still listen there, as all of them set
    SO_REUSEADDR; until then a connection is refused. Without it, another test's server may get the port
    before the server that it was meant for.
    """
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    _held.append(holder)
    return int(holder.getsockname()[1])
