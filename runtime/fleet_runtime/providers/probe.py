"""The gateway's transport for dialects: one bounded request to a machine, over the gateway's own client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from fleet_runtime.artifacts.contract import ProviderConfig, Timeouts
from fleet_runtime.dialects.feed import Feed, FeedReader
from fleet_runtime.dialects.messages import ProbeRequest, ProbeResponse
from fleet_runtime.dialects.status_reason import ReasonCode, StatusReason
from fleet_runtime.upstream import (
    ConnectError,
    FirstByteTimeoutError,
    IdleTimeoutError,
    ResponseTooLargeError,
    Upstream,
    UpstreamCutError,
    UpstreamError,
)
from fleet_runtime.urls import parse_url

FEED_HEAD_SECONDS = 10.0
FEED_IDLE_SECONDS = 86_400.0
MAX_LIST_BYTES = 2_000_000


async def send_probe_request(
    upstream: Upstream, connection: ProviderConfig, key: str | None, ask: ProbeRequest, timeout: float
) -> ProbeResponse:
    """Make one request of a look; whatever goes wrong within `timeout` seconds becomes an `ProbeResponse`."""
    base = parse_url(connection.api_base if ask.api else connection.url).path
    headers = _headers(b"application/json", key)
    method, body = (b"GET", b"") if ask.body is None else (b"POST", ask.body)
    if ask.body is not None:
        headers.append((b"content-type", b"application/json"))
    limits = Timeouts(connect=timeout, first_byte=timeout, idle=timeout)
    status = 0
    try:
        async with asyncio.timeout(timeout):
            response = await upstream.send(method, (base + ask.path).encode(), headers, body, timeouts=limits)
            status = response.status
            if 300 <= status < 400:
                response.abort()
                return ProbeResponse(status, reason=StatusReason("redirected", ask.path, status))
            fields = {
                name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers
            }
            return ProbeResponse(status, fields, await response.read(MAX_LIST_BYTES))
    except TimeoutError:
        code: ReasonCode = "incomplete_response" if status else "no_response"
        return ProbeResponse(status, reason=StatusReason(code, ask.path, seconds=timeout))
    except ConnectError as error:
        return ProbeResponse(0, reason=error.cause)
    except UpstreamError as error:
        return ProbeResponse(status, reason=_failure(error, ask.path, timeout))


async def follow_feed(
    upstream: Upstream, connection: ProviderConfig, key: str | None, feed: Feed, news: Callable[[], None]
) -> bool:
    """Call `news` whenever the machine's feed says that a model changed, until the feed ends.

    False where the machine offers no such feed. A machine that falls silent without closing is for the
    looks to find: the feed itself may rightly be silent for hours.
    """
    limits = Timeouts(
        connect=connection.timeouts.connect, first_byte=FEED_HEAD_SECONDS, idle=FEED_IDLE_SECONDS
    )
    target = (upstream.prefix + feed.path).encode()
    reader = FeedReader(feed)
    try:
        response = await upstream.send(b"GET", target, _headers(b"text/event-stream", key), timeouts=limits)
        try:
            kinds = [value for name, value in response.headers if name.lower() == b"content-type"]
            if response.status != 200 or not kinds or not kinds[0].startswith(b"text/event-stream"):
                return False
            while piece := await response.chunk():
                if reader.matters(piece):
                    news()
        finally:
            response.abort()
    except UpstreamError:
        pass
    return True


async def is_reachable(upstream: Upstream, timeout: float) -> bool:
    """Whether a server answers there at all, whatever it says (a sidecar need not know any path)."""
    limits = Timeouts(connect=timeout, first_byte=timeout, idle=timeout)
    try:
        async with asyncio.timeout(timeout):
            target = upstream.prefix.encode() + b"/health"
            response = await upstream.send(b"GET", target, [(b"user-agent", b"fleet")], timeouts=limits)
            response.abort()
            return True
    except (TimeoutError, UpstreamError):
        return False


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


def _headers(accept: bytes, key: str | None) -> list[tuple[bytes, bytes]]:
    headers = [(b"accept", accept), (b"accept-encoding", b"identity"), (b"user-agent", b"fleet")]
    if key is not None:
        headers.append((b"authorization", b"Bearer " + key.encode()))
    return headers
