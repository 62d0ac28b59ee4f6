"""One connection to a provider: sends one request at a time, and delivers its response as it arrives.

Theory of operation. A connection is in one of the states of `ConnectionState`. `start` writes a request and
makes it SENT, the response headers make it RECEIVING, the response's end IDLE if both sides may continue,
else CLOSED, as does everything else that ends an exchange: an error, a limit, `abort`. The `Receiver` gets
the bytes of one read in one call, and is notified of the end exactly once; by then the connection is free.

A long request body is written by a task, `_upload`, so that a response is read while the body is sent.
`_deadline` moves with everything that happens; the one timer only checks it when it comes due, and is set
again only for an earlier deadline.
"""

from __future__ import annotations

import asyncio
import math
import os
import socket
from collections.abc import Callable
from contextlib import aclosing
from contextvars import Context
from enum import Enum
from typing import cast

from fleet_runtime.artifacts.contract import Timeouts
from fleet_runtime.upstream.errors import (
    FirstByteTimeoutError,
    IdleTimeoutError,
    InvalidResponseError,
    UpstreamCutError,
)
from fleet_runtime.upstream.receiver import Framing, Receiver
from fleet_runtime.upstream.request_body import COPIED, PIECE, Body, body_pieces, body_size
from fleet_runtime.upstream.response_heads import ResponseHeads
from fleet_runtime.upstream.response_parser import ResponseParser


class ConnectionState(Enum):
    IDLE = "idle"
    SENT = "sent"
    """A request was sent or is being sent, and no final head has arrived."""
    RECEIVING = "receiving"
    CLOSED = "closed"


IDLE, SENT, RECEIVING, CLOSED = ConnectionState
_CONTEXT = Context()
"""For the timers: a copy for each would be one more object that the collector of garbage goes through."""


