"""Forward a provider's response to the client."""

from __future__ import annotations

import time
from typing import Final

from fleet_runtime.errors import ErrorResponse
from fleet_runtime.proxy.failures import redirection, silent_error, upstream_failure
from fleet_runtime.proxy.request_context import RequestContext
from fleet_runtime.proxy.request_record import KEPT_BYTES, SHORT
from fleet_runtime.proxy.response_head import Field, forwarded_head
from fleet_runtime.upstream import ResponseHead, UpstreamError
from fleet_runtime.upstream.receiver import Framing, Header

_REDIRECTS: Final = frozenset((301, 302, 303, 307, 308))
CLOSE: Final = Framing.CLOSE
_LOADING_RETRY: Final = b"retry-after: 5\r\n"


class Relay:
    """One response: its head determines `status`, `is_stream` and `refusal` (why it is not forwarded)."""

    __slots__ = (
        "_context",
        "_forwarded",
        "_head",
        "_is_readable",
        "_record",
        "_sink",
        "is_stream",
        "refusal",
        "status",
    )

    def __init__(self, context: RequestContext, head: ResponseHead, known: dict[Header, Field]) -> None:
        self._context = context
        self._head = head
        forwarded = self._forwarded = forwarded_head(head, known)
        self._is_readable = not forwarded.is_encoded
        self._record = context.record
        self._sink = context.sink
        self.status = head.status
        self.is_stream = forwarded.is_stream
        self.refusal: ErrorResponse | None = None
        if head.status in _REDIRECTS:
            context.record.end_reason = "upstream_error"
            self.refusal = redirection(context.record, head.status, forwarded.location)

    def empty_error(self) -> ErrorResponse | None:
        """Return the error for a failure with an empty body; None for other responses."""
        if self.status < 500:
            return None
        self._context.record.end_reason = "upstream_error"
        return silent_error(self._context.record, self.status)

    def start(self, data: bytes, ended: bool) -> None:
        """Forward the head, with the gateway's headers, and the first bytes of the body."""
        context, head, forwarded = self._context, self._head, self._forwarded
        record = context.record
        extra = b""
        if head.status == 503 and b"Loading model" in data and forwarded.retry_after is None:
            extra = _LOADING_RETRY
        record.status = head.status
        timing = record.start_response()
        record.streamed = forwarded.is_stream
        if data:
            record.first_byte_at = record.response_started_at
            record.bytes_out = len(data)
            if not forwarded.is_encoded:
                record.keep_chunk(data)
        block = b"%b%b%bx-request-id: %b\r\n%bserver-timing: %b\r\n" % (
            forwarded.with_length(head.content_length),
            extra,
            context.cors,
            context.request_id,
            context.named,
            timing,
        )
        closes = head.shape.framing is CLOSE
        context.sink.start(head.status, block, head.content_length, data, ended, closes=closes)

    def write(self, data: bytes, ended: bool) -> None:
        """Forward the next bytes of the body."""
        if data:
            record = self._record
            record.bytes_out += len(data)
            if record.first_byte_at is None:
                record.first_byte_at = time.perf_counter()
            if self._is_readable:
                if record.last_chunk and SHORT <= len(data) <= KEPT_BYTES:  # as `keep_chunk`, without a call
                    record.chunk_before, record.last_chunk = record.last_chunk, data
                else:
                    record.keep_chunk(data)
        self._sink.write(data, ended)

    def cut(self, error: UpstreamError) -> None:
        """End an incomplete response; on an uncompressed event stream, send an error event first."""
        context = self._context
        answer = upstream_failure(context.record, error)
        context.record.code = answer.code
        if self.is_stream and not self._forwarded.is_encoded and self._head.content_length is None:
            event = answer.event(context.error_shape)
            context.record.bytes_out += len(event)
            context.sink.write(event, False)
        context.sink.cut()
