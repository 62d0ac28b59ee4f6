"""What the gateway itself has to say when a request fails: one table of codes, two shapes of body.

The body is OpenAI's ``{"error": {"message", "type", "code", "param"}}``, and on the Messages API
Anthropic's ``{"type": "error", "error": {"type", "message", "code"}}``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import msgspec

Headers = list[tuple[bytes, bytes]]


class Fault(NamedTuple):
    """How one code is told: the HTTP status, OpenAI's `type`, Anthropic's `type`."""

    status: int
    type: str
    anthropic: str


FAULTS: Final = MappingProxyType(
    {
        "bad_request": Fault(400, "invalid_request_error", "invalid_request_error"),
        "invalid_request": Fault(400, "invalid_request_error", "invalid_request_error"),
        "invalid_json": Fault(400, "invalid_request_error", "invalid_request_error"),
        "invalid_multipart": Fault(400, "invalid_request_error", "invalid_request_error"),
        "model_required": Fault(400, "invalid_request_error", "invalid_request_error"),
        "unauthorized": Fault(401, "authentication_error", "authentication_error"),
        "surface_not_allowed": Fault(403, "permission_error", "permission_error"),
        "forbidden_host": Fault(403, "permission_error", "permission_error"),
        "forbidden_origin": Fault(403, "permission_error", "permission_error"),
        "model_not_found": Fault(404, "invalid_request_error", "not_found_error"),
        "not_found": Fault(404, "invalid_request_error", "not_found_error"),
        "method_not_allowed": Fault(405, "invalid_request_error", "invalid_request_error"),
        "snapshot_refused": Fault(409, "invalid_request_error", "invalid_request_error"),
        "version_conflict": Fault(412, "invalid_request_error", "invalid_request_error"),
        "body_too_large": Fault(413, "invalid_request_error", "request_too_large"),
        "too_many_requests": Fault(429, "rate_limit_error", "rate_limit_error"),
        "version_required": Fault(428, "invalid_request_error", "invalid_request_error"),
        "head_too_large": Fault(431, "invalid_request_error", "invalid_request_error"),
        "internal_error": Fault(500, "server_error", "api_error"),
        "upstream_error": Fault(502, "server_error", "api_error"),
        "upstream_redirect": Fault(502, "server_error", "api_error"),
        "provider_unreachable": Fault(503, "server_error", "overloaded_error"),
        "provider_disabled": Fault(503, "server_error", "overloaded_error"),
        "gateway_stopping": Fault(503, "server_error", "overloaded_error"),
        "store_unavailable": Fault(503, "server_error", "api_error"),
        "upstream_timeout": Fault(504, "server_error", "timeout_error"),
    }
)


GIVE_UP: Final = ((b"x-should-retry", b"false"), (b"retry-after-ms", b"100"))
"""A machine that is away is not back within a client's patience. The SDKs of OpenAI and Anthropic then do not
try again (the first); opencode always tries five times more, without this for over a minute (the second)."""

ADVICE: Final = MappingProxyType({"provider_unreachable": GIVE_UP, "provider_disabled": GIVE_UP})


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """An error of the gateway's own, ready to be told to a client."""

    code: str
    message: str
    param: str | None = None
    headers: Sequence[tuple[bytes, bytes]] = ()

    @property
    def status(self) -> int:
        return FAULTS[self.code].status

    def body(self, anthropic: bool = False) -> bytes:
        shape = anthropic_body if anthropic else error_body
        return msgspec.json.encode(shape(self.code, self.message, self.param))

    def event(self, anthropic: bool = False) -> bytes:
        """The server-sent event that tells this error inside an answer that has begun, after a blank line
        that ends whatever event was cut."""
        name = b"event: error\n" if anthropic else b""
        return b"\n\n" + name + b"data: " + self.body(anthropic) + b"\n\n"


def malformed_head(message: str) -> ErrorAnswer:
    """The head of a request cannot be read in one way only."""
    return ErrorAnswer("bad_request", message)


def head_too_large(limit: int) -> ErrorAnswer:
    return ErrorAnswer("head_too_large", f"the head of the request is larger than {limit} bytes")


class Refused(Exception):
    """A request that is answered with an error of the gateway's own."""

    def __init__(self, answer: ErrorAnswer) -> None:
        super().__init__(answer.message)
        self.answer = answer


def refused(
    code: str, message: str, param: str | None = None, headers: Sequence[tuple[bytes, bytes]] = ()
) -> Refused:
    return Refused(ErrorAnswer(code, _printable(message), param, (*headers, *ADVICE.get(code, ()))))


def error_body(code: str, message: str, param: str | None = None) -> dict[str, Any]:
    """OpenAI's shape, as plain data."""
    return {"error": {"message": message, "type": FAULTS[code].type, "code": code, "param": param}}


def anthropic_body(code: str, message: str, param: str | None = None) -> dict[str, Any]:
    """Anthropic's shape, as plain data; `code` and `param` are ours."""
    error = {"type": FAULTS[code].anthropic, "message": message, "code": code, "param": param}
    return {"type": "error", "error": error}


def suggest(message: str, suggestions: Sequence[str]) -> str:
    """The message with what may have been meant."""
    if not suggestions:
        return message
    return f"{message}; did you mean {', '.join(repr_name(name) for name in suggestions)}?"


def repr_name(name: str) -> str:
    return f"'{name}'"


def _printable(message: str) -> str:
    """`message` with what cannot be encoded as UTF-8 (lone surrogates) replaced."""
    return message.encode("utf-8", "replace").decode()
