"""Write responses on a client's connection, one at a time, framed for their request."""

from __future__ import annotations

import asyncio
import http
from collections.abc import Callable
from typing import Final

from fleet_runtime.proxy.request_head import RequestHead

COPIED: Final = 16 * 1024
"""Chunks up to this size in bytes are copied, so that one write sends them."""

_STATUS_LINES: Final = {
    status.value: b"HTTP/1.1 %d %b\r\n" % (status, status.phrase.encode()) for status in http.HTTPStatus
}
_BODILESS: Final = (204, 304)


class ResponseWriter:
    """Writes to `transport`; `done` is called when a response is complete, or aborted. `started`: a response
    has begun and is not complete. `was_cut`: it never will be. `keep_alive`: another response may follow.
    Blocks are header lines, each with its line break.
    """

    __slots__ = (
        "_chunked",
        "_done",
        "_head_only",
        "_http11",
        "_transport",
        "keep_alive",
        "started",
        "was_cut",
    )

    def __init__(self, transport: asyncio.Transport, done: Callable[[], None]) -> None:
        self._transport = transport
        self._done = done
        self._http11 = True
        self._head_only = False
        self._chunked = False
        self.keep_alive = True
        self.started = False
        self.was_cut = False

    def expect(self, head: RequestHead) -> None:
        """Expect the response to this request."""
        self._chunked = self.started = False
        self._http11 = head.http11
        self._head_only = head.method == "HEAD"
        self.keep_alive = head.keep_alive

    def expect_last(self) -> None:
        """Expect the response to an invalid request, the last one on this connection."""
        self._chunked = self.started = self._head_only = self.keep_alive = False

    def respond(self, status: int, block: bytes, body: bytes) -> None:
        """Send a complete response of the gateway; `content-length` is added."""
        if status not in _BODILESS:
            block += b"content-length: %d\r\n" % len(body)
        self.start(status, block, len(body), body, True)

    def start(
        self, status: int, block: bytes, length: int | None, data: bytes, ended: bool, *, closes: bool = False
    ) -> None:
        """Send a head with the first bytes of the body, or all of it if `ended`. `length` is the body's
        length if the block declares it; `closes`: the end of the connection ends the body."""
        framing = b"\r\n"
        if self._head_only or status in _BODILESS:
            data = b""
        elif length is None:
            framing = self._frame(closes)
        if closes:
            self.keep_alive = False
        if not self.keep_alive:
            framing = b"connection: close\r\n" + framing
        self.started = True
        status_line = _STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status
        if self._chunked and (data or ended):
            self._write_chunk(b"".join((status_line, block, framing)), data, ended)
            return
        if len(data) <= COPIED:
            self._transport.write(b"".join((status_line, block, framing, data)))
        else:
            self._transport.writelines((status_line, block, framing, data))
        if ended:
            self._end()

    def _frame(self, closes: bool) -> bytes:
        """Return the end of the head of a response with a body of unknown length."""
        if self._http11 and not closes:
            self._chunked = True
            return b"transfer-encoding: chunked\r\n\r\n"
        self.keep_alive = False
        return b"\r\n"

    def write(self, data: bytes, ended: bool) -> None:
        """Send the next bytes of the body."""
        if self._chunked and (ended or len(data) > COPIED):
            self._write_chunk(b"", data, ended)
            return
        if data and not self._head_only:
            self._transport.write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)
        if ended:
            self._end()

    def cut(self) -> None:
        """Abort a response that has begun: close the connection without completing it."""
        self.started = False
        self.keep_alive = False
        self.was_cut = True
        self._done()

    def close_after(self) -> None:
        """Close the connection after the response, which has not begun."""
        self.keep_alive = False

    def _write_chunk(self, head: bytes, data: bytes, ended: bool) -> None:
        last = b"0\r\n\r\n" if ended else b""
        if not data:
            self._transport.write(head + last)
        elif len(data) <= COPIED:
            self._transport.write(b"%b%x\r\n%b\r\n%b" % (head, len(data), data, last))
        else:
            self._transport.writelines((b"%b%x\r\n" % (head, len(data)), data, b"\r\n" + last))
        if ended:
            self._end()

    def _end(self) -> None:
        self.started = False
        self._done()
