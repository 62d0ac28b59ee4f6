"""The context of one request, and the only way to send its response."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Protocol

import msgspec

from fleet_runtime.artifacts.contract import GatewayConfig, Limits, ModelState, RoutingTable
from fleet_runtime.dialects.status_reason import StatusReason
from fleet_runtime.errors import ErrorResponse, ErrorShape
from fleet_runtime.providers.provider import Provider
from fleet_runtime.proxy.endpoints import Route
from fleet_runtime.proxy.memory_budget import MemoryBudget
from fleet_runtime.proxy.request_head import RequestHead, header_block
from fleet_runtime.proxy.request_record import RequestRecord
from fleet_runtime.routing.resolver import Resolution
from fleet_runtime.store.old_names import OldNameUses


class ModelResolver(Protocol):
    """The interface of the live fleet for the proxy. `version` changes whenever a resolution or a model's
    state may change."""

    @property
    def gateway(self) -> GatewayConfig: ...

    @property
    def limits(self) -> Limits: ...

    @property
    def providers(self) -> Mapping[str, Provider]: ...

    @property
    def version(self) -> int: ...

    @property
    def old_names(self) -> OldNameUses: ...

    def resolve_now(
        self,
        table: RoutingTable,
        text: str,
        *,
        pinned: str | None = None,
        falls_back: bool = False,
        unreachable: frozenset[str] = frozenset(),
    ) -> Resolution:
        """Resolve a name with the current state; `may_be_stale` means that a probe could change the
        result."""

    async def refresh(self, provider: str) -> None:
        """Wait for a new probe of a provider, up to the time limit of a request."""

    async def wake(self, provider: str) -> None:
        """Wake a provider and wait until it responds; raises `RequestError` with the outcome."""

    def mark_suspect(self, provider: str, reason: StatusReason) -> None: ...

    def mark_loaded(self, provider: str, model: str) -> None: ...

    def state(self, provider: str, model: str) -> ModelState: ...


class ResponseSink(Protocol):
    """The client's side of one response. Blocks are header lines, each with its line break."""

    def respond(self, status: int, block: bytes, body: bytes) -> None:
        """Send a complete response of the gateway; `content-length` is added."""

    def start(
        self, status: int, block: bytes, length: int | None, data: bytes, ended: bool, *, closes: bool = False
    ) -> None:
        """Send a head with the first bytes of the body, or all of it if `ended`. `length` is the body's
        length if the block declares it; `closes`: the end of the connection ends the body."""

    def write(self, data: bytes, ended: bool) -> None:
        """Send the next bytes of the body."""

    def cut(self) -> None:
        """Abort a response that has begun: close the connection without completing it."""

    def close_after(self) -> None:
        """Close the connection after the response, which has not begun."""


class RecordSink(Protocol):
    """Receives the record of each request once, when the request has ended."""

    def __call__(self, record: RequestRecord, /) -> object: ...


class RequestContext(msgspec.Struct):
    """`head` may be shared with other requests; `request_id` and `content_length` belong to this one. `cors`
    is the block of CORS headers for every response, `named` the block with provider and model once known;
    `route` is None for requests other than inference. `speaks_ollama`: the client expects the errors of
    Ollama's API.
    """

    fleet: ModelResolver
    head: RequestHead
    request_id: bytes
    content_length: int
    route: Route | None
    cors: bytes
    record: RequestRecord
    sink: ResponseSink
    finished: RecordSink
    memory: MemoryBudget
    named: bytes = b""
    speaks_ollama: bool = False

    @property
    def error_shape(self) -> ErrorShape:
        if self.route is not None:
            return self.route.error_shape
        return "ollama" if self.speaks_ollama else "openai"

    @property
    def common_block(self) -> bytes:
        """Return the headers of the gateway's own responses."""
        return self.cors + b"x-request-id: %b\r\n" % self.request_id

    def reject(self, error: ErrorResponse, status: int | None = None) -> None:
        """Send an error of the gateway, and finish."""
        status = status or error.status
        self.record.reject(status, error.code)
        block = b"content-type: application/json\r\n%b%b%b" % (
            header_block(error.headers),
            self.common_block,
            self.named,
        )
        if self.route is not None:
            block += b"server-timing: %b\r\n" % self.record.start_response()
        body = error.body(self.error_shape)
        self.record.bytes_out += len(body)
        self.sink.respond(status, block, body)
        self.finish()

    def respond(self, status: int, block: bytes, body: bytes) -> None:
        """Send a response of the gateway, and finish."""
        self.record.status = status
        self.record.bytes_out += len(body)
        self.sink.respond(status, block + self.common_block, body)
        self.finish()

    def finish(self) -> None:
        """Report the finished request."""
        self.record.finished_at = time.perf_counter()
        self.finished(self.record)
