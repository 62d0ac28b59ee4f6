"""Send comments to a waiting client of an event stream until the response headers arrive.

Theory of operation. Proxies and browsers close a connection without traffic after a minute, and loading a
model can take longer. On a surface with `keepalive`, the sink of a request for an event stream is wrapped. If
no response headers arrive in time, the sink begins the response with 200 and a comment, and repeats the
comment at the same interval. When the exchange then starts its response as usual:

- an event stream continues after the comments, without its head;
- everything else (an error of the provider or of the gateway, a response that is not an event stream) is
  buffered until it is complete and becomes one error event, and the connection is aborted: the status is
  already sent, so only the missing end shows on the level of HTTP that the response failed.
"""

from __future__ import annotations

import asyncio
from enum import Enum
from typing import Final

from fleet_runtime.proxy.error_event import EventShape, error_event
from fleet_runtime.proxy.failures import not_a_stream, unreadable_error
from fleet_runtime.proxy.incoming_body import RequestBody
from fleet_runtime.proxy.request_context import RequestContext
from fleet_runtime.proxy.request_record import RequestRecord

COMMENT: Final = b": keepalive\n\n"
MAX_HELD: Final = 64 * 1024
"""The maximum bytes of an error's body in the event."""

_HEAD: Final = b"content-type: text/event-stream\r\ncache-control: no-cache\r\nx-accel-buffering: no\r\n"


def keep_alive(context: RequestContext, body: RequestBody, seconds: float) -> None:
    """Send comments to the client of a request for an event stream; call once per request.

    The request to the provider then excludes compression. HTTP/1.0 clients get no comments, because they do
    not support chunked coding.
    """
    route = context.route
    if isinstance(context.sink, KeepaliveSink) or not body.streams or not context.head.http11:
        return
    assert route is not None
    assert route.endpoint.events is not None
    sink, finished = context.sink, context.finished
    waiting = KeepaliveSink(context, route.endpoint.events, seconds)

    def finish(record: RequestRecord) -> None:
        waiting.stop()
        context.sink, context.finished = sink, finished
        finished(record)

    context.head = context.head.wanting_plain()
    context.sink, context.finished = waiting, finish


class Phase(Enum):
    WAITING = "waiting"
    """Nothing is sent."""
    KEPT_ALIVE = "kept alive"
    """Comments have been sent, with the head of a response."""
    HOLDING = "holding"
    """The exchange is sending an error, which is buffered."""
    FORWARDING = "forwarding"
    """The exchange's response is forwarded."""
    OVER = "over"


class KeepaliveSink:
    """The client's side of one response; see `ResponseSink`."""

    __slots__ = (
        "_context",
        "_held",
        "_instead",
        "_phase",
        "_seconds",
        "_shape",
        "_sink",
        "_status",
        "_timer",
    )

    def __init__(self, context: RequestContext, shape: EventShape, seconds: float) -> None:
        self._context = context
        self._sink = context.sink
        self._shape = shape
        self._seconds = seconds
        self._phase = Phase.WAITING
        self._status = 0
        self._held = bytearray()
        self._instead: tuple[int, bytes] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._wait()

    def respond(self, status: int, block: bytes, body: bytes) -> None:
        self.stop()
        if self._phase is Phase.WAITING:
            self._phase = Phase.FORWARDING
            self._sink.respond(status, block, body)
        else:
            self._fail(status, body)

    def start(
        self, status: int, block: bytes, length: int | None, data: bytes, ended: bool, *, closes: bool = False
    ) -> None:
        self.stop()
        if self._phase is Phase.WAITING:
            self._phase = Phase.FORWARDING
            self._sink.start(status, block, length, data, ended, closes=closes)
            return
        self._instead = self._error_instead(status, block)
        if self._instead is None and status < 300:
            self._phase = Phase.FORWARDING
            if data or ended:
                self._sink.write(data, ended)
        else:
            self._phase, self._status = Phase.HOLDING, status
            self.write(data, ended)

    def write(self, data: bytes, ended: bool) -> None:
        if self._phase is Phase.FORWARDING:
            self._sink.write(data, ended)
        elif self._phase is Phase.HOLDING:
            self._held += data[: MAX_HELD - len(self._held)]
            if ended:
                self._fail_as_held()

    def cut(self) -> None:
        if self._phase is Phase.HOLDING:
            self._fail_as_held()
        else:
            self._sink.cut()

    def close_after(self) -> None:
        self._sink.close_after()

    def stop(self) -> None:
        """Send no further comment."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._due)

    def _due(self) -> None:
        """Send a comment, unless the response's headers have arrived and can still be used."""
        self._timer = None
        context = self._context
        if self._phase is Phase.KEPT_ALIVE:
            self._sink.write(COMMENT, False)
        elif context.record.headers_at is None:
            self._phase = Phase.KEPT_ALIVE
            block = _HEAD + context.common_block + context.named
            self._sink.start(200, block, None, COMMENT, False)
        else:
            return
        self._wait()

    def _error_instead(self, status: int, block: bytes) -> tuple[int, bytes] | None:
        """Return status and body of an error to replace a response that cannot continue after the comments or
        be put into an event; None for other responses."""
        record = self._context.record
        kind, encoding = _value(block, "content-type"), _value(block, "content-encoding")
        is_encoded = encoding not in ("", "identity")
        if status < 300 and (is_encoded or not kind.lower().startswith("text/event-stream")):
            what = f"a body compressed with '{encoding}'" if is_encoded else f"'{kind}'"
            error = not_a_stream(record, what)
            record.code, record.end_reason = error.code, "upstream_error"
            return error.status, error.body()
        return (status, unreadable_error(record, status, encoding).body()) if is_encoded else None

    def _fail_as_held(self) -> None:
        status, body = self._instead or (self._status, bytes(self._held))
        self._fail(status, body)

    def _fail(self, status: int, body: bytes) -> None:
        """Send an error event, and close the connection without completing the response."""
        self._phase = Phase.OVER
        self._sink.write(error_event(self._shape, status, body), False)
        self._sink.cut()


def _value(block: bytes, name: str) -> str:
    """Return the value of a header in a block, empty without it."""
    _, found, rest = (b"\r\n" + block).partition(f"\r\n{name}: ".encode())
    return rest.partition(b"\r\n")[0].strip().decode("latin-1") if found else ""
