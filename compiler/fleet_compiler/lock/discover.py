"""Probe the providers for ``fleet lock`` and ``fleet build``, many in parallel.

This is the transport of the dialects' probes over httpx; the gateway has another one
(providers/transport.py). Both report failures as `StatusReason`.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import httpx

from fleet_runtime.artifacts.contract import ProviderConfig
from fleet_runtime.dialects.credentials import MissingKeyError, find_credentials
from fleet_runtime.dialects.messages import ProbeRequest, ProbeResponse
from fleet_runtime.dialects.observation import Observation, drive
from fleet_runtime.dialects.probe import probe_provider
from fleet_runtime.dialects.status_reason import ReasonCode, StatusReason, connect_reason
from fleet_runtime.files import MAX_KEY, read_ca, read_text, resolve_path
from fleet_runtime.urls import join_address, parse_url

MAX_BODY = 10_000_000
AT_ONCE = 64
"""The maximum number of concurrent probes. With a thousand, probes would time out while waiting for each
other on the event loop."""

FROM_FLEET = "fleet-lock"
"""A provider that is a gateway of fleet takes this for another gateway (loop_guard.py): its list then lacks
what it has from gateways that have it from each other."""


@dataclass(frozen=True, slots=True)
class ProbeLimits:
    """Seconds that one response, and a complete probe, may take."""

    response: float = 5.0
    total: float = 20.0


Progress: TypeAlias = Callable[[ProviderConfig, Observation], None]
"""Called with a provider and its observation as soon as its probe ends."""


def discover(
    providers: Iterable[ProviderConfig],
    root: Path,
    environ: Mapping[str, str],
    *,
    limits: ProbeLimits | None = None,
    progress: Progress = lambda provider, seen: None,
) -> dict[str, Observation]:
    """Probe each provider once; an offline, slow or hostile one does not affect the others.

    `root` is the folder of fleet.yaml. A provider whose key is not set gets no request and counts as offline.
    No redirect is followed, no request retried, no model loaded.
    """
    return asyncio.run(_discover(list(providers), root, environ, limits or ProbeLimits(), progress))


async def _discover(
    providers: list[ProviderConfig],
    root: Path,
    environ: Mapping[str, str],
    limits: ProbeLimits,
    progress: Progress,
) -> dict[str, Observation]:
    contexts = _contexts(providers, root)
    places = asyncio.Semaphore(AT_ONCE)

    async def probe_one(provider: ProviderConfig) -> tuple[str, Observation]:
        context = contexts[_trust(provider)]
        if isinstance(context, StatusReason):
            seen = Observation(provider.kind, "offline", context)
        else:
            async with places, _client(context) as client:
                seen = await _probe(provider, client, root, environ, limits)
        progress(provider, seen)
        return provider.name, seen

    return dict(await asyncio.gather(*map(probe_one, providers)))


def _client(context: ssl.SSLContext) -> httpx.AsyncClient:
    """Return a client for one provider, because each request takes longer in a pool with many connections."""
    return httpx.AsyncClient(
        verify=context,
        trust_env=False,
        follow_redirects=False,
        timeout=None,  # noqa: S113 - bounded by asyncio.timeout around each response
    )


async def _probe(
    provider: ProviderConfig,
    client: httpx.AsyncClient,
    root: Path,
    environ: Mapping[str, str],
    limits: ProbeLimits,
) -> Observation:
    def read(file: str) -> str:
        return read_text(resolve_path(root, file), MAX_KEY)

    try:
        secrets = find_credentials(provider, environ, read)
    except MissingKeyError as missing:
        return Observation(provider.kind, "offline", missing.reason)
    headers = {"accept": "application/json", "accept-encoding": "identity", "cdn-loop": FROM_FLEET}
    headers |= {name.decode(): value.decode() for name, value in secrets.headers}
    if secrets.key is not None:
        headers["authorization"] = f"Bearer {secrets.key}"

    async def send(request: ProbeRequest) -> ProbeResponse:
        prefix = connectable_url(provider.api_base if request.api else provider.url)
        return await _send(client, prefix, request, headers, limits.response)

    best: Observation | None = None
    try:
        async with asyncio.timeout(limits.total):
            best = seen = await drive(probe_provider(provider.kind), send)
            while seen.waiting:
                seen = await drive(probe_provider(provider.kind, seen), send)
                if seen.status != "online" or len(seen.waiting) >= len(best.waiting):
                    break
                best = seen
    except TimeoutError:
        reason = StatusReason("probe_timeout", seconds=limits.total)
        return best or Observation(provider.kind, "offline", reason)
    return best


def connectable_url(url: str) -> str:
    """Return `url` as httpx can connect to it: an IPv6 zone as its number.

    httpx hands the host to the system as it is written, and the system knows neither RFC 6874's ``%25`` nor
    the name of a zone on an address that is not link-local.
    """
    parts = parse_url(url)
    address, percent, zone = parts.host.partition("%")
    if not percent:
        return url
    with suppress(OSError):
        zone = str(socket.if_nametoindex(zone))
    return f"{parts.scheme}://{join_address(f'{address}%{zone}', parts.port)}{parts.path}"


async def _send(
    client: httpx.AsyncClient, prefix: str, probe: ProbeRequest, headers: dict[str, str], seconds: float
) -> ProbeResponse:
    method, path = "GET", probe.path
    if probe.body is not None:
        method, headers = "POST", headers | {"content-type": "application/json"}
    request = client.stream(method, prefix + path, content=probe.body, headers=headers)
    status = 0
    try:
        async with asyncio.timeout(seconds), request as response:
            status = response.status_code
            if response.is_redirect:
                return ProbeResponse(status, reason=StatusReason("redirected", path, status))
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > MAX_BODY:
                    return ProbeResponse(
                        status, reason=StatusReason("response_too_large", path, limit=MAX_BODY)
                    )
            return ProbeResponse(status, _lowered(response), bytes(body))
    except (TimeoutError, httpx.TimeoutException):
        code: ReasonCode = "incomplete_response" if status else "no_response"
        return ProbeResponse(status, reason=StatusReason(code, path, seconds=seconds))
    except httpx.ConnectError as error:
        return ProbeResponse(0, reason=connect_failure(error))
    except (httpx.NetworkError, httpx.RemoteProtocolError):
        code = "connection_closed" if status else "invalid_http"
        return ProbeResponse(status, reason=StatusReason(code, path))
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError):
        return ProbeResponse(status, reason=StatusReason("invalid_http", path))


def _lowered(response: httpx.Response) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


def connect_failure(error: httpx.ConnectError) -> StatusReason:
    """Return why a connection failed, from the system's error below httpx's."""
    below: BaseException | None = error
    while below is not None:
        if isinstance(below, socket.gaierror):
            return StatusReason("host_unknown", detail=(below.strerror or str(below)).lower())
        if isinstance(below, OSError) and below.errno is not None:
            return connect_reason(below)
        below = below.__cause__ or below.__context__
    return StatusReason("connection_refused")


def _trust(provider: ProviderConfig) -> tuple[bool, str | None]:
    """Return the settings for accepting certificates; providers with equal ones share a context."""
    return provider.verify, provider.ca_file


def _contexts(
    providers: list[ProviderConfig], root: Path
) -> dict[tuple[bool, str | None], ssl.SSLContext | StatusReason]:
    """Return the TLS context of each trust setting, or the reason if its CA file cannot be used."""
    contexts: dict[tuple[bool, str | None], ssl.SSLContext | StatusReason] = {}
    for trust in {_trust(provider) for provider in providers}:
        verify, ca_file = trust
        try:
            authorities = read_ca(resolve_path(root, ca_file)) if ca_file else None
            context = ssl.create_default_context(cadata=authorities)
        except (OSError, ssl.SSLError):
            contexts[trust] = StatusReason("ca_file_unusable", file=ca_file)
            continue
        if not verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        contexts[trust] = context
    return contexts
