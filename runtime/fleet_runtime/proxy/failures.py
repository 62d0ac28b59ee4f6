"""Error responses for failures of a provider."""

from __future__ import annotations

from typing import Final

from fleet_runtime.errors import ErrorResponse, request_error
from fleet_runtime.proxy.request_record import RequestRecord
from fleet_runtime.upstream import ConnectError, FirstByteTimeoutError, IdleTimeoutError, UpstreamError

STOPPING: Final = ErrorResponse("gateway_stopping", "the gateway is stopping")
FAILED: Final = ErrorResponse("internal_error", "internal error in the gateway; see its log")


def upstream_failure(record: RequestRecord, error: UpstreamError) -> ErrorResponse:
    """Record why a response is missing or incomplete, and return the error for it."""
    record.end_reason = error.reason
    whom = _provider(record)
    if isinstance(error, ConnectError):
        return request_error("provider_unreachable", f"{whom} cannot be reached: {error}").answer
    if isinstance(error, FirstByteTimeoutError | IdleTimeoutError):
        return request_error("upstream_timeout", f"{whom} did not respond in time: {error}").answer
    return request_error("upstream_error", f"{whom} failed: {error}").answer


def redirection(record: RequestRecord, status: int, location: bytes | None) -> ErrorResponse:
    where = f" to '{location.decode('latin-1')}'" if location else ""
    message = f"{_provider(record)} redirects ({status}){where}, which is not followed"
    return request_error("upstream_redirect", message).answer


def silent_error(record: RequestRecord, status: int) -> ErrorResponse:
    """Return the error for a failure status with an empty body."""
    return ErrorResponse("upstream_error", f"{_provider(record)} returned {status} with an empty body")


def not_a_stream(record: RequestRecord, what: str) -> ErrorResponse:
    """Return the error for a response that cannot continue an event stream."""
    return ErrorResponse("upstream_error", f"{_provider(record)} sent {what} instead of an event stream")


def unreadable_error(record: RequestRecord, status: int, encoding: str) -> ErrorResponse:
    """Return the error for a response with a compressed body."""
    message = f"{_provider(record)} returned {status} with a body compressed with '{encoding}'"
    return ErrorResponse("upstream_error", message)


def _provider(record: RequestRecord) -> str:
    server = "the sidecar of " if record.via == "sidecar" else ""
    model = f" (model '{record.model}')" if record.model else ""
    return f"{server}provider '{record.provider}'{model}"
