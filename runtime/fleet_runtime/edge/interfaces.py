"""Interfaces of the edge: shared state of connections, and request handlers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from fleet_runtime.edge.head_memo import Admission
from fleet_runtime.edge.response_writer import ResponseWriter
from fleet_runtime.errors import ErrorResponse
from fleet_runtime.proxy.exchange import Exchange
from fleet_runtime.proxy.request_head import RequestHead


class Arrival(msgspec.Struct):
    """A head that has come, and how long its body is. `admission`: what it leads to is known from before;
    `key` is the one under which it can be remembered, None if it cannot."""

    head: RequestHead
    content_length: int
    key: bytes | None
    admission: Admission | None


@dataclass(frozen=True, slots=True)
class PageResponse:
    """A response with a part of a page; `block` is its header lines, each with its line break."""

    status: int
    block: bytes
    body: bytes


class RequestHandler(Protocol):
    """The handler of one request."""

    def on_body(self, piece: bytes) -> None: ...

    def on_body_end(self) -> None: ...

    def on_invalid(self, error: ErrorResponse) -> None:
        """The rest of the request cannot be read: respond with `error` if no response has begun."""

    def on_gone(self) -> None:
        """The client is gone."""

    def on_slow(self) -> None:
        """The client does not read what was sent."""

    def on_ready(self) -> None:
        """The client reads on."""

    def stop(self) -> None:
        """End the request now, if need be without a complete response."""


class OpenConnection(Protocol):
    """A client's connection, as the server sees it."""

    @property
    def handler(self) -> RequestHandler | None:
        """The handler of the request that waits for its response."""

    def stop_accepting(self) -> None:
        """Close as soon as no request runs here."""

    def stop(self) -> None:
        """End the request that runs."""

    def abort(self) -> None: ...


@dataclass(slots=True)
class TimeLimits:
    """Seconds. `head`: from its first byte (or the connection's opening) to its end. `body`: between two
    chunks. `drain`: for the rest of a body that is not needed. `linger`: for a rejected client to read why.
    `idle`: between two requests."""

    head: float = 10.0
    body: float = 30.0
    drain: float = 10.0
    linger: float = 2.0
    idle: float = 75.0


@dataclass(slots=True)
class Edge:
    """`read` makes an arrival of a complete head, or raises `InvalidHeadError`. `begin` finds a handler for
    it, or responds at once and returns None; it never raises. `head_limit` and `stall_seconds` are called
    whenever they are needed, because a reload may change them.
    """

    read: Callable[[bytes], Arrival]
    begin: Callable[[Arrival, ResponseWriter], RequestHandler | None]
    head_limit: Callable[[], int]
    stall_seconds: Callable[[], float]
    limits: TimeLimits = field(default_factory=TimeLimits)
    connections: set[OpenConnection] = field(default_factory=set)

    def exchanges(self) -> list[Exchange]:
        """Return the inference requests that run now; a handler that translates has its own in `exchange`."""
        handlers = [connection.handler for connection in self.connections]
        running = [getattr(handler, "exchange", handler) for handler in handlers]
        return [exchange for exchange in running if isinstance(exchange, Exchange)]
