"""Clients that break the rules of HTTP, or keep them and mean harm: each attack on a connection of its own.

`besiege` runs every attack again and again beside a load, at a bounded rate, and counts what came of it: the
status of the first response, `closed` without one, or `timeout` if the gateway let the client be.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress

Attack = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[str]]

PATIENCE = 25.0
"""Seconds that an attack may last."""
PAUSE = 1.0
"""Seconds between two attacks of one kind."""
PATH = "/boochat/v1/chat/completions"
MODEL = "north/m"
BIG = 20_000_000


def head(*lines: str, path: str = PATH, method: str = "POST") -> bytes:
    """The head of a request; `lines` follow its Host."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *lines, "", ""]).encode("latin-1")


def sized(body: bytes, *lines: str) -> bytes:
    """A request with `body` and its length."""
    return head("Content-Type: application/json", f"Content-Length: {len(body)}", *lines) + body


def chat(model: str = MODEL, **more: object) -> bytes:
    """The body of a chat request."""
    return json.dumps({"model": model, "messages": [{"role": "user", "content": "x"}], **more}).encode()


CHUNKED = head("Content-Type: application/json", "Transfer-Encoding: chunked")
CHUNKS = b"%x\r\n%b\r\n0\r\n" % (len(chat()), chat())


async def first_status(reader: asyncio.StreamReader) -> str:
    """The status of the first response, after which everything is read until the gateway closes or rests."""
    line = await reader.readline()
    with suppress(TimeoutError):
        async with asyncio.timeout(1):
            while await reader.read(65_536):
                pass
    return line.split(b" ")[1].decode() if line.startswith(b"HTTP/1.1 ") else "closed"


def sends(*pieces: bytes) -> Attack:
    """The attack that sends `pieces` one after the other and reads what comes back."""

    async def attack(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.01)
        return await first_status(reader)

    return attack


def floods(start: bytes, line: bytes) -> Attack:
    """The attack that sends `line` after `start` until the gateway has enough, at most 4 MB of it."""

    async def attack(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        writer.write(start)
        for _ in range(1000):
            writer.write(line * (4096 // len(line)))
            await writer.drain()
        return await first_status(reader)

    return attack


def never_reads(sent: bytes) -> Attack:
    """The attack that asks for a lot and reads none of it."""

    async def attack(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(sent)
        await asyncio.sleep(PATIENCE * 0.8)
        return "unread"

    return attack


def finishes(sent: bytes) -> Attack:
    """The attack that ends its side of the connection after `sent`."""

    async def attack(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        writer.write(sent)
        writer.write_eof()
        return await first_status(reader)

    return attack


def resets(sent: bytes) -> Attack:
    """The attack that leaves at once, with what it sent perhaps still unread."""

    async def attack(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        writer.write(sent)
        await writer.drain()
        await asyncio.sleep(0.02)
        writer.transport.abort()
        return "left"

    return attack


ATTACKS: dict[str, Attack] = {
    "endless trailers": floods(CHUNKED + CHUNKS, b"X-A: b\r\n"),
    "endless chunk extension": floods(CHUNKED + b"1;x=", b"y"),
    "oversize head": floods(head()[:-2], b"X-A: aaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n"),
    "oversize target": floods(b"GET /", b"a"),
    "never reads a stream": never_reads(sized(chat(stream=True, max_tokens=20_000))),
    "never reads many responses": never_reads(sized(chat()) * 200),
    "half a head": sends(head()[:20]),
    "half a head and FIN": finishes(head()[:30]),
    "half a body and FIN": finishes(sized(chat())[:-5]),
    "half a chunk and FIN": finishes(CHUNKED + CHUNKS[:20]),
    "reset in a body": resets(sized(chat())[:-5]),
    "reset in a stream": resets(sized(chat(stream=True))),
    "a request and FIN": finishes(sized(chat())),
    "garbage behind a request": sends(sized(chat()) + b"\x00\xff\x16\x03garbage\r\n\r\n" * 20),
    "pipelined in parts": sends(
        *(sized(chat())[at : at + 40] for at in range(0, 240, 40)), sized(chat())[:30]
    ),
    "pipelined a hundred": sends(sized(chat()) * 100),
    "expect and a bad chunk": sends(
        head("Content-Type: application/json", "Transfer-Encoding: chunked", "Expect: 100-continue"),
        b"zz\r\n{}\r\n",
    ),
    "expect and nothing": sends(head("Content-Length: 100", "Expect: 100-continue")),
    "an odd expectation": sends(sized(chat(), "Expect: 200-ok")),
    "length and chunked": sends(sized(chat(), "Transfer-Encoding: chunked")),
    "terminal escapes as a model": sends(sized(chat("north/\x1b]0;owned\x07\x1b[2J\r\n\u202e"))),
    "a megabyte of a model": sends(sized(chat("m" * 1_000_000))),
    "two origins": sends(sized(chat(), "Origin: http://127.0.0.1", "Origin: http://evil.example")),
    "a foreign host": sends(sized(chat()).replace(b"Host: 127.0.0.1", b"Host: evil.example")),
    "deep JSON": sends(sized(b'{"model":"north/m","messages":' + b"[" * 100_000)),
    "deep JSON, closed": sends(sized(b'{"a":' + b"[" * 9000 + b"]" * 9000 + b',"model":"nobody/m"}')),
    "a big body of empty lists": sends(sized(b'{"model":"nobody/m","a":[' + b"[]," * (BIG // 3) + b"[]]}")),
    "a big body that is none": sends(sized(b"[]," * (BIG // 3))),
    "a body past any limit": sends(head("Content-Type: application/json", "Content-Length: 99999999999")),
    "multipart without an end": sends(
        sized(b"--x\r\nContent-Disposition: form-data; name=file\r\n\r\n" + b"\0" * 100_000).replace(
            b"application/json", b"multipart/form-data; boundary=x"
        )
    ),
    "a TLS hello": sends(b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + b"\0" * 200),
}

RARE = {"a big body of empty lists", "a big body that is none", "never reads many responses"}
"""Once in `RARE_PAUSE` seconds: they cost the processor of the gateway and of the providers."""
RARE_PAUSE = 20.0


async def attack_once(port: int, attack: Attack) -> str:
    """What came of one attack."""
    try:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                return await attack(reader, writer)
            finally:
                writer.transport.abort()
    except TimeoutError:
        return "timeout"
    except OSError:
        return "closed"


async def besiege(port: int, ended: asyncio.Event, outcomes: Counter[tuple[str, str]]) -> None:
    """Run all attacks side by side until `ended`, counting (attack, outcome)."""

    async def repeat(name: str, attack: Attack) -> None:
        while not ended.is_set():
            outcomes[name, await attack_once(port, attack)] += 1
            with suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), RARE_PAUSE if name in RARE else PAUSE)

    async with asyncio.TaskGroup() as tasks:
        for name, attack in ATTACKS.items():
            tasks.create_task(repeat(name, attack))
