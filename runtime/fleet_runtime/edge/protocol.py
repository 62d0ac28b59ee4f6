"""uvicorn's HTTP protocol with limits on what it takes and waits for, and a word when a client goes.

Written for uvicorn 0.54, whose `HttpToolsProtocol` has no limit on a head's size or time, takes two
Host headers or none, and never tells a running app that its client has gone.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import unquote

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from fleet_runtime.edge.app import CLIENT
from fleet_runtime.edge.cycle import Cycle
from fleet_runtime.errors import ErrorResponse, head_too_large, malformed_head

HEAD_SECONDS: Final = 10.0
"""From the first byte of a request's head (or the connection's opening) to its end."""
BODY_SECONDS: Final = 30.0
"""Between two pieces of a request's body."""
DRAIN_SECONDS: Final = 10.0
"""For the rest of a body whose request was answered before it was whole."""
LINGER_SECONDS: Final = 2.0
"""For a refused client to read why, before the connection is closed under it."""

_READ: Final = frozenset((b"host", b"transfer-encoding", b"expect"))


class InvalidHeadError(Exception):
    """A request's head is refused."""

    def __init__(self, answer: ErrorResponse) -> None:
        super().__init__(answer.message)
        self.answer = answer


class EdgeProtocol(HttpToolsProtocol):
    """One connection of a client. It is the `Client` of the requests that come on it.

    `head_limit` is asked at each request. One timer watches the connection: `_deadline` moves as things
    happen, the timer looks at it when it comes due.
    """

    cycle: Cycle | None  # type: ignore[assignment]
    pipeline: deque[Cycle]  # type: ignore[assignment]

    head_seconds = HEAD_SECONDS
    body_seconds = BODY_SECONDS
    drain_seconds = DRAIN_SECONDS
    linger_seconds = LINGER_SECONDS

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.lost = False
        self._on_gone: Callable[[], object] | None = None
        self._running: Cycle | None = None
        self._extensions = {CLIENT: self}
        self._in_head = False
        self._in_body = False
        self._offered = False
        self._draining = False
        self._refused = False
        self._head_size = 0
        self._piece = 0
        self._bad_head: InvalidHeadError | None = None
        self._deadline = math.inf
        self._timer: asyncio.TimerHandle | None = None

    def head_limit(self) -> int:
        """Bytes that a request's head may have."""
        return 65_536

    def when_gone(self, callback: Callable[[], object] | None) -> None:
        """`callback` is called once, when the client goes; None takes it back."""
        if callback is not None and self.lost:
            callback()
        else:
            self._on_gone = callback

    def pass_on(self, piece: bytes) -> bool:
        """Send the next piece of the answer that runs; whether the client takes another one at once."""
        if self._running is not None:
            self._running.pass_on(piece)
        return not self.flow.write_paused

    # the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        self._within(self.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self.connections.discard(self)
        self._forget()
        self.flow.resume_writing()
        self.transport.close()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        began = not self._in_body
        self._piece = len(data)
        try:
            self._feed(data)
        except httptools.HttpParserError:
            self._refuse(
                self._bad_head.answer if self._bad_head else malformed_head("the request is not HTTP/1.1")
            )
            return
        if self._in_head:
            self._head_size += len(data) if began else 0
            if self._head_size > self.head_limit():
                self._refuse(head_too_large(self.head_limit()))
            elif self._deadline == math.inf:
                self._within(self.head_seconds)
        elif self._in_body:
            if not self._draining:
                self._within(self.body_seconds)
        elif self.cycle is None or self.cycle.response_complete:
            self._within(self.head_seconds)
        else:
            self._deadline = math.inf

    # the parser

    def _feed(self, data: bytes) -> None:
        """Parse `data`. An offer to upgrade is not taken (RFC 9110, 7.8): the parser, which stops at one and
        would lose the body, reads the same head once more without it."""
        while True:
            try:
                self.parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as offer:
                if self._bad_head is not None:
                    raise httptools.HttpParserError from None
                self._offered = False
                version = self.parser.get_http_version().encode()
                line = b"%s %s HTTP/%s\r\n" % (self.parser.get_method(), self.url, version)
                fields = [b"%s: %s\r\n" % header for header in self.headers if header[0] != b"upgrade"]
                data = line + b"".join(fields) + b"\r\n" + data[offer.args[0] :]
                self.parser = httptools.HttpRequestParser(self)
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)

    def on_message_begin(self) -> None:
        self.url = b""
        self.headers = []
        self._continues = False
        self._in_head = True
        self._head_size = 0
        self._deadline = math.inf

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._in_head = False
        fault = self._head_fault()
        if fault is not None:
            self._bad_head = InvalidHeadError(fault)
            raise self._bad_head
        if self.parser.should_upgrade():
            self._offered = True
            return
        self._in_body = True
        self._begin()

    def on_body(self, body: bytes) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.feed(body)

    def on_message_complete(self) -> None:
        if self._offered:
            return
        self._in_body = False
        self._draining = False
        if self.cycle is not None:
            self.cycle.end_body()

    def _head_fault(self) -> ErrorResponse | None:
        """What is wrong with a head that the parser took."""
        version = self.parser.get_http_version()
        hosts = 0
        for name, value in self.headers:
            if name not in _READ:
                continue
            if name == b"host":
                hosts += 1
            elif name == b"expect":
                self._continues = value.lower() == b"100-continue"
            elif value.lower() != b"chunked" or version == "1.0":
                return malformed_head("the only transfer encoding is 'chunked', on HTTP/1.1")
        if version not in ("1.1", "1.0"):
            return malformed_head(f"HTTP/{version} is not spoken here")
        if hosts != 1:
            return malformed_head(f"a request has one Host header, not {hosts}")
        if self.parser.get_method() == b"CONNECT":
            return malformed_head("CONNECT is not spoken here")
        if not self.url.startswith(b"/"):
            return malformed_head("the target of a request begins with '/'")
        if self._head_size + self._piece > self.head_limit():
            size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if size > self.head_limit():
                return head_too_large(self.head_limit())
        return None

    # the request that runs

    def _begin(self) -> None:
        """A request whose head is here is answered, after those that came before it on this connection."""
        path, _, query = self.url.partition(b"?")
        decoded = path.decode("ascii")
        scope = {
            "type": "http",
            "asgi": {"version": self.asgi_version, "spec_version": "2.3"},
            "http_version": self.parser.get_http_version(),
            "method": self.parser.get_method().decode("ascii"),
            "scheme": self.scheme,
            "path": unquote(decoded) if "%" in decoded else decoded,
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": self.headers,
            "client": self.client,
            "server": self.server,
            "state": self.app_state.copy(),
            "extensions": self._extensions,
        }
        keep_alive = scope["http_version"] == "1.1" and self.parser.should_keep_alive()
        before = self.cycle
        cycle = self.cycle = Cycle(
            scope,
            self.transport,
            self.flow,
            self.on_response_complete,
            keep_alive=keep_alive,
            continues=self._continues,
        )
        if before is None or before.response_complete:
            self._run(cycle)
        else:
            self.flow.pause_reading()
            self.pipeline.append(cycle)

    def _run(self, cycle: Cycle) -> None:
        self._running = cycle
        task = self.loop.create_task(cycle.run(self.app))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._run(self.pipeline.popleft())
        elif self._in_body:
            self._draining = True
            self._within(self.drain_seconds)
        elif not self._in_head:
            self._within(self.timeout_keep_alive)

    def _forget(self) -> None:
        """Tell the app that the client has gone."""
        self.lost = True
        running = self._running
        if running is not None and not running.response_complete:
            running.disconnect()
        callback, self._on_gone = self._on_gone, None
        if callback is not None:
            callback()

    def _refuse(self, answer: ErrorResponse) -> None:
        """Answer what cannot be read as a request, and close; never in the middle of another answer."""
        self._refused = True
        self._in_head = self._in_body = False
        midway = self._running is not None and self._running.response_started
        midway = midway and not self._running.response_complete  # type: ignore[union-attr]
        self._forget()
        self.pipeline.clear()
        if midway or self.transport.is_closing():
            self.transport.close()
            return
        body = answer.body()
        self.transport.write(
            b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\n" % (answer.status, _PHRASES[answer.status])
            + b"content-length: %d\r\nconnection: close\r\n\r\n%s" % (len(body), body)
        )
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
            self._within(self.linger_seconds)
        else:
            self.transport.close()

    # time

    def _within(self, seconds: float) -> None:
        """The connection is closed unless something moves the deadline before `seconds` have passed."""
        self._deadline = self.loop.time() + seconds
        if self._timer is None or self._timer.when() > self._deadline:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self.loop.call_at(self._deadline, self._due)

    def _due(self) -> None:
        self._timer = None
        if self._deadline == math.inf or self.transport.is_closing():
            return
        if self.flow.read_paused:
            self._deadline = self.loop.time() + self.body_seconds
        if self.loop.time() < self._deadline:
            self._timer = self.loop.call_at(self._deadline, self._due)
        else:
            self.transport.close()


_PHRASES: Final = {400: b"Bad Request", 431: b"Request Header Fields Too Large"}


def edge_protocol(head_limit: Callable[[], int]) -> type[EdgeProtocol]:
    """The protocol class for ``uvicorn.Config(http=…)``, with the limit that is in force at each request."""

    class ConfiguredEdgeProtocol(EdgeProtocol):
        def head_limit(self) -> int:
            return head_limit()

    return ConfiguredEdgeProtocol
