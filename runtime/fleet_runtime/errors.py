"""Errors of the gateway: one table of codes, three shapes of body.

The body is OpenAI's ``{"error": {"message", "type", "code", "param"}}``, on the Messages API Anthropic's
``{"type": "error", "error": {"type", "message", "code"}}``, and on Ollama's API ``{"error": message}``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import msgspec

Headers = list[tuple[bytes, bytes]]
ErrorShape: TypeAlias = Literal["openai", "anthropic", "ollama"]
"""The API whose clients must understand the body of an error."""


class ErrorKind(NamedTuple):
    """The HTTP status of a code, OpenAI's `type` and Anthropic's `type`."""

    status: int
    type: str
    anthropic: str


ERROR_KINDS: Final = MappingProxyType(
    {
        "bad_request": ErrorKind(400, "invalid_request_error", "invalid_request_error"),
        "invalid_request": ErrorKind(400, "invalid_request_error", "invalid_request_error"),
        "invalid_json": ErrorKind(400, "invalid_request_error", "invalid_request_error"),
        "invalid_multipart": ErrorKind(400, "invalid_request_error", "invalid_request_error"),
        "model_required": ErrorKind(400, "invalid_request_error", "invalid_request_error"),
        "unauthorized": ErrorKind(401, "authentication_error", "authentication_error"),
        "surface_not_allowed": ErrorKind(403, "permission_error", "permission_error"),
        "forbidden_host": ErrorKind(403, "permission_error", "permission_error"),
        "forbidden_origin": ErrorKind(403, "permission_error", "permission_error"),
        "model_not_found": ErrorKind(404, "invalid_request_error", "not_found_error"),
        "not_found": ErrorKind(404, "invalid_request_error", "not_found_error"),
        "method_not_allowed": ErrorKind(405, "invalid_request_error", "invalid_request_error"),
        "snapshot_refused": ErrorKind(409, "invalid_request_error", "invalid_request_error"),
        "model_asleep": ErrorKind(409, "invalid_request_error", "invalid_request_error"),
        "not_supported": ErrorKind(409, "invalid_request_error", "invalid_request_error"),
        "requests_running": ErrorKind(409, "invalid_request_error", "invalid_request_error"),
        "request_cancelled": ErrorKind(409, "invalid_request_error", "invalid_request_error"),
        "version_conflict": ErrorKind(412, "invalid_request_error", "invalid_request_error"),
        "body_too_large": ErrorKind(413, "invalid_request_error", "request_too_large"),
        "json_required": ErrorKind(415, "invalid_request_error", "invalid_request_error"),
        "too_many_requests": ErrorKind(429, "rate_limit_error", "rate_limit_error"),
        "version_required": ErrorKind(428, "invalid_request_error", "invalid_request_error"),
        "head_too_large": ErrorKind(431, "invalid_request_error", "invalid_request_error"),
        "internal_error": ErrorKind(500, "server_error", "api_error"),
        "not_implemented": ErrorKind(501, "invalid_request_error", "invalid_request_error"),
        "upstream_error": ErrorKind(502, "server_error", "api_error"),
        "upstream_redirect": ErrorKind(502, "server_error", "api_error"),
        "provider_unreachable": ErrorKind(503, "server_error", "api_error"),
        "provider_disabled": ErrorKind(503, "server_error", "api_error"),
        "gateway_busy": ErrorKind(503, "server_error", "overloaded_error"),
        "gateway_stopping": ErrorKind(503, "server_error", "overloaded_error"),
        "store_unavailable": ErrorKind(503, "server_error", "api_error"),
        "upstream_timeout": ErrorKind(504, "server_error", "timeout_error"),
        "loop_detected": ErrorKind(508, "server_error", "api_error"),
    }
)


NO_RETRY: Final = ((b"x-should-retry", b"false"),)
"""Makes the SDKs of OpenAI and Anthropic not retry. Claude Code 2.1 retries silently for 70 seconds
after a 401 or 403 without it, and after an `overloaded_error` even with it: hence the `api_error` above."""
GIVE_UP: Final = (*NO_RETRY, (b"retry-after-ms", b"100"))
"""For offline providers, which rarely return while a client waits: opencode always retries five times, and
without the second header that takes over a minute."""

ADVICE: Final = MappingProxyType(
    {
        "provider_unreachable": GIVE_UP,
        "provider_disabled": GIVE_UP,
        "unauthorized": NO_RETRY,
        "surface_not_allowed": NO_RETRY,
        "forbidden_host": NO_RETRY,
        "forbidden_origin": NO_RETRY,
        "request_cancelled": NO_RETRY,
        "loop_detected": NO_RETRY,
    }
)


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """An error of the gateway, ready to be sent to a client."""

    code: str
    message: str
    param: str | None = None
    headers: Sequence[tuple[bytes, bytes]] = ()

    @property
    def status(self) -> int:
        return ERROR_KINDS[self.code].status

    def body(self, shape: ErrorShape = "openai") -> bytes:
        if shape == "ollama":
            return msgspec.json.encode({"error": self.message})
        made = anthropic_body if shape == "anthropic" else error_body
        return msgspec.json.encode(made(self.code, self.message, self.param))

    def event(self, shape: ErrorShape = "openai") -> bytes:
        """Return the server-sent event of this error in a response that has begun, after a blank line that
        ends an incomplete event."""
        name = b"event: error\n" if shape == "anthropic" else b""
        return b"\n\n" + name + b"data: " + self.body(shape) + b"\n\n"


def malformed_head(message: str) -> ErrorResponse:
    """Return the error for ambiguous or invalid headers."""
    return ErrorResponse("bad_request", message)


def head_too_large(limit: int) -> ErrorResponse:
    return ErrorResponse("head_too_large", f"the request line and headers are larger than {limit} bytes")


class RequestError(Exception):
    """Raised for a request whose response is an error of the gateway."""

    def __init__(self, answer: ErrorResponse) -> None:
        super().__init__(answer.message)
        self.answer = answer


def request_error(
    code: str, message: str, param: str | None = None, headers: Sequence[tuple[bytes, bytes]] = ()
) -> RequestError:
    return RequestError(ErrorResponse(code, _printable(message), param, (*headers, *ADVICE.get(code, ()))))


def error_body(code: str, message: str, param: str | None = None) -> dict[str, Any]:
    """Return an error in OpenAI's shape, as plain data."""
    return {"error": {"message": message, "type": ERROR_KINDS[code].type, "code": code, "param": param}}


def anthropic_body(code: str, message: str, param: str | None = None) -> dict[str, Any]:
    """Return an error in Anthropic's shape, as plain data; `code` and `param` are additions."""
    error = {"type": ERROR_KINDS[code].anthropic, "message": message, "code": code, "param": param}
    return {"type": "error", "error": error}


def suggest(message: str, suggestions: Sequence[str]) -> str:
    """Return the message with suggestions."""
    if not suggestions:
        return message
    return f"{message}; did you mean {', '.join(repr_name(name) for name in suggestions)}?"


def repr_name(name: str) -> str:
    return f"'{name}'"


def _printable(message: str) -> str:
    """Return `message` with lone surrogates, which UTF-8 cannot encode, replaced."""
    return message.encode("utf-8", "replace").decode()
