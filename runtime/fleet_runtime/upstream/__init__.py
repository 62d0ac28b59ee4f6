"""The HTTP/1.1 client through which the gateway reaches a provider (RFC 9110, RFC 9112)."""

from fleet_runtime.upstream.client import Upstream
from fleet_runtime.upstream.errors import (
    ConnectError,
    FirstByteTimeoutError,
    IdleTimeoutError,
    InvalidResponseError,
    ResponseTooLargeError,
    UpstreamCutError,
    UpstreamError,
)
from fleet_runtime.upstream.response import BodySource, Response

__all__ = [
    "BodySource",
    "ConnectError",
    "FirstByteTimeoutError",
    "IdleTimeoutError",
    "InvalidResponseError",
    "Response",
    "ResponseTooLargeError",
    "Upstream",
    "UpstreamCutError",
    "UpstreamError",
]
