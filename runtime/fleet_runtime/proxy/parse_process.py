"""Parse a very long JSON body in a separate process.

The decoder holds the interpreter lock in any thread: half a second for the worst body of 95 MB, during which
no other request could continue. The process reads the body from its standard input, in the parts in which it
arrived, so that they are not joined here. It writes one line of JSON: the model and where its value is, or
the error.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from fleet_runtime.errors import ErrorResponse, RequestError
from fleet_runtime.proxy.json_body import JsonBody

VERY_LONG: Final = 8_000_000
"""Bodies of at least this many bytes are worth starting a process (60 ms); decoding shorter ones takes at
most 50 ms."""
NICENESS: Final = 5
"""The niceness of the process, so that other requests have priority."""

_key: Final = re.compile(rb'\s*[{,]\s*("[^"\\]*(?:\\.[^"\\]*)*")\s*:\s*', re.DOTALL)
_end: Final = re.compile(rb"\s*\}\s*")
_text: Final = msgspec.json.Decoder(str)


class Parsed(msgspec.Struct, frozen=True):
    """The result of the process. `span` is the position of the value of `model`. `streams` is as in
    `JsonBody`. `rewritten`: a rewritten body follows this line, and replaces the original."""

    model: str | None = None
    span: tuple[int, int] | None = None
    streams: bool = False
    error: tuple[str, str, str | None] | None = None
    rewritten: bool = False


class LongJsonBody:
    """A JSON body in parts that was parsed elsewhere; otherwise like `JsonBody`."""

    __slots__ = ("_pieces", "_span", "length", "model", "streams")

    def __init__(self, pieces: Sequence[bytes], parsed: Parsed) -> None:
        self._pieces = tuple(pieces)
        self._span = parsed.span
        self.length = sum(map(len, pieces))
        self.model = parsed.model
        self.streams = parsed.streams

    def naming(self, model: str) -> tuple[bytes | memoryview, ...]:
        """Return the body with `model` as its model, in parts."""
        assert self._span is not None
        begin, end = self._span
        value = msgspec.json.encode(model)
        return (*_between(self._pieces, 0, begin), value, *_between(self._pieces, end, self.length))

    def unchanged(self) -> tuple[bytes, ...]:
        """Return the body as received."""
        return self._pieces

    def close(self) -> None:
        """Do nothing: only memory is held."""


async def parse_in_process(pieces: Sequence[bytes]) -> LongJsonBody | JsonBody:
    """Return the body; raises `RequestError` as `JsonBody` does.

    Cancelling the caller ends the process. If no process can be started, the body is parsed in a thread.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", __name__),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError:
        return await asyncio.to_thread(_parse_here, pieces)
    try:
        output = await _feed(process, pieces)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    if await process.wait() != 0:
        return await asyncio.to_thread(_parse_here, pieces)
    line, _, body = output.partition(b"\n")
    parsed = msgspec.json.decode(line, type=Parsed)
    if parsed.error is not None:
        raise RequestError(ErrorResponse(*parsed.error))
    return LongJsonBody((body,) if parsed.rewritten else pieces, parsed)


async def _feed(process: asyncio.subprocess.Process, pieces: Sequence[bytes]) -> bytes:
    """Send the body to the process, and return its output."""
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        for piece in pieces:
            process.stdin.write(piece)
            await process.stdin.drain()
        process.stdin.close()
    output = await process.stdout.read()
    await process.wait()
    return output


def _parse_here(pieces: Sequence[bytes]) -> JsonBody:
    return JsonBody(b"".join(pieces))


def _between(pieces: Sequence[bytes], begin: int, end: int) -> Iterator[memoryview]:
    """Yield views of the bytes from `begin` to `end`."""
    at = 0
    for piece in pieces:
        if at < end and begin < at + len(piece):
            yield memoryview(piece)[max(0, begin - at) : end - at]
        at += len(piece)


def parse(raw: bytes) -> tuple[Parsed, bytes]:
    """Parse a body; return the result, and the body, rewritten if necessary."""
    try:
        body = JsonBody(raw)
    except RequestError as error:
        return Parsed(error=(error.answer.code, error.answer.message, error.answer.param)), b""
    if body.model is None:
        return Parsed(streams=body.streams), b""
    span = model_span(raw, body.members)
    if span is not None:
        return Parsed(body.model, span, body.streams), b""
    model = body.members["model"]
    rewritten = msgspec.json.encode({"model": model, **body.members})
    begin = len(b'{"model":')
    return Parsed(body.model, (begin, begin + len(bytes(model))), body.streams, rewritten=True), rewritten


def model_span(raw: bytes, members: Mapping[str, msgspec.Raw]) -> tuple[int, int] | None:
    """Return the position of the value of `model`; None if a key is duplicated or has escapes.

    `members` are compared with the text in order: each key and value must match, and the end must follow the
    last.
    """
    at, span = 0, None
    for key, value in members.items():
        found, text = _key.match(raw, at), bytes(value)
        if found is None or b"\\" in found[1] or _text.decode(found[1]) != key:
            return None
        at = found.end() + len(text)
        if not raw.startswith(text, found.end()):
            return None
        if key == "model":
            span = found.end(), at
    return span if _end.fullmatch(raw, at) else None


if __name__ == "__main__":
    os.nice(NICENESS)
    parsed, body = parse(sys.stdin.buffer.read())
    sys.stdout.buffer.writelines((msgspec.json.encode(parsed), b"\n", body))
