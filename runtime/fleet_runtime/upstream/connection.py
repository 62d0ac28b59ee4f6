"""One connection to an upstream: a request out, its answer parsed as it comes, then the next."""

from __future__ import annotations

import asyncio
import math
import os
import socket
from collections.abc import Callable
from contextlib import aclosing
from typing import cast

import httptools

from fleet_runtime.artifacts.contract import Timeouts
from fleet_runtime.upstream.errors import (
    FirstByteTimeoutError,
    IdleTimeoutError,
    InvalidResponseError,
    UpstreamCutError,
)
from fleet_runtime.upstream.framing import body_length
from fleet_runtime.upstream.response import HIGH_WATER, BodySource, Response

HEAD_LIMIT = 64 * 1024
"""Bytes of an answer's head with all its interim answers, and of chunk heads and trailers between two
pieces of a body."""

PIECE = 128 * 1024
"""A body up to this size goes out in one write, a longer one in pieces as they drain."""


class Connection(asyncio.Protocol):
    """A connection that is idle, or fills the Response of its one exchange.

    `settled` is called with True when an exchange has left the connection fit for another, and with False
    once when it has closed. `_deadline` moves with everything that happens; the one timer only looks at it
    when it comes due, and is set anew only for an earlier deadline.
    """

    __slots__ = (
        "_bodiless",
        "_deadline",
        "_drained",
        "_due",
        "_ended",
        "_headers",
        "_keep_alive",
        "_loop",
        "_overhead",
        "_parser",
        "_peer",
        "_reading",
        "_refusal",
        "_response",
        "_settled",
        "_surplus",
        "_timeouts",
        "_timer",
        "_transport",
        "_upload",
        "_writable",
        "closed",
    )

    def __init__(self, peer: str, settled: Callable[[Connection, bool], None]) -> None:
        self.closed = False
        self._peer = peer
        self._settled = settled
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._parser = httptools.HttpResponseParser(self)
        self._response: Response | None = None
        self._timeouts = Timeouts()
        self._bodiless = False
        self._headers: list[tuple[bytes, bytes]] = []
        self._overhead = 0
        self._keep_alive = False
        self._ended = False
        self._surplus = False
        self._refusal: str | None = None
        self._reading = True
        self._upload: asyncio.Task[None] | None = None
        self._writable = True
        self._drained: asyncio.Future[None] | None = None
        self._deadline = math.inf
        self._due = math.inf
        self._timer: asyncio.TimerHandle | None = None

    # An exchange: `start` begins it; `_finish`, `_fail` or `abort` ends it.

    def start(self, head: bytes, body: bytes | BodySource, timeouts: Timeouts, *, bodiless: bool) -> Response:
        """Sends a request; its answer fills the Response. `bodiless`: it is a HEAD, whose answer has no body.

        A body longer than PIECE is sent by a task, so that an answer is heard while it is sent.
        """
        response = Response(self, self._peer)
        self._overhead = 0
        if self.closed:
            response._end(self._cut(response))
            return response
        self._response = response
        self._timeouts = timeouts
        self._bodiless = bodiless
        self._headers = []
        self._ended = False
        self._limit(timeouts.first_byte)
        if isinstance(body, bytes) and len(body) <= PIECE:
            self._transport.write(head + body)
        else:
            self._transport.write(head)
            self._upload = self._loop.create_task(self._send(response, body))
        return response

    def resume(self) -> None:
        """The reader has caught up."""
        if not self._reading:
            self._reading = True
            self._limit(self._timeouts.idle)
            self._transport.resume_reading()

    def rest(self, seconds: float) -> None:
        """Idle from now on, and closed after `seconds` of it."""
        self._limit(seconds)

    def abort(self) -> None:
        """Closes the connection at once; the caller has ended the exchange."""
        self._response = None
        self._close()

    def _finish(self, reusable: bool) -> None:
        response, self._response = self._response, None
        if reusable and self._upload is None:
            self._settled(self, True)
        else:
            self._close()
        if response is not None:
            response._end(None)

    def _fail(self, error: BaseException) -> None:
        response, self._response = self._response, None
        self._close()
        if response is not None:
            response._end(error)

    def _close(self) -> None:
        if self.closed:
            return
        self.closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._upload is not None:
            self._upload.cancel()
            self._upload = None
        self._transport.abort()
        self._settled(self, False)

    # The request's body, when it is long

    async def _send(self, response: Response, body: bytes | BodySource) -> None:
        try:
            if isinstance(body, bytes):
                view = memoryview(body)
                for start in range(0, len(body), PIECE):
                    await self._write(response, view[start : start + PIECE])
            else:
                await self._write_all(response, body)
        except Exception as error:
            if self._response is response:
                self._fail(error)
        else:
            self._upload = None

    async def _write_all(self, response: Response, body: BodySource) -> None:
        left = body.length
        async with aclosing(body.__aiter__()) as pieces:
            async for piece in pieces:
                left -= len(piece)
                if left < 0:
                    break
                await self._write(response, piece)
        if left:
            raise ValueError("a request body is not as long as it said")

    async def _write(self, response: Response, piece: bytes | memoryview) -> None:
        self._transport.write(piece)
        if self._writable:
            await asyncio.sleep(0)
        else:
            self._drained = self._loop.create_future()
            await self._drained
        if self._reading:
            self._limit(self._timeouts.idle if response.status else self._timeouts.first_byte)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        response = self._response
        if response is None:
            self._close()
            return
        self._overhead += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._surplus = True
            if not self._ended and self._refusal is None:
                self._refusal = f"sent something that is not HTTP/1.1: {str(error).lower()}"
        if self._refusal is None and self._overhead > HEAD_LIMIT and not self._ended:
            self._refusal = f"sent more than {HEAD_LIMIT} bytes of head"
        if self._refusal is not None:
            self._fail(InvalidResponseError(f"{self._peer} {self._refusal}"))
        elif self._ended:
            self._finish(self._keep_alive and not self._surplus)
        elif response.status:
            if response._held < HIGH_WATER:
                self._limit(self._timeouts.idle)
            elif self._reading:
                self._reading = False
                self._deadline = math.inf
                self._transport.pause_reading()
            response._arrived()

    def eof_received(self) -> None:
        self.connection_lost(None)

    def connection_lost(self, exc: Exception | None) -> None:
        response = self._response
        if exc is not None and response is not None and not response.status:
            if unread := _unread(self._transport):
                self.data_received(unread)
            response = self._response
        if response is None:
            self._close()
        elif response.until_close and exc is None:
            self._finish(False)
        else:
            self._fail(self._cut(response))

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    # httptools; an exception here would be lost, hence `_refusal`

    def on_message_begin(self) -> None:
        if self._ended:
            self._surplus = True

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        headers, self._headers = self._headers, []
        response = self._response
        if self._surplus or self._refusal is not None or response is None:
            return
        status = self._parser.get_status_code()
        if 100 <= status < 200 and status != 101:
            return
        try:
            length, until_close = body_length(status, headers)
        except ValueError as error:
            self._refusal = str(error)
            return
        if self._overhead > HEAD_LIMIT and sum(len(n) + len(v) + 4 for n, v in headers) > HEAD_LIMIT:
            self._refusal = f"sent more than {HEAD_LIMIT} bytes of head"
            return
        response.status = status
        response.headers = headers
        response.content_length = length
        response.until_close = until_close
        if self._bodiless:
            self._ended = True
            self._keep_alive = False
        if status >= 400 and self._upload is not None:
            self._upload.cancel()

    def on_body(self, body: bytes) -> None:
        response = self._response
        if self._ended or response is None:
            self._surplus = True
        else:
            self._overhead = 0
            response._pieces.append(body)
            response._held += len(body)

    def on_message_complete(self) -> None:
        response = self._response
        if response is not None and not response.status:
            self._limit(self._timeouts.first_byte)
        elif not self._ended:
            self._ended = True
            self._keep_alive = self._parser.should_keep_alive()

    # Limits

    def _limit(self, seconds: float) -> None:
        deadline = self._deadline = self._loop.time() + seconds
        if deadline < self._due:
            self._watch(deadline)

    def _watch(self, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._due = deadline
        self._timer = self._loop.call_at(deadline, self._look)

    def _look(self) -> None:
        self._timer = None
        self._due = math.inf
        response = self._response
        if self._loop.time() < self._deadline:
            if self._deadline != math.inf:
                self._watch(self._deadline)
        elif response is None:
            self._close()
        elif response.status:
            self._fail(IdleTimeoutError(f"{self._peer} sent nothing for {self._timeouts.idle:g} s"))
        else:
            self._fail(
                FirstByteTimeoutError(f"{self._peer} did not answer within {self._timeouts.first_byte:g} s")
            )

    def _cut(self, response: Response) -> UpstreamCutError:
        head_received = response.status != 0
        when = "in the middle of" if head_received else "before"
        return UpstreamCutError(
            f"{self._peer} closed the connection {when} its answer",
            head_received=head_received,
            silent=self._overhead == 0 and not head_received,
        )


def _unread(transport: asyncio.Transport) -> bytes:
    """What came on a connection before the write to it that failed: a machine that refuses a body early
    may answer and reset at once."""
    if transport.get_extra_info("ssl_object") is not None:
        return b""
    try:
        with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as sock:
            return sock.recv(PIECE, socket.MSG_DONTWAIT)
    except OSError:
        return b""
