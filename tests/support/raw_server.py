"""A server on 127.0.0.1 that does exactly what a script says with the bytes of each connection.

A script is a coroutine function that gets a `Peer` for each connection accepted; the connection is closed
when it returns. `responsive` makes the plain script of a well-behaved server.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from fleet_runtime.simulator.wire import close_server
from tests.support.waiting import turn

Script = Callable[["Peer"], Awaitable[None]]


class Gone(Exception):
    """The other side closed or reset the connection; ends a script."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came; `head` holds all its bytes up to and with the empty line."""

    method: bytes
    target: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    head: bytes

    def header(self, name: bytes) -> list[bytes]:
        """All values of a header, its name in lower case."""
        return [value for key, value in self.headers if key.lower() == name]


class Peer:
    """The server's end of one connection; `number` counts the connections from 0."""

    def __init__(
        self, server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int
    ) -> None:
        self.number = number
        self.server = server
        self._reader = reader
        self._writer = writer

    async def head(self) -> Request:
        """The next request without its body, which stays unread."""
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise Gone from error
        line, *fields = head[:-4].split(b"\r\n")
        if line.count(b" ") != 2:
            raise Gone  # a stranger, who meant whoever had this port before
        method, target, _ = line.split(b" ")
        pairs = tuple((name, value.strip()) for name, _, value in (field.partition(b":") for field in fields))
        return Request(method, target, pairs, b"", head)

    async def request(self) -> Request:
        """The next request, whole; it is also kept in the server's `requests`."""
        request = await self.head()
        length = int((request.header(b"content-length") or [b"0"])[0])
        body = await self.receive(length)
        request = Request(request.method, request.target, request.headers, body, request.head)
        self.server.requests.append(request)
        return request

    async def receive(self, size: int) -> bytes:
        """Exactly `size` bytes."""
        try:
            return await self._reader.readexactly(size)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise Gone from error

    async def send(self, data: bytes) -> None:
        try:
            self._writer.write(data)
            await self._writer.drain()
        except ConnectionError as error:
            raise Gone from error

    async def trickle(self, data: bytes, size: int = 1) -> None:
        """Sends parts of `size` bytes, each its own packet."""
        for start in range(0, len(data), size):
            await self.send(data[start : start + size])
            await turn()

    async def gone(self) -> None:
        """Returns once the other side has closed or reset the connection; what it sends is thrown away."""
        with suppress(ConnectionError):
            while await self._reader.read(65_536):
                pass

    def reset(self) -> None:
        """Ends the connection with a RST."""
        sock = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    def close(self) -> None:
        """Ends the connection with a FIN once all is sent."""
        self._writer.close()


@dataclass(slots=True)
class RawServer:
    """`requests`: what the scripts read whole; `connections`: how many were accepted; `open`: how many are
    not over yet."""

    url: str
    port: int
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    open: int = 0
    _over: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def until_open(self, count: int, seconds: float = 10) -> None:
        """Returns once no more than `count` connections are open; TimeoutError after `seconds`."""
        async with asyncio.timeout(seconds), self._over:
            await self._over.wait_for(lambda: self.open <= count)

    async def closed_one(self) -> None:
        """Count a connection that is over."""
        async with self._over:
            self.open -= 1
            self._over.notify_all()


@asynccontextmanager
async def raw_server(
    script: Script, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[RawServer]:
    """Serves until the block is left; scripts that still run are cancelled then. An exception in a script
    other than Gone is raised on leaving."""
    tasks: set[asyncio.Task[None]] = set()
    failures: list[Exception] = []

    async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(served, reader, writer, served.connections)
        served.connections += 1
        served.open += 1
        try:
            await script(peer)
        except Gone:
            pass
        except Exception as error:
            failures.append(error)
        finally:
            writer.close()
            with suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()
            await served.closed_one()

    def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(run(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accepted, host, 0, ssl=tls, backlog=1024, limit=1 << 20)
    port = server.sockets[0].getsockname()[1]
    shown = f"[{host}]" if ":" in host else host
    served = RawServer(f"{'https' if tls else 'http'}://{shown}:{port}", port)
    try:
        yield served
    finally:
        if isinstance(asyncio.get_running_loop(), asyncio.SelectorEventLoop):
            await close_server(server)
        else:
            server.close()  # uvloop accepts and makes a connection in one turn
        running = list(tasks)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await server.wait_closed()
    if failures:
        raise failures[0]


def responding(answer: bytes) -> Script:
    """The script that gives every request the same response and keeps its connections."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(answer)

    return script
