"""A client for one upstream: a pool of idle connections, and sending requests."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Sequence

from fleet_runtime.artifacts.contract import Timeouts
from fleet_runtime.upstream.address import DEAD_AFTER, Address, HostResolver, system_names
from fleet_runtime.upstream.connection import Connection
from fleet_runtime.upstream.errors import UpstreamCutError
from fleet_runtime.upstream.request_body import Body, body_size
from fleet_runtime.upstream.response import Response
from fleet_runtime.upstream.response_heads import ResponseHeads

Headers = Sequence[tuple[bytes, bytes]]


class Upstream:
    """A client for the server at `url`, for use in one event loop.

    Idle connections are kept for `idle_seconds`, `max_idle` of them, and the last used is used next. Bytes
    are not changed: no proxy, no redirect, no cookie, no decompression. `host_header` and `prefix` (the path
    of `url`, without a slash at its end) are for callers, who build targets themselves. `heard_at`: when it
    last completed a response (monotonic seconds). `resolve` looks up the addresses of a name. A vanished peer
    is detected within `dead_after` seconds. ValueError for a `url` that is not
    ``http[s]://host[:port][/prefix]``.
    """

    def __init__(
        self,
        url: str,
        *,
        timeouts: Timeouts | None = None,
        verify: bool = True,
        ca_file: str | None = None,
        max_idle: int = 1024,
        idle_seconds: float = 15,
        resolve: HostResolver = system_names,
        dead_after: float = DEAD_AFTER,
    ) -> None:
        self.url = url
        self.timeouts = timeouts or Timeouts()
        self._address = Address(url, verify=verify, ca_file=ca_file, resolve=resolve, dead_after=dead_after)
        self.host_header = self._address.host_header
        self.prefix = self._address.prefix
        self._host_line = b"host: " + self.host_header
        self._heads = ResponseHeads()
        self._max_idle = max_idle
        self._idle_seconds = idle_seconds
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()
        self._closed = False
        self.heard_at = -math.inf

    def __repr__(self) -> str:
        idle = len(self._idle)
        return f"<Upstream {self.url}: {len(self._open) - idle} active, {idle} idle>"

    async def send(
        self,
        method: bytes,
        target: bytes,
        headers: Headers,
        body: Body = b"",
        *,
        timeouts: Timeouts | None = None,
    ) -> Response:
        """Send one request and return when the headers of its response have arrived.

        `target` is the path and query. `headers` are end-to-end ones only: Host and Content-Length are added
        here. A request whose *reused* connection ends before any byte of a response is sent once more, the
        same bytes, on a new connection. Raises an `UpstreamError`, or ValueError for a head that would hold
        more lines than it should; cancelling closes the connection at once.
        """
        limits = timeouts or self.timeouts
        head = self._head(method, target, headers, body_size(body))
        bodiless = method == b"HEAD"
        response = Response(self._address.text)
        connection = self.idle_connection()
        if connection is not None:
            response.expect(connection)
            connection.start(head, body, response, limits, bodiless=bodiless)
            try:
                await response.head()
                return response
            except UpstreamCutError as error:
                if not error.silent:
                    raise
            response.retried = True
        connection = await self.new_connection(limits.connect)
        response.expect(connection)
        connection.start(head, body, response, limits, bodiless=bodiless)
        await response.head()
        return response

    def idle_connection(self) -> Connection | None:
        """Return the most recently used idle connection, None if there is none. The caller must start a
        request on it in the same turn of the loop."""
        return self._idle.pop() if self._idle else None

    async def new_connection(self, seconds: float | None = None) -> Connection:
        """Connect within `seconds` (else the limit for it), and return the connection as `idle_connection`
        does; raises `ConnectError`."""
        seconds = self.timeouts.connect if seconds is None else seconds
        connection = await self._address.connect(self._connection, seconds)
        if not connection.closed:
            self._open.add(connection)
        return connection

    async def close(self) -> None:
        """Close idle connections at once, and busy ones when their request has ended. A request sent after
        this gets a separate connection."""
        self._closed = True
        for connection in list(self._idle):
            connection.abort()
        await asyncio.sleep(0)

    def _head(self, method: bytes, target: bytes, headers: Headers, length: int) -> bytes:
        lines = [b"%b %b HTTP/1.1" % (method, target), self._host_line]
        lines += map(b": ".join, headers)
        if length > 0 or method not in (b"GET", b"HEAD"):
            lines.append(b"content-length: %d" % length)
        lines.append(b"\r\n")
        head = b"\r\n".join(lines)
        if len(head.translate(None, b"\r\n\0")) != len(head) - 2 * len(lines) or b" " in target:
            raise ValueError("a request target or header contains characters that are not allowed")
        return head

    def _connection(self) -> Connection:
        return Connection(self._address.text, self._settle, self._heads)

    def _settle(self, connection: Connection, reusable: bool) -> None:
        if not reusable:
            self._open.discard(connection)
            if connection in self._idle:
                self._idle.remove(connection)
            return
        self.heard_at = time.monotonic()
        if self._closed or len(self._idle) >= self._max_idle:
            connection.abort()
        else:
            self._idle.append(connection)
            connection.rest(self._idle_seconds)
