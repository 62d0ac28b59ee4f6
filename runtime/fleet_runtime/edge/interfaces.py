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
    """A received head, and the length of its body. `admission` is the cached result, None if there is none;
    `key` is its cache key, None if it cannot be cached."""

    head: RequestHead
    content_length: int
    key: bytes | None
    admission: Admission | None


@dataclass(frozen=True, slots=True)
class PageResponse:
    """A response with a file of the console; `block` is its header lines, each with its line break."""

    status: int
    block: bytes
    body: bytes


class RequestHandler(Protocol):
    """The handler of one request."""

    def on_body(self, piece: bytes) -> None: ...

    def on_body_end(self) -> None: ...

    def on_invalid(self, error: ErrorResponse) -> None:
        """The rest of the request is invalid: respond with `error` if no response has begun."""

    def on_gone(self) -> None:
        """The client has disconnected."""

    def on_slow(self) -> None:
        """The client has stopped reading."""

    def on_ready(self) -> None:
        """The client reads again."""

    def stop(self) -> None:
        """End the request now, even without a complete response."""


class OpenConnection(Protocol):
    """A client's connection, for the server."""

    @property
    def handler(self) -> RequestHandler | None:
        """Return the handler of the request whose response is pending."""

    def stop_accepting(self) -> None:
        """Close as soon as no request is running."""

    def stop(self) -> None:
        """End the running request."""

    def abort(self) -> None: ...


@dataclass(slots=True)
class TimeLimits:
    """Seconds. `head`: from its first byte (or the connection's opening) to its end. `body`: between two
    chunks. `drain`: for the rest of an unneeded body. `linger`: for a rejected client to read the error.
    `cut`: from the last bytes of an aborted response to the end of its connection. `idle`: between two
    requests."""

    head: float = 10.0
    body: float = 30.0
    drain: float = 10.0
    linger: float = 2.0
    cut: float = 0.25
    idle: float = 75.0


@dataclass(slots=True)
class Edge:
    """`read` parses a complete head, or raises `InvalidHeadError`. `begin` returns a handler for it, or
    responds at once and returns None; it never raises. `head_limit` and `stall_seconds` are called whenever
    needed, because a reload may change them.
    """

    read: Callable[[bytes], Arrival]
    begin: Callable[[Arrival, ResponseWriter], RequestHandler | None]
    head_limit: Callable[[], int]
    stall_seconds: Callable[[], float]
    limits: TimeLimits = field(default_factory=TimeLimits)
    connections: set[OpenConnection] = field(default_factory=set)

    def exchanges(self) -> list[Exchange]:
        """Return the running inference requests; a translating handler has its own in `exchange`."""
        handlers = [connection.handler for connection in self.connections]
        running = [getattr(handler, "exchange", handler) for handler in handlers]
        return [exchange for exchange in running if isinstance(exchange, Exchange)]
