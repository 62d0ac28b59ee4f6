"""Attacks by hostile clients, inside and outside the rules of HTTP, each on its own connection.

`run_attacks` repeats every attack at a bounded rate and counts the outcomes: the status of the first
response, `closed` if there was none, or `timeout` if the gateway kept the connection open.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress

Attack = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[str]]

TIMEOUT_SECONDS = 25.0
"""The time limit of one attack."""
PAUSE_SECONDS = 1.0
"""The time between two runs of an attack."""
PATH = "/boochat/v1/chat/completions"
MODEL = "north/m"
LARGE_BODY = 20_000_000
"""Bytes."""


def headers(*lines: str, path: str = PATH, method: str = "POST") -> bytes:
    """Return the request line and headers of a request; `lines` follow its Host."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *lines, "", ""]).encode("latin-1")


def request(body: bytes, *lines: str) -> bytes:
    """Return a request with `body` and its Content-Length; `lines` are additional headers."""
    return headers("Content-Type: application/json", f"Content-Length: {len(body)}", *lines) + body


def chat(model: str = MODEL, **more: object) -> bytes:
    """Return the body of a chat request with `more` members."""
    return json.dumps({"model": model, "messages": [{"role": "user", "content": "x"}], **more}).encode()


CHUNKED = headers("Content-Type: application/json", "Transfer-Encoding: chunked")
CHUNKS = b"%x\r\n%b\r\n0\r\n" % (len(chat()), chat())


async def first_status(reader: asyncio.StreamReader) -> str:
    """Return the status of the first response; read the rest until the gateway closes or is silent for a
    second."""
    line = await reader.readline()
    with suppress(TimeoutError):
        async with asyncio.timeout(1):
            while await reader.read(65_536):
                pass
    return line.split(b" ")[1].decode() if line.startswith(b"HTTP/1.1 ") else "closed"


def send(*parts: bytes) -> Attack:
    """Return an attack that sends `parts` one after the other and reads the response."""

    async def attack(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.01)
        return await first_status(reader)

    return attack


def flood(start: bytes, line: bytes) -> Attack:
    """Return an attack that sends `start` and then repeats `line` until the gateway responds, up to 4 MB."""

    async def attack(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        writer.write(start)
        for _ in range(1000):
            writer.write(line * (4096 // len(line)))
            await writer.drain()
        return await first_status(reader)

    return attack


def send_without_reading(data: bytes) -> Attack:
    """Return an attack that requests a large response and never reads it."""

    async def attack(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(data)
        await asyncio.sleep(TIMEOUT_SECONDS * 0.8)
        return "unread"

    return attack


def send_and_finish(data: bytes) -> Attack:
    """Return an attack that closes its sending side after `data`."""

    async def attack(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        writer.write(data)
        writer.write_eof()
        return await first_status(reader)

    return attack


def send_and_reset(data: bytes) -> Attack:
    """Return an attack that resets the connection shortly after `data`."""

    async def attack(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        writer.write(data)
        await writer.drain()
        await asyncio.sleep(0.02)
        writer.transport.abort()
        return "reset"

    return attack


ATTACKS: dict[str, Attack] = {
    "endless trailers": flood(CHUNKED + CHUNKS, b"X-A: b\r\n"),
    "endless chunk extension": flood(CHUNKED + b"1;x=", b"y"),
    "oversized headers": flood(headers()[:-2], b"X-A: aaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n"),
    "oversized target": flood(b"GET /", b"a"),
    "unread stream": send_without_reading(request(chat(stream=True, max_tokens=20_000))),
    "many unread responses": send_without_reading(request(chat()) * 200),
    "half of the headers": send(headers()[:20]),
    "half of the headers and FIN": send_and_finish(headers()[:30]),
    "half a body and FIN": send_and_finish(request(chat())[:-5]),
    "half a chunk and FIN": send_and_finish(CHUNKED + CHUNKS[:20]),
    "reset within a body": send_and_reset(request(chat())[:-5]),
    "reset within a stream": send_and_reset(request(chat(stream=True))),
    "a request and FIN": send_and_finish(request(chat())),
    "garbage after a request": send(request(chat()) + b"\x00\xff\x16\x03garbage\r\n\r\n" * 20),
    "pipelined in fragments": send(
        *(request(chat())[at : at + 40] for at in range(0, 240, 40)), request(chat())[:30]
    ),
    "a hundred pipelined requests": send(request(chat()) * 100),
    "Expect and a malformed chunk": send(
        headers("Content-Type: application/json", "Transfer-Encoding: chunked", "Expect: 100-continue"),
        b"zz\r\n{}\r\n",
    ),
    "Expect without a body": send(headers("Content-Length: 100", "Expect: 100-continue")),
    "an unknown expectation": send(request(chat(), "Expect: 200-ok")),
    "Content-Length and chunked": send(request(chat(), "Transfer-Encoding: chunked")),
    "terminal escapes in the model": send(request(chat("north/\x1b]0;owned\x07\x1b[2J\r\n\u202e"))),
    "a model name of a megabyte": send(request(chat("m" * 1_000_000))),
    "two Origin headers": send(request(chat(), "Origin: http://127.0.0.1", "Origin: http://evil.example")),
    "an unknown Host": send(request(chat()).replace(b"Host: 127.0.0.1", b"Host: evil.example")),
    "deep JSON": send(request(b'{"model":"north/m","messages":' + b"[" * 100_000)),
    "deep but valid JSON": send(request(b'{"a":' + b"[" * 9000 + b"]" * 9000 + b',"model":"nobody/m"}')),
    "a large body of empty lists": send(
        request(b'{"model":"nobody/m","a":[' + b"[]," * (LARGE_BODY // 3) + b"[]]}")
    ),
    "a large body of invalid JSON": send(request(b"[]," * (LARGE_BODY // 3))),
    "a body over every limit": send(headers("Content-Type: application/json", "Content-Length: 99999999999")),
    "unterminated multipart": send(
        request(b"--x\r\nContent-Disposition: form-data; name=file\r\n\r\n" + b"\0" * 100_000).replace(
            b"application/json", b"multipart/form-data; boundary=x"
        )
    ),
    "a TLS ClientHello": send(b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + b"\0" * 200),
}

EXPENSIVE = {"a large body of empty lists", "a large body of invalid JSON", "many unread responses"}
"""Attacks that use much CPU time of the gateway and the providers; they run less often."""
EXPENSIVE_PAUSE_SECONDS = 20.0


async def attack_once(port: int, attack: Attack) -> str:
    """Run one attack and return its outcome."""
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                return await attack(reader, writer)
            finally:
                writer.transport.abort()
    except TimeoutError:
        return "timeout"
    except OSError:
        return "closed"


async def run_attacks(port: int, ended: asyncio.Event, outcomes: Counter[tuple[str, str]]) -> None:
    """Repeat all attacks concurrently until `ended`, and count them by attack and outcome."""

    async def repeat(name: str, attack: Attack) -> None:
        while not ended.is_set():
            outcomes[name, await attack_once(port, attack)] += 1
            with suppress(TimeoutError):
                await asyncio.wait_for(
                    ended.wait(), EXPENSIVE_PAUSE_SECONDS if name in EXPENSIVE else PAUSE_SECONDS
                )

    async with asyncio.TaskGroup() as tasks:
        for name, attack in ATTACKS.items():
            tasks.create_task(repeat(name, attack))
