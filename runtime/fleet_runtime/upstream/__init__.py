"""The HTTP/1.1 client through which the gateway reaches a provider (RFC 9110, RFC 9112)."""

from fleet_runtime.upstream.client import Upstream
from fleet_runtime.upstream.connection import Connection
from fleet_runtime.upstream.errors import (
    ConnectError,
    FirstByteTimeoutError,
    IdleTimeoutError,
    InvalidResponseError,
    ResponseTooLargeError,
    UpstreamCutError,
    UpstreamError,
)
from fleet_runtime.upstream.receiver import Receiver, ResponseHead
from fleet_runtime.upstream.request_body import BodySource
from fleet_runtime.upstream.response import Response

__all__ = [
    "BodySource",
    "ConnectError",
    "Connection",
    "FirstByteTimeoutError",
    "IdleTimeoutError",
    "InvalidResponseError",
    "Receiver",
    "Response",
    "ResponseHead",
    "ResponseTooLargeError",
    "Upstream",
    "UpstreamCutError",
    "UpstreamError",
]
