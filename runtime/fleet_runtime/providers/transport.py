"""The gateway's transport for probes: one bounded request to a provider, over the gateway's own client."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from fleet_runtime import loop_guard
from fleet_runtime.artifacts.contract import Timeouts
from fleet_runtime.dialects.feed import Feed, FeedReader
from fleet_runtime.dialects.messages import ProbeRequest, ProbeResponse
from fleet_runtime.dialects.status_reason import ReasonCode, StatusReason
from fleet_runtime.providers.provider import Provider
from fleet_runtime.upstream import (
    ConnectError,
    FirstByteTimeoutError,
    IdleTimeoutError,
    ResponseTooLargeError,
    Upstream,
    UpstreamCutError,
    UpstreamError,
)
from fleet_runtime.upstream.time_limit import TimeLimit
from fleet_runtime.urls import parse_url

FEED_HEAD_SECONDS = 10.0
FEED_IDLE_SECONDS = 86_400.0
MAX_LIST_BYTES = 2_000_000


async def send_probe_request(provider: Provider, request: ProbeRequest, timeout: float) -> ProbeResponse:
    """Send one request of a probe; any failure, and no response within `timeout` seconds, results in a
    `ProbeResponse`."""
    config, path = provider.config, request.path
    target = (parse_url(config.api_base if request.api else config.url).path + path).encode()
    headers = _headers(b"application/json", provider)
    method, body = (b"GET", b"") if request.body is None else (b"POST", request.body)
    if request.body is not None:
        headers.append((b"content-type", b"application/json"))
    limits = _no_shorter(timeout)
    status = 0
    try:
        async with TimeLimit(timeout):
            response = await provider.upstream.send(method, target, headers, body, timeouts=limits)
            status = response.status
            if 300 <= status < 400:
                response.abort()
                return ProbeResponse(status, reason=StatusReason("redirected", path, status))
            fields = {
                name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers
            }
            return ProbeResponse(status, fields, await response.read(MAX_LIST_BYTES))
    except TimeoutError:
        code: ReasonCode = "incomplete_response" if status else "no_response"
        return ProbeResponse(status, reason=StatusReason(code, path, seconds=timeout))
    except ConnectError as error:
        return ProbeResponse(0, reason=error.cause)
    except UpstreamError as error:
        return ProbeResponse(status, reason=_failure(error, path, timeout))


async def follow_feed(provider: Provider, feed: Feed, news: Callable[[], None]) -> bool:
    """Call `news` whenever the provider's feed reports that a model changed, until the feed ends.

    Return False if the provider has no such feed. A dead feed that does not close is detected by probes,
    because a feed may be silent for hours.
    """
    upstream, connect = provider.upstream, provider.config.timeouts.connect
    limits = Timeouts(connect=connect, first_byte=FEED_HEAD_SECONDS, idle=FEED_IDLE_SECONDS)
    target = (upstream.prefix + feed.path).encode()
    headers = _headers(b"text/event-stream", provider)
    reader = FeedReader(feed)
    try:
        response = await upstream.send(b"GET", target, headers, timeouts=limits)
        try:
            kinds = [value for name, value in response.headers if name.lower() == b"content-type"]
            if response.status != 200 or not kinds or not kinds[0].startswith(b"text/event-stream"):
                return False
            while chunk := await response.chunk():
                if reader.matters(chunk):
                    news()
        finally:
            response.abort()
    except UpstreamError:
        pass
    return True


async def is_reachable(upstream: Upstream, timeout: float) -> bool:
    """Return whether a server responds, with any status (a sidecar need not know any path)."""
    try:
        async with TimeLimit(timeout):
            target = upstream.prefix.encode() + b"/health"
            about = [(b"user-agent", b"fleet")]
            response = await upstream.send(b"GET", target, about, timeouts=_no_shorter(timeout))
            response.abort()
            return True
    except (TimeoutError, UpstreamError):
        return False


async def accepts_connections(upstream: Upstream, timeout: float) -> bool:
    """Return whether a connection can be made within `timeout` seconds; nothing is sent on it."""
    try:
        connection = await upstream.new_connection(timeout)
    except UpstreamError:
        return False
    connection.abort()
    return True


@lru_cache(maxsize=16)
def _no_shorter(timeout: float) -> Timeouts:
    """Return timeouts for a request with a `TimeLimit`, which only apply where that cannot."""
    return Timeouts(connect=timeout, first_byte=3 * timeout, idle=3 * timeout)


def _failure(error: UpstreamError, path: str, timeout: float) -> StatusReason:
    match error:
        case FirstByteTimeoutError():
            return StatusReason("no_response", path, seconds=timeout)
        case IdleTimeoutError():
            return StatusReason("incomplete_response", path, seconds=timeout)
        case UpstreamCutError():
            return StatusReason("connection_closed", path)
        case ResponseTooLargeError():
            return StatusReason("response_too_large", path, limit=MAX_LIST_BYTES)
    return StatusReason("invalid_http", path)


def _headers(accept: bytes, provider: Provider) -> list[tuple[bytes, bytes]]:
    headers = [
        (b"accept", accept),
        (b"accept-encoding", b"identity"),
        (b"user-agent", b"fleet"),
        (loop_guard.HEADER, loop_guard.OWN.token),
    ]
    return headers + provider.credentials(anthropic=False)
