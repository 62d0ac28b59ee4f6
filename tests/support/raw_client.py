"""A client that sends given bytes, and parses the response only as far as necessary."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    """`ended`: the body came to its proper end (its length, a last chunk, or an orderly close)."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    ended: bool = True

    def header(self, name: bytes) -> list[bytes]:
        """All values of a header, its name in lower case."""
        return [value for key, value in self.headers if key == name]

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of an error of the gateway's own."""
        return str(self.json()["error"]["code"])


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        with suppress(ConnectionError):
            await self.writer.drain()

    async def head(self) -> Answer:
        """The next response's head, its body unread."""
        raw = await self.reader.readuntil(b"\r\n\r\n")
        line, *fields = raw[:-4].split(b"\r\n")
        pairs = (field.partition(b":") for field in fields)
        headers = tuple((name.lower(), value.strip()) for name, _, value in pairs)
        return Answer(int(line.split(b" ")[1]), headers, b"", ended=False)

    async def answer(self, *, head_only: bool = False) -> Answer:
        """The next response, interim ones left out; a body that is cut short comes with `ended` False."""
        answer = await self.head()
        while answer.status < 200:
            answer = await self.head()
        if answer.status in (204, 304) or head_only:
            return Answer(answer.status, answer.headers, b"")
        body, ended = await self._body(answer)
        return Answer(answer.status, answer.headers, body, ended)

    async def chunk(self) -> bytes:
        """The next chunk of a chunked answer; empty at its end."""
        size = int(await self.reader.readuntil(b"\r\n"), 16)
        return (await self.reader.readexactly(size + 2))[:-2]

    async def rest(self) -> bytes:
        """What comes until the server closes."""
        pieces = []
        with suppress(ConnectionError):
            while piece := await self.reader.read(65536):
                pieces.append(piece)
        return b"".join(pieces)

    def reset(self) -> None:
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def _body(self, answer: Answer) -> tuple[bytes, bool]:
        lengths = answer.header(b"content-length")
        if lengths:
            try:
                return await self.reader.readexactly(int(lengths[0])), True
            except asyncio.IncompleteReadError as error:
                return error.partial, False
            except ConnectionError:
                return b"", False
        if not answer.header(b"transfer-encoding"):
            return await self._until_close()
        body = b""
        try:
            while chunk := await self.chunk():
                body += chunk
        except (asyncio.IncompleteReadError, ConnectionError):
            return body, False
        return body, True

    async def _until_close(self) -> tuple[bytes, bool]:
        body = b""
        try:
            while piece := await self.reader.read(65536):
                body += piece
        except ConnectionError:
            return body, False
        return body, True


@asynccontextmanager
async def client(port: int) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


def request(
    path: str,
    body: Mapping[str, Any] | bytes | None = None,
    headers: Mapping[str, str] | None = None,
    *,
    method: str | None = None,
) -> bytes:
    """A request; a mapping is sent as JSON."""
    data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = {"host": "127.0.0.1"}
    if body is not None:
        fields |= {"content-type": "application/json", "content-length": str(len(data))}
    fields |= headers or {}
    verb = method or ("GET" if body is None else "POST")
    lines = [f"{verb} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1") + data


async def ask(
    port: int,
    path: str,
    body: Mapping[str, Any] | bytes | None = None,
    headers: Mapping[str, str] | None = None,
    *,
    method: str | None = None,
) -> Answer:
    """One request on a separate connection."""
    async with asyncio.timeout(30), client(port) as connection:
        await connection.send(request(path, body, headers, method=method))
        return await connection.answer(head_only=method == "HEAD")