class Connection(asyncio.Protocol):
    """`settled` is called with True when the connection can be used again after an exchange, and once with
    False when it has closed."""

    __slots__ = (
        "_deadline",
        "_drained",
        "_due",
        "_idle_seconds",
        "_loop",
        "_parser",
        "_peer",
        "_reading",
        "_receiver",
        "_settled",
        "_state",
        "_timeouts",
        "_timer",
        "_transport",
        "_upload",
        "_writable",
    )

    def __init__(self, peer: str, settled: Callable[[Connection, bool], None], heads: ResponseHeads) -> None:
        self._state = IDLE
        self._peer = peer
        self._settled = settled
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._parser = ResponseParser(heads)
        self._receiver: Receiver | None = None
        self._timeouts = Timeouts()
        self._idle_seconds = math.inf
        self._reading = True
        self._upload: asyncio.Task[None] | None = None
        self._writable = True
        self._drained: asyncio.Future[None] | None = None
        self._deadline = math.inf
        self._due = math.inf
        self._timer: asyncio.TimerHandle | None = None

    @property
    def closed(self) -> bool:
        return self._state is CLOSED

    # An exchange: `start` begins it; `_finish`, `_fail` or `abort` ends it.

    def start(
        self, head: bytes, body: Body, receiver: Receiver, timeouts: Timeouts, *, bodiless: bool = False
    ) -> None:
        """Send a request; its response goes to `receiver`. `bodiless`: it is a HEAD, whose response has no
        body."""
        self._parser.begin(bodiless=bodiless)
        if self._state is CLOSED:
            receiver.on_error(self._cut())
            return
        self._state = SENT
        self._receiver = receiver
        self._timeouts = timeouts
        self._limit(timeouts.first_byte)
        if isinstance(body, bytes) and len(body) <= COPIED:
            self._transport.write(head + body)
        elif isinstance(body, bytes | tuple) and body_size(body) <= PIECE:
            self._transport.writelines((head, body) if isinstance(body, bytes) else (head, *body))
        else:
            self._transport.write(head)
            self._upload = self._loop.create_task(self._send(receiver, body))

    def pause_reading(self) -> None:
        """Pause reading for the receiver; the idle limit is suspended meanwhile."""
        if self._reading and self._state is RECEIVING:
            self._reading = False
            self._deadline = math.inf
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if not self._reading:
            self._reading = True
            if self._state is not CLOSED:
                self._limit(self._timeouts.idle)
                self._transport.resume_reading()

    def rest(self, seconds: float) -> None:
        """Mark the connection as idle, and close it after `seconds`."""
        self._limit(seconds)

    def abort(self) -> None:
        """Close the connection at once; the receiver is not called any more."""
        self._receiver = None
        self._close()

    def _finish(self, reusable: bool) -> None:
        """Finish a complete response; the caller notifies the receiver."""
        self._receiver = None
        if not self._reading:
            self.resume_reading()
        if reusable and self._upload is None:
            self._state = IDLE
            self._parser.forget()
            self._settled(self, True)
        else:
            self._close()

    def _fail(self, error: BaseException) -> None:
        receiver, self._receiver = self._receiver, None
        self._close()
        if receiver is not None:
            receiver.on_error(error)

    def _close(self) -> None:
        if self._state is CLOSED:
            return
        self._state = CLOSED
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._upload is not None:
            self._upload.cancel()
            self._upload = None
        self._transport.abort()
        self._settled(self, False)

    # The request's body, when it is long

    async def _send(self, receiver: Receiver, body: Body) -> None:
        try:
            async with aclosing(body_pieces(body)) as pieces:
                async for piece in pieces:
                    await self._write(piece)
        except Exception as error:
            if self._receiver is receiver:
                self._fail(error)
        else:
            self._upload = None

    async def _write(self, piece: bytes | memoryview) -> None:
        self._transport.write(piece)
        if self._writable:
            await asyncio.sleep(0)
        else:
            self._drained = self._loop.create_future()
            await self._drained
        if self._reading:
            self._limit(self._timeouts.first_byte if self._state is SENT else self._timeouts.idle)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        receiver, parser = self._receiver, self._parser
        if receiver is None:
            self._close()
            return
        body = parser.feed(data)
        head = parser.head
        if head is None:
            if parser.refusal is not None:
                self._fail(InvalidResponseError(f"{self._peer} {parser.refusal}"))
            elif parser.interim:
                self._limit(self._timeouts.first_byte)
            return
        first = self._state is SENT
        if first:
            self._state = RECEIVING
            if head.status >= 400 and self._upload is not None:
                self._upload.cancel()  # an error is final: the rest of the request's body is not sent
        ended = parser.ended and parser.refusal is None
        if ended:
            self._finish(parser.reusable)
        elif first:
            self._idle_seconds = self._timeouts.idle
            self._limit(self._idle_seconds)
        elif self._reading:  # the timer is set for an earlier deadline, or for this one
            self._deadline = self._loop.time() + self._idle_seconds
        if first:
            receiver.on_head(head, body, ended)
        elif body or ended:
            receiver.on_data(body, ended)
        if parser.refusal is not None and self._receiver is receiver:
            self._fail(InvalidResponseError(f"{self._peer} {parser.refusal}"))

    def eof_received(self) -> None:
        self.connection_lost(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None and self._state is SENT and (unread := _unread(self._transport)):
            self.data_received(unread)
        receiver, head = self._receiver, self._parser.head
        if receiver is None:
            self._close()
        elif head is not None and head.shape.framing is Framing.CLOSE and exc is None:
            self._finish(False)
            receiver.on_data(b"", True)
        else:
            self._fail(self._cut())

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    # Limits

    def _limit(self, seconds: float) -> None:
        deadline = self._deadline = self._loop.time() + seconds
        if deadline < self._due:
            self._watch(deadline)

    def _watch(self, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._due = deadline
        self._timer = self._loop.call_at(deadline, self._look, context=_CONTEXT)

    def _look(self) -> None:
        self._timer = None
        self._due = math.inf
        if self._loop.time() < self._deadline:
            if self._deadline != math.inf:
                self._watch(self._deadline)
        elif self._state is IDLE:
            self._close()
        elif self._state is SENT:
            seconds = self._timeouts.first_byte
            self._fail(FirstByteTimeoutError(f"{self._peer} did not respond within {seconds:g} s"))
        else:
            self._fail(IdleTimeoutError(f"{self._peer} sent nothing for {self._timeouts.idle:g} s"))

    def _cut(self) -> UpstreamCutError:
        head_received = self._parser.head is not None
        when = "in the middle of" if head_received else "before"
        return UpstreamCutError(
            f"{self._peer} closed the connection {when} its response",
            head_received=head_received,
            silent=not self._parser.received,
        )


def _unread(transport: asyncio.Transport) -> bytes:
    """Return the bytes received before a failed write: a provider that rejects a body early may respond and
    reset at once."""
    if transport.get_extra_info("ssl_object") is not None:
        return b""
    try:
        with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as sock:
            return sock.recv(PIECE, socket.MSG_DONTWAIT)
    except OSError:
        return b""
