"""Errors of an exchange with an upstream: one class per end reason."""

from __future__ import annotations

from typing import ClassVar, Literal

from fleet_runtime.dialects.status_reason import StatusReason, reason_text

Reason = Literal["connect_failed", "first_byte_timeout", "idle_timeout", "upstream_cut", "upstream_error"]


class UpstreamError(Exception):
    """The base of all below. The message names the address and holds nothing of the request: it may be
    shown to a client."""

    reason: ClassVar[Reason]


class ConnectError(UpstreamError):
    """No connection within the connect limit: name, route, port, handshake or certificate. Nothing of the
    request was sent. `cause` says why; it is the provider's reason too."""

    reason = "connect_failed"

    def __init__(self, address: str, cause: StatusReason) -> None:
        super().__init__(f"cannot connect to {address}: {reason_text(cause)}")
        self.cause = cause


class FirstByteTimeoutError(UpstreamError):
    """The request was sent and its response headers did not arrive in time, or the provider stopped taking
    its body."""

    reason = "first_byte_timeout"


class IdleTimeoutError(UpstreamError):
    """The response began and then nothing more arrived within the idle limit."""

    reason = "idle_timeout"


class UpstreamCutError(UpstreamError):
    """The connection ended before the response did.

    `head_received`: the response headers had arrived. `silent`: not one byte of the response had.
    """

    reason = "upstream_cut"

    def __init__(self, message: str, *, head_received: bool, silent: bool) -> None:
        super().__init__(message)
        self.head_received = head_received
        self.silent = silent


class InvalidResponseError(UpstreamError):
    """What arrived is not an HTTP/1.1 response, contradicts itself, or is larger than allowed."""

    reason = "upstream_error"


class ResponseTooLargeError(InvalidResponseError):
    """A response that was to be read at once is larger than its reader takes."""
