"""Parse a very long JSON body in a separate process.

The decoder holds the interpreter lock until it is done, in whatever thread it runs: half a second for the
worst body of 95 MB, during which no other request would go on. The process reads the body from its standard
input and writes one line of JSON: the model and where its value is, or the error.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import Final

import msgspec

from fleet_runtime.errors import ErrorResponse, RequestError
from fleet_runtime.proxy.json_body import JsonBody, splice_model

VERY_LONG: Final = 8_000_000
"""Bytes from which a process is worth its start (60 ms); the decoder takes at most 50 ms for fewer."""


class Parsed(msgspec.Struct, frozen=True):
    """What the process found. `span`: where the value of `model` is; None if that is not certain."""

    model: str | None = None
    span: tuple[int, int] | None = None
    error: tuple[str, str, str | None] | None = None


class LongJsonBody:
    """A JSON body that was parsed elsewhere; otherwise like `JsonBody`."""

    __slots__ = ("_raw", "_span", "length", "model")

    def __init__(self, raw: bytes, model: str | None, span: tuple[int, int] | None) -> None:
        self._raw = raw
        self._span = span
        self.length = len(raw)
        self.model = model

    def naming(self, model: str) -> bytes | tuple[bytes | memoryview, ...]:
        """Return the body with `model` as its model, in one part or in several."""
        if self._span is None:
            return JsonBody(self._raw).naming(model)
        return splice_model(self._raw, self._span, model)

    def unchanged(self) -> bytes:
        """Return the body as it came."""
        return self._raw

    def close(self) -> None:
        """Nothing is held but memory."""


async def parse_in_process(raw: bytes) -> LongJsonBody | JsonBody:
    """Return the body; raises `RequestError` as `JsonBody` does.

    The process ends when the caller is cancelled. A computer that can start none parses it in a thread.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", __name__),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError:
        return await asyncio.to_thread(JsonBody, raw)
    try:
        line, _ = await process.communicate(raw)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    if await process.wait() != 0:
        return await asyncio.to_thread(JsonBody, raw)
    parsed = msgspec.json.decode(line, type=Parsed)
    if parsed.error is not None:
        raise RequestError(ErrorResponse(*parsed.error))
    return LongJsonBody(raw, parsed.model, parsed.span)


def parse(raw: bytes) -> Parsed:
    """Return what there is to know of a body."""
    try:
        body = JsonBody(raw)
    except RequestError as error:
        return Parsed(error=(error.answer.code, error.answer.message, error.answer.param))
    return Parsed(body.model, body.model_span())


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(parse(sys.stdin.buffer.read())))
