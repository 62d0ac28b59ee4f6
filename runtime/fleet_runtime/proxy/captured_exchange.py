"""An exchange that fills a capture while it forwards the bytes."""

from __future__ import annotations

from collections.abc import Callable

from fleet_runtime.proxy.capture import Capture, Captures
from fleet_runtime.proxy.exchange import Exchange
from fleet_runtime.proxy.request_context import RecordSink, RequestContext, ResponseSink
from fleet_runtime.proxy.request_plan import Plans
from fleet_runtime.proxy.request_record import RequestRecord
from fleet_runtime.upstream import Connection, ResponseHead
from fleet_runtime.upstream.request_body import body_size


def begin_capture(captures: Captures, context: RequestContext) -> Capture:
    """Return the capture of a request, which responses through its context fill from now on."""
    capture = captures.begin(context.head, context.record)
    context.sink = CapturingSink(context.sink, capture)
    context.finished = _finishing(capture, context.finished)
    return capture


class CapturedExchange(Exchange):
    """An exchange with a capture. `takes_body`: the request's body passes through the exchange."""

    __slots__ = ("_capture", "_takes_body")

    def __init__(
        self,
        context: RequestContext,
        plans: Plans,
        capture: Capture,
        *,
        takes_body: bool = True,
    ) -> None:
        super().__init__(context, plans)
        self._capture = capture
        self._takes_body = takes_body

    def on_body(self, piece: bytes) -> None:
        if self._takes_body:
            self._capture.request.add(piece)
        super().on_body(piece)

    def on_head(self, head: ResponseHead, data: bytes, ended: bool) -> None:
        self._capture.receive(head.status, head.headers)
        super().on_head(head, data, ended)

    def _send(self, connection: Connection) -> None:
        plan, body = self._plan, self._body
        assert plan is not None
        assert body is not None
        lines, payload = plan.request(self._context, body)
        secrets = plan.provider.credentials(anthropic=True)
        self._capture.send(lines, body_size(payload), secrets)
        super()._send(connection)


class CapturingSink:
    """Sends one response through `sink`, and copies it to a capture."""

    def __init__(self, sink: ResponseSink, capture: Capture) -> None:
        self._sink = sink
        self._capture = capture

    def respond(self, status: int, block: bytes, body: bytes) -> None:
        self._capture.respond(status, block + b"content-length: %d\r\n" % len(body))
        self._capture.response.add(body)
        self._sink.respond(status, block, body)

    def start(
        self, status: int, block: bytes, length: int | None, data: bytes, ended: bool, *, closes: bool = False
    ) -> None:
        self._capture.respond(status, block)
        self._capture.response.add(data)
        self._sink.start(status, block, length, data, ended, closes=closes)

    def write(self, data: bytes, ended: bool) -> None:
        self._capture.response.add(data)
        self._sink.write(data, ended)

    def cut(self) -> None:
        self._sink.cut()

    def close_after(self) -> None:
        self._sink.close_after()


def _finishing(capture: Capture, finished: RecordSink) -> Callable[[RequestRecord], object]:
    def finish(record: RequestRecord) -> None:
        capture.finish()
        finished(record)

    return finish
