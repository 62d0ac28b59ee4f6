"""An error as the event of a stream that has begun, in the shape of each API. Pure.

OpenAI's chat and completions API: ``data: {"error": …}``. Its Responses API: ``event: error`` with ``code``,
``message``, ``param`` and ``sequence_number`` at the top, and an ``error`` again, where its SDKs look.
Anthropic's Messages API: ``event: error`` with ``{"type": "error", "error": …}``.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

EventShape = Literal["openai", "responses", "anthropic"]

MAX_TEXT: Final = 2_000
"""The maximum length of a message made from a body that is not an error of one of these APIs."""

_TYPES: Final = {
    400: ("invalid_request_error", "invalid_request_error"),
    401: ("authentication_error", "authentication_error"),
    403: ("permission_error", "permission_error"),
    404: ("invalid_request_error", "not_found_error"),
    413: ("invalid_request_error", "request_too_large"),
    429: ("rate_limit_error", "rate_limit_error"),
    503: ("server_error", "overloaded_error"),
}
_OTHERS: Final = (("invalid_request_error", "invalid_request_error"), ("server_error", "api_error"))


def error_event(shape: EventShape, status: int, body: bytes) -> bytes:
    """Return the event for a response. It contains the status, and the members of the error if the body is an
    error of one of these APIs, otherwise the body as `body`."""
    parsed = _parse(body)
    error = _error(parsed, body, status)
    if shape == "anthropic":
        is_anthropics = isinstance(parsed, dict) and parsed.get("type") == "error"
        error["type"] = error["type"] if is_anthropics else _types(status)[1]
        return _event("error", {"type": "error", "error": error})
    error.setdefault("code", None)
    error.setdefault("param", None)
    if shape == "openai":
        return _event(None, {"error": error})
    code = None if error["code"] is None else str(error["code"])
    top = {"type": "error", "code": code, "message": error["message"], "param": error["param"]}
    return _event("error", {**top, "sequence_number": 0, "error": error})


def _parse(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "replace")


def _error(parsed: Any, body: bytes, status: int) -> dict[str, Any]:
    """Return the members of the error in a body, at least `message`, `type` and `status`."""
    error = parsed.get("error") if isinstance(parsed, dict) else None
    found: dict[str, Any] = {"message": None, "type": _types(status)[0]}
    if isinstance(error, dict):
        found |= error
    else:
        found["body"] = parsed
        found["message"] = error
    if not isinstance(found["message"], str):
        text = body.decode("utf-8", "replace").strip()[:MAX_TEXT]
        found["message"] = text or f"the provider returned {status} with an empty body"
    return found | {"status": status}


def _types(status: int) -> tuple[str, str]:
    return _TYPES.get(status, _OTHERS[status >= 500])


def _event(name: str | None, data: dict[str, Any]) -> bytes:
    head = b"" if name is None else b"event: %b\n" % name.encode()
    return head + b"data: " + msgspec.json.encode(data) + b"\n\n"
