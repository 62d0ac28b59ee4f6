"""A small HTTP/1.1 server whose handlers control every byte and the end of the connection."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal, cast
from urllib.parse import parse_qsl, unquote

import httptools

HOST = "127.0.0.1"

Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Request:
    """A request as received; `target` and the headers are raw."""

    method: str
    target: str
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    connection: int

    @property
    def raw_path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def path(self) -> str:
        return unquote(self.raw_path)

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(self.target.partition("?")[2], keep_blank_values=True))

    def header(self, name: str) -> str | None:
        """The first value under `name`, which is given in lower case."""
        wanted = name.encode()
        for key, value in self.headers:
            if key.lower() == wanted:
                return value.decode("latin-1")
        return None


Handler = Callable[[Request, "ResponseWriter"], Awaitable[None]]


class DroppedError(Exception):
    """The response reached the byte at which its connection was to be dropped."""


class ResponseWriter:
    """The response to one request, written chunk by chunk."""

    def __init__(self, connection: _Connection, head_only: bool) -> None:
        self._connection = connection
        self._head_only = head_only
        self._chunked = False
        self._written = 0
        self.drop_at: int | None = None
        self.drop_how: Literal["fin", "rst"] = "rst"
        self.close = False
        self.aborted = False

    def spare(self) -> None:
        """Let this response finish even if the port is closed meanwhile."""
        self.close = True
        self._connection.spared = True

    def abort(self) -> None:
        """Cut the connection now."""
        self.aborted = True
        self._connection.drop("fin")

    async def write_head(self, status: int, headers: Headers, body: bytes = b"") -> None:
        """Write the headers, with a body of known length at once; framing and closing follow what they
        say."""
        lowered = {(name.lower(), value.lower()) for name, value in headers}
        self._chunked = ("transfer-encoding", "chunked") in lowered
        self.close = self.close or ("connection", "close") in lowered
        lines = [f"HTTP/1.1 {status} {_phrase(status)}", *(f"{name}: {value}" for name, value in headers)]
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        await self.raw(head if self._head_only else head + body)

    async def write_chunk(self, data: bytes) -> None:
        """Write a chunk of the body, framed as the headers said."""
        if self._head_only or not data:
            return
        await self.raw(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    async def end(self) -> None:
        if self._chunked and not self._head_only:
            await self.raw(b"0\r\n\r\n")

    async def raw(self, data: bytes) -> None:
        """Write bytes as they are; drops the connection, and raises DroppedError, at the byte set for
        that."""
        if self.drop_at is not None and self._written + len(data) >= self.drop_at:
            await self._connection.write(data[: max(0, self.drop_at - self._written)])
            self._connection.drop(self.drop_how)
            raise DroppedError
        self._written += len(data)
        await self._connection.write(data)


async def close_server(server: asyncio.Server) -> None:
    """Stop listening once every connection that was accepted is made.

    asyncio takes two turns for that. A server that is closed in between forgets the connection and leaves its
    socket open: the client would wait for nothing.
    """
    loop = asyncio.get_running_loop()
    for listening in server.sockets:
        loop.remove_reader(listening.fileno())
    for _ in range(3):
        await asyncio.sleep(0)
    server.close()


class Listener:
    """A port that listens, or, while it is closed, rejects connections; no other process gets it before
    `release`."""

    def __init__(self, port: int, handler: Handler) -> None:
        self._handler = handler
        self._socket: socket.socket | None = _bound(port)
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self.port: int = self._socket.getsockname()[1]

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._connections)

    def is_open(self) -> bool:
        return self._server is not None

    async def open(self) -> None:
        if self._server is None:
            bound, self._socket = self._socket or _bound(self.port), None
            self._server = await asyncio.get_running_loop().create_server(
                lambda: _Connection(self._handler, self._connections, self.is_open), sock=bound, backlog=512
            )

    async def close(self) -> None:
        """Reject new connections and reset those that are open."""
        if self._server is not None:
            server, self._server = self._server, None
            await close_server(server)
            self._socket = _bound(self.port)
        self.reset()

    def reset(self) -> None:
        """Reset every open connection except those that are spared."""
        for connection in tuple(self._connections):
            if not connection.spared:
                connection.drop("rst")

    async def release(self) -> None:
        await self.close()
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        await asyncio.gather(*(connection.gone() for connection in tuple(self._connections)))


class _Connection(asyncio.Protocol):
    _count = 0

    def __init__(self, handler: Handler, connections: set[_Connection], wanted: Callable[[], bool]) -> None:
        _Connection._count += 1
        self.number = _Connection._count
        self.spared = False
        self._handler = handler
        self._connections = connections
        self._wanted = wanted
        self._parser = httptools.HttpRequestParser(self)
        self._pending: deque[tuple[Request, bool]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._connections.add(self)
        if not self._wanted():  # accepted just before the port was closed
            self.drop("rst")

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        self._lost.set()
        self._writable.set()
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._transport.write(
                b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
            self._transport.close()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def on_message_begin(self) -> None:
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        if any(
            name.lower() == b"expect" and value.lower() == b"100-continue" for name, value in self._headers
        ):
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        request = Request(
            self._parser.get_method().decode(),
            self._target.decode("latin-1"),
            tuple(self._headers),
            b"".join(self._body),
            self.number,
        )
        self._pending.append((request, self._parser.should_keep_alive()))
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._serve())

    async def _serve(self) -> None:
        try:
            while self._pending:
                request, keep_alive = self._pending.popleft()
                writer = ResponseWriter(self, request.method == "HEAD")
                await self._handler(request, writer)
                if writer.close or not keep_alive:
                    self._transport.close()
                    return
        except DroppedError:
            return
        except Exception:
            self._transport.abort()
            raise
        finally:
            self._task = None

    async def write(self, data: bytes) -> None:
        if self._transport.is_closing():
            await self._lost.wait()
        else:
            self._transport.write(data)
        await self._writable.wait()
        if self._lost.is_set():
            raise asyncio.CancelledError

    def drop(self, how: Literal["fin", "rst"]) -> None:
        if how == "fin":
            self._transport.close()
            return
        raw = self._transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    async def gone(self) -> None:
        """Return when the connection is closed and its handler has ended."""
        task = self._task
        await self._lost.wait()
        if task is not None:
            await asyncio.wait([task])


def _bound(port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((HOST, port))
    return bound


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
