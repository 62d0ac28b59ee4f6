"""A provider that is asleep on its network: packets go there, and nothing ever comes back."""

from __future__ import annotations

import contextlib
import select
import socket
from collections.abc import Iterator

SECONDS = 0.3


@contextlib.contextmanager
def black_hole(port: int) -> Iterator[None]:
    """Take over a port that nobody listens on: its backlog is full, so that no connection comes about."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(0)
        while True:
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
            if not select.select([], [filler], [], SECONDS)[1]:
                break
        yield
