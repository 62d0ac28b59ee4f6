"""One connection of a client: its bytes become requests, one at a time.

Theory of operation. A connection is in one of the states of `ConnectionState`:

    HEAD       between two requests, or a head is arriving
    BODY       a head has arrived, its body is arriving
    WAITING    the request is complete, its response is not; received bytes are kept unparsed
    DRAINING   the response is complete, the request is not; the rest of its body is dropped
    LINGERING  received bytes are dropped; the client gets time to read the error, then the connection closes
    CLOSED

`RequestHead` parses complete heads. Bodies are counted (`Content-Length`) or decoded by `ChunkedBody`. The
`RequestHandler` of the request gets the body as it arrives, and is notified when the client disconnects,
stops reading, or reads again; its response is sent through `_writer`, which notifies this connection of its
end. A pipelined request is not read before the previous response is complete, nor while the client does not
read its responses.

Every state except WAITING has a time limit. Events move `_deadline`; the only timer checks it when it
expires. `StallWatch` handles clients that do not read.
"""

from __future__ import annotations

import asyncio
import math
from enum import Enum
from typing import Final, cast

from fleet_runtime.chunked_body import ChunkedBody, InvalidChunkError, OverheadError
from fleet_runtime.edge.interfaces import Arrival, Edge, RequestHandler
from fleet_runtime.edge.response_writer import ResponseWriter
from fleet_runtime.edge.stall_watch import StallWatch
from fleet_runtime.errors import ErrorResponse, head_too_large, malformed_head
from fleet_runtime.proxy.request_head import InvalidHeadError, check_beginning

HIGH_WATER: Final = 65_536
"""Bytes of pipelined requests that are kept before reading from the client pauses."""


class ConnectionState(Enum):
    HEAD = "head"
    BODY = "body"
    WAITING = "waiting"
    DRAINING = "draining"
    LINGERING = "lingering"
    CLOSED = "closed"


HEAD, BODY, WAITING, DRAINING, LINGERING, CLOSED = ConnectionState


