"""Errors of an exchange with an upstream: one class per end reason."""

from __future__ import annotations

from typing import ClassVar, Literal

from fleet_runtime.dialects.status_reason import StatusReason, reason_text

Reason = Literal["connect_failed", "first_byte_timeout", "idle_timeout", "upstream_cut", "upstream_error"]


class UpstreamError(Exception):
    """The base of all below. The message names the address and contains nothing of the request, so it may be
    shown to a client."""

    reason: ClassVar[Reason]


class ConnectError(UpstreamError):
    """No connection within the connect limit: name, route, port, handshake or certificate. Nothing of the
    request was sent. `cause` is the reason, also for the provider's status."""

    reason = "connect_failed"

    def __init__(self, address: str, cause: StatusReason) -> None:
        super().__init__(f"cannot connect to {address}: {reason_text(cause)}")
        self.cause = cause


class FirstByteTimeoutError(UpstreamError):
    """The request was sent and its response headers did not arrive in time, or the provider stopped reading
    its body."""

    reason = "first_byte_timeout"


class IdleTimeoutError(UpstreamError):
    """The response began and then nothing more arrived within the idle limit."""

    reason = "idle_timeout"


class UpstreamCutError(UpstreamError):
    """The connection ended before the response did.

    `head_received`: the response headers had arrived. `silent`: no byte of the response had arrived.
    """

    reason = "upstream_cut"

    def __init__(self, message: str, *, head_received: bool, silent: bool) -> None:
        super().__init__(message)
        self.head_received = head_received
        self.silent = silent


class InvalidResponseError(UpstreamError):
    """The response is not valid HTTP/1.1, contradicts itself, or is larger than allowed."""

    reason = "upstream_error"


class ResponseTooLargeError(InvalidResponseError):
    """A response is larger than its reader allows."""
