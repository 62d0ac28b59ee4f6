"""The record of a finished request for log and metrics, without body and key."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field
from typing import Final, Literal

from fleet_runtime.artifacts.contract import ModelState, Via

EndReason = Literal[
    "ok",
    "client_gone",
    "upstream_cut",
    "upstream_error",
    "connect_failed",
    "first_byte_timeout",
    "idle_timeout",
    "refused",
    "cancelled",
]

next_number: Final = itertools.count(1).__next__

KEPT_BYTES: Final = 16_384
FIRST_BYTES: Final = 1_024
SHORT: Final = 64
"""The parts of a response that a record keeps for reading token counts: the first chunks, up to
`FIRST_BYTES`, and the last two after that, of each at most `KEPT_BYTES`. A chunk shorter than `SHORT` is
added to the previous one, up to `FIRST_BYTES`."""


@dataclass(slots=True)
class RequestRecord:
    """One request, filled in while it runs.

    `inference`: the request was for a provider, not for one of the gateway's own lists or its API. `status`
    is that of the response (0: none), `code` the code of an error of the gateway. `ok`: the provider's
    response was forwarded completely, whatever its status.

    Times are seconds of ``time.perf_counter``: `started_at` when the request's headers were read,
    `body_received_at` when its body was complete, `sent_at` when only the provider's response was pending,
    `headers_at` when its response headers arrived, `response_started_at` when they were forwarded,
    `first_byte_at` when the first byte of the body was, `finished_at` at the end. `gateway_seconds` and
    `upstream_seconds` are the gateway's and the provider's share of the time until the response headers were
    forwarded (None: nothing was sent to the provider). Neither includes the client's upload of the body.

    `state` is that of the model when the request was sent. `first_chunk`, `chunk_before` and
    `last_chunk` are the beginning and the end of the response's body until its token counts are read; of a
    compressed one, nothing is kept. `number` counts the inference requests of this process in the order in
    which they began (0: another request).
    """

    request_id: str
    surface: str | None
    endpoint: str
    requested: str | None = None
    provider: str | None = None
    model: str | None = None
    via: Via | None = None
    fallback: bool = False
    retried: bool = False
    status: int = 0
    code: str | None = None
    end_reason: EndReason = "ok"
    bytes_in: int = 0
    bytes_out: int = 0
    inference: bool = True
    started_at: float = field(default_factory=time.perf_counter)
    body_received_at: float | None = None
    sent_at: float | None = None
    headers_at: float | None = None
    response_started_at: float | None = None
    first_byte_at: float | None = None
    finished_at: float | None = None
    gateway_seconds: float | None = None
    upstream_seconds: float | None = None
    state: ModelState | None = None
    streamed: bool = False
    first_chunk: bytes = b""
    chunk_before: bytes = b""
    last_chunk: bytes = b""
    number: int = field(default_factory=next_number)
    key: str | None = None
    """The name of the gateway's key that the request came with."""

    def reject(self, status: int, code: str) -> None:
        """Record an error of the gateway; a known end reason is kept."""
        self.status = status
        self.code = code
        if self.end_reason == "ok":
            self.end_reason = "refused"

    def keep_chunk(self, data: bytes) -> None:
        """Keep the next bytes of the response, within the limits."""
        last = self.last_chunk
        if last and len(data) < SHORT and len(last) < FIRST_BYTES:
            self.last_chunk += data
        elif last:
            self.chunk_before, self.last_chunk = last, data[-KEPT_BYTES:]
        elif not self.first_chunk and len(data) <= KEPT_BYTES:
            self.first_chunk = data
        elif len(self.first_chunk) < FIRST_BYTES:
            self.first_chunk += data[:KEPT_BYTES]
            self.last_chunk = data[KEPT_BYTES:][-KEPT_BYTES:]
        else:
            self.last_chunk = data[-KEPT_BYTES:]

    @property
    def last_chunks(self) -> bytes:
        """The end of the response; empty if `first_chunk` is the complete response."""
        return self.chunk_before + self.last_chunk

    @property
    def kept_bytes(self) -> int:
        return len(self.first_chunk) + len(self.chunk_before) + len(self.last_chunk)

    def drop_chunks(self) -> None:
        self.first_chunk = self.chunk_before = self.last_chunk = b""

    def start_response(self) -> bytes:
        """Record that the response headers are forwarded now, which fixes both shares of the time; return
        these as the value of ``server-timing`` (W3C), in milliseconds."""
        response_started_at = self.response_started_at = time.perf_counter()
        body_received_at = self.body_received_at or self.started_at
        if self.sent_at is None:
            own = self.gateway_seconds = response_started_at - body_received_at
            return b"gateway;dur=%.3f" % (own * 1000)
        headers_at = self.headers_at or response_started_at
        own = self.gateway_seconds = self.sent_at - body_received_at + response_started_at - headers_at
        theirs = self.upstream_seconds = headers_at - self.sent_at
        return b"gateway;dur=%.3f, machine;dur=%.3f" % (own * 1000, theirs * 1000)