class ClientConnection(asyncio.Protocol):
    """A client connection, driven by its transport and by the responses to its requests."""

    __slots__ = (
        "_chunked",
        "_deadline",
        "_edge",
        "_handler",
        "_kept",
        "_left",
        "_loop",
        "_slow",
        "_stall",
        "_state",
        "_stopping",
        "_timer",
        "_transport",
        "_writer",
    )

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self._loop = asyncio.get_running_loop()
        self._state = HEAD
        self._handler: RequestHandler | None = None
        self._kept = bytearray()
        self._left = 0
        self._chunked: ChunkedBody | None = None
        self._slow = False
        self._stopping = False
        self._deadline = math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport
        self._writer: ResponseWriter
        self._stall: StallWatch

    @property
    def handler(self) -> RequestHandler | None:
        """Return the handler of the request whose response is pending."""
        return self._handler

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._writer = ResponseWriter(self._transport, self._response_done)
        self._stall = StallWatch(self._transport, self._transport.abort)
        self._edge.connections.add(self)
        self._within(self._edge.limits.head)

    def data_received(self, data: bytes) -> None:
        state = self._state
        if state is not LINGERING and state is not CLOSED:
            self._advance(data)

    def eof_received(self) -> None:
        """Treat the end of the client's sending side as a disconnect: that is how Stop buttons close a
        connection."""
        self._gone()

    def connection_lost(self, exc: Exception | None) -> None:
        self._state = CLOSED
        self._edge.connections.discard(self)
        self._stall.stop()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._gone()

    def pause_writing(self) -> None:
        self._slow = True
        self._stall.start(self._edge.stall_seconds())
        if self._handler is not None:
            self._handler.on_slow()

    def resume_writing(self) -> None:
        self._slow = False
        self._stall.stop()
        if self._handler is not None:
            self._handler.on_ready()
        elif self._kept:
            self._take_kept()

    # From bytes to requests

    def _advance(self, data: bytes) -> None:
        """Process the received bytes until they are used up, or a response is pending."""
        try:
            while data:
                state = self._state
                if state is BODY or state is DRAINING:
                    data = self._take_body(data)
                elif state is HEAD and not self._slow:
                    data = self._take_head(data)
                else:
                    self._keep(data)
                    return
        except InvalidHeadError as error:
            self._reject(error.error)
        except InvalidChunkError as error:
            self._reject(malformed_head(f"the chunked body is malformed: {error}"))
        except OverheadError:
            self._reject(head_too_large(self._edge.head_limit()))

    def _take_head(self, data: bytes) -> bytes:
        """Begin a request if its headers are complete; return the bytes after them."""
        kept = self._kept
        if kept:
            data = bytes(kept) + data
            kept.clear()
        while data.startswith(b"\r\n"):  # empty lines before a request are skipped (RFC 9112, 2.2)
            data = data[2:]
            self._hasten(self._edge.limits.head)
        limit = self._edge.head_limit()
        end = data.find(b"\r\n\r\n")
        if end < 0:
            kept += data
            if data:
                self._hasten(self._edge.limits.head)
            check_beginning(data, limit)
            return b""
        if end + 4 > limit:
            raise InvalidHeadError(head_too_large(limit))
        arrival = self._edge.read(data[:end])
        rest = data[end + 4 :]
        self._begin(arrival, bool(rest))
        return rest

    def _begin(self, arrival: Arrival, more: bool) -> None:
        head = arrival.head
        self._left = arrival.content_length
        has_body = self._left > 0 or head.chunked
        self._chunked = ChunkedBody(self._edge.head_limit()) if head.chunked else None
        self._state = BODY if has_body else WAITING
        self._deadline = math.inf
        self._writer.expect(head)
        if self._stopping:
            self._writer.close_after()
        handler = self._handler = self._edge.begin(arrival, self._writer)
        if handler is None:
            return
        if not has_body:
            handler.on_body_end()
        elif not more:
            self._within(self._edge.limits.body)
            if head.expects_continue:
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _take_body(self, data: bytes) -> bytes:
        """Forward the bytes of the body; return the bytes after it."""
        rest, chunked = b"", self._chunked
        if chunked is not None:
            data, rest = chunked.feed(data)
            ended = chunked.done
        else:
            left = self._left - len(data)
            if left < 0:
                data, rest, left = data[:left], data[left:], 0
            self._left = left
            ended = not left
        handler = self._handler
        if handler is not None and data:
            handler.on_body(data)
        if self._state is BODY:
            if not ended:
                self._within(self._edge.limits.body)
            else:
                self._state = WAITING
                self._deadline = math.inf
                if handler is not None:
                    handler.on_body_end()
        elif self._state is DRAINING and ended:
            self._next()
        return rest

    def _keep(self, data: bytes) -> None:
        """Keep the bytes of pipelined requests."""
        if self._state is WAITING or self._state is HEAD:
            self._kept += data
            if len(self._kept) > HIGH_WATER:
                self._transport.pause_reading()

    def _take_kept(self) -> None:
        if self._state is HEAD and not self._slow and self._kept:
            kept = bytes(self._kept)
            self._kept.clear()
            self._transport.resume_reading()
            self._advance(kept)

    # Ends of requests and of the connection

    def _response_done(self) -> None:
        """Continue after the end of a response, complete or cut."""
        self._handler = None
        if self._state is CLOSED:
            return
        if self._writer.was_cut:  # some clients drop what they have not processed when a connection ends
            self._state = LINGERING
            self._within(self._edge.limits.cut)
        elif not self._writer.keep_alive:
            self._close(linger=self._state is BODY)
        elif self._state is BODY:
            self._state = DRAINING
            self._within(self._edge.limits.drain)
        elif self._state is WAITING:
            self._next()

    def _next(self) -> None:
        """Prepare for the next request."""
        if self._stopping or not self._writer.keep_alive:
            self._close()
            return
        self._state = HEAD
        self._within(self._edge.limits.idle)
        if self._kept:  # after the handler of the last request has tidied up
            self._loop.call_soon(self._take_kept)

    def _reject(self, error: ErrorResponse) -> None:
        """Respond to an invalid request, and close."""
        handler, writer = self._handler, self._writer
        if self._state is HEAD:
            self._state = BODY
            writer.expect_last()
            writer.respond(error.status, b"content-type: application/json\r\n", error.body())
        elif handler is not None:
            writer.close_after()
            handler.on_invalid(error)
        if self._state is BODY or self._state is DRAINING:
            self._close(linger=True)

    def _close(self, *, linger: bool = False) -> None:
        """Close when everything is sent. `linger`: the client may still be sending, and a reset would destroy
        what it has not read yet (RFC 9112, 9.6)."""
        self._kept.clear()
        if self._transport.is_closing():
            return
        if self._transport.get_write_buffer_size():
            self._stall.start(self._edge.stall_seconds())
        if linger and self._transport.can_write_eof():
            self._state = LINGERING
            self._transport.write_eof()
            self._within(self._edge.limits.linger)
        else:
            self._state = CLOSED
            self._transport.close()

    def _gone(self) -> None:
        """The client has disconnected, or takes too long."""
        handler, self._handler = self._handler, None
        if handler is not None:
            handler.on_gone()
        if self._state is not CLOSED:
            self._close()

    # What the server asks for when it stops

    def stop_accepting(self) -> None:
        """Close as soon as no request is running."""
        self._stopping = True
        if self._state is HEAD:
            self._close()
        elif not self._writer.started:
            self._writer.close_after()

    def stop(self) -> None:
        """End the running request."""
        if self._handler is not None:
            self._handler.stop()

    def abort(self) -> None:
        self._transport.abort()

    # Time

    def _hasten(self, seconds: float) -> None:
        """`_within`, unless the deadline is nearer anyway."""
        if self._loop.time() + seconds < self._deadline:
            self._within(seconds)

    def _within(self, seconds: float) -> None:
        """The connection is closed unless something moves the deadline before `seconds` have passed."""
        self._deadline = self._loop.time() + seconds
        if self._timer is None or self._timer.when() > self._deadline:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(self._deadline, self._due)

    def _due(self) -> None:
        self._timer = None
        if self._deadline == math.inf or self._state is CLOSED:
            return
        if self._loop.time() < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._due)
        else:
            self._gone()
