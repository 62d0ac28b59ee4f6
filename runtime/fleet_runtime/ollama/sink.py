"""The client's side of a translated exchange: send the provider's response in Ollama's format.

An exchange writes to this sink as to a client's connection. A plain response is buffered until it is
complete; each event of a stream becomes a line of JSON as soon as it arrives. An aborted stream ends with a
line that contains an error, and its connection is closed without completing the response, so that no client
takes it for complete.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from fleet_runtime.ollama.responses import (
    Answer,
    UnreadableResponseError,
    error_message,
    last_line,
    stream_lines,
    whole_response,
)
from fleet_runtime.proxy.request_context import ResponseSink

JSON: Final = b"content-type: application/json; charset=utf-8\r\n"
NDJSON: Final = b"content-type: application/x-ndjson\r\n"
MAX_HELD: Final = 64 * 1024 * 1024
"""The maximum size of a buffered response or event in bytes."""

_KEPT: Final = (
    b"x-fleet-",
    b"x-request-id:",
    b"server-timing:",
    b"access-control-",
    b"retry-after",
    b"x-should",
)
_CUT: Final = "the response was cut before its end"


class TranslatingSink:
    """Translates one response to `sink`; `answer` is None until the request is parsed. `on_failed` is called
    when nothing more can be sent, so that the provider can stop."""

    def __init__(self, sink: ResponseSink, on_failed: Callable[[], object]) -> None:
        self.answer: Answer | None = None
        self._sink = sink
        self._on_failed = on_failed
        self._status = 0
        self._block = b""
        self._held = bytearray()
        self._streams = False
        self._started = False
        self._failed = False

    def respond(self, status: int, block: bytes, body: bytes) -> None:
        """Send a complete response of the gateway's own, which is an error."""
        self._sink.respond(status, JSON + _kept(block), _error(error_message(body)))

    def start(
        self, status: int, block: bytes, length: int | None, data: bytes, ended: bool, *, closes: bool = False
    ) -> None:
        self._status, self._block = status, _kept(block)
        self._streams = status == 200 and b"text/event-stream" in block.lower()
        self.write(data, ended)

    def write(self, data: bytes, ended: bool) -> None:
        if self._failed:
            return
        self._held += data
        if len(self._held) > MAX_HELD:
            self._fail("the response is too large to be translated")
        elif self._streams:
            self._write_events(ended)
        elif ended:
            self._write_whole(bytes(self._held))

    def cut(self) -> None:
        self._fail(_CUT)

    def close_after(self) -> None:
        self._sink.close_after()

    def _write_whole(self, raw: bytes) -> None:
        assert self.answer is not None
        if self._status != 200:
            self._sink.respond(self._status, JSON + self._block, _error(error_message(raw)))
            return
        try:
            body = msgspec.json.encode(whole_response(self.answer, raw))
        except (UnreadableResponseError, TypeError, AttributeError) as error:
            self._sink.respond(
                502, JSON + self._block, _error(f"the provider's response cannot be parsed: {error}")
            )
            return
        self._sink.respond(200, JSON + self._block, body)

    def _write_events(self, ended: bool) -> None:
        """Translate the complete events; an empty line ends an event."""
        answer = self.answer
        assert answer is not None
        *events, rest = bytes(self._held).replace(b"\r\n", b"\n").split(b"\n\n")
        if ended and rest.strip():
            events.append(rest)
            rest = b""
        self._held[:] = rest
        lines: list[dict[str, Any]] = []
        finished = False
        for event in events:
            data = b"\n".join(
                line[5:].removeprefix(b" ") for line in event.split(b"\n") if line.startswith(b"data:")
            )
            if data == b"[DONE]":
                finished = True
            elif data:
                try:
                    parsed = msgspec.json.decode(data)
                    if not isinstance(parsed, dict) or "error" in parsed:
                        self._emit(lines)
                        self._fail(error_message(data))
                        return
                    lines += stream_lines(answer, parsed)
                except (ValueError, TypeError, AttributeError) as error:
                    self._emit(lines)
                    self._fail(f"the provider's response cannot be parsed: {error}")
                    return
        if not ended:
            self._emit(lines)
        elif finished or answer.reason is not None:
            self._emit([*lines, last_line(answer)], ended=True)
        else:
            self._emit(lines)
            self._fail(_CUT)

    def _emit(self, lines: list[dict[str, Any]], *, ended: bool = False) -> None:
        body = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
        if self._started:
            if body or ended:
                self._sink.write(body, ended)
        elif body or ended:
            self._started = True
            self._sink.start(200, NDJSON + self._block, None, body, ended)

    def _fail(self, message: str) -> None:
        """Send an error; a response that has begun is cut after it."""
        if self._failed:
            return
        self._failed = True
        self._on_failed()
        if self._started:
            self._sink.write(_error(message) + b"\n", False)
            self._sink.cut()
        else:
            self._sink.close_after()
            self._sink.respond(502, JSON + self._block, _error(message))


def _kept(block: bytes) -> bytes:
    """Return the lines of a header block that do not describe the body."""
    lines = block.split(b"\r\n")
    return b"".join(line + b"\r\n" for line in lines if line.lower().startswith(_KEPT))


def _error(message: str) -> bytes:
    return msgspec.json.encode({"error": message})
