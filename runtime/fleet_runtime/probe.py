"""The gateway's transport for dialects: one bounded GET to a machine, over the gateway's own client."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from fleet_runtime.contract import Connection, Timeouts
from fleet_runtime.dialects.observation import Answer, Ask
from fleet_runtime.upstream import Upstream, UpstreamError

MAX_LIST_BYTES = 10 * 1024 * 1024


async def ask_machine(
    upstream: Upstream, connection: Connection, key: str | None, ask: Ask, timeout: float
) -> Answer:
    """Make one request of a look; whatever goes wrong within `timeout` seconds becomes an `Answer`."""
    base = urlsplit(connection.api_base if ask.api else connection.url).path.rstrip("/")
    headers = [(b"accept", b"application/json"), (b"user-agent", b"fleet")]
    if key is not None:
        headers.append((b"authorization", b"Bearer " + key.encode()))
    limits = Timeouts(connect=timeout, first_byte=timeout, idle=timeout)
    try:
        async with asyncio.timeout(timeout):
            response = await upstream.send(b"GET", (base + ask.path).encode(), headers, timeouts=limits)
            fields = {
                name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers
            }
            if 300 <= response.status < 400:
                response.abort()
                return Answer(0, reason=f"redirected ({response.status}) instead of answering {ask.path}")
            return Answer(response.status, fields, await response.read(MAX_LIST_BYTES))
    except TimeoutError:
        return Answer(0, reason=f"did not answer {ask.path} within {timeout:g} s")
    except UpstreamError as error:
        return Answer(0, reason=str(error))


async def reaches(upstream: Upstream, timeout: float) -> bool:
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
