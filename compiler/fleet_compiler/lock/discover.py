"""Asking machines what they serve: the transport under the dialects' looks, all machines at once.

The one place of the compiler that touches the network, and the only one that reads a provider's key.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx

from fleet_runtime.artifacts.contract import ProviderConfig
from fleet_runtime.dialects.credentials import MissingKeyError, find_key
from fleet_runtime.dialects.messages import ProbeRequest, ProbeResponse
from fleet_runtime.dialects.observation import Observation, drive
from fleet_runtime.dialects.probe import probe_provider
from fleet_runtime.dialects.status_reason import ReasonCode, StatusReason, connect_reason
from fleet_runtime.files import MAX_KEY, read_ca, read_text, resolve_path

MAX_BODY = 10_000_000


@dataclass(frozen=True, slots=True)
class ProbeLimits:
    """Seconds that one answer, and all looks together, may take."""

    answer: float = 5.0
    total: float = 20.0


Progress = Callable[[str, Observation], None]
"""Called with a provider's name and what was seen of it, as soon as that is known."""


def is_polled(connection: ProviderConfig) -> bool:
    """Whether fleet asks this machine by itself: it is enabled, polled, and not a cloud whose models
    fleet.yaml declares."""
    declared_cloud = connection.class_ == "cloud" and bool(connection.declared)
    never = connection.poll is False or (connection.poll is None and declared_cloud)
    return connection.enabled and not never


def discover(
    connections: Iterable[ProviderConfig],
    root: Path,
    environ: Mapping[str, str],
    *,
    patience: ProbeLimits | None = None,
    progress: Progress = lambda name, seen: None,
) -> dict[str, Observation]:
    """Look once at each machine; a silent, slow or hostile one costs the others nothing.

    `root` is the folder of fleet.yaml. A machine whose key
    is not set is not asked and counts as offline. Nothing is followed, retried or loaded.
    """
    return asyncio.run(_discover(list(connections), root, environ, patience or ProbeLimits(), progress))


async def _discover(
    connections: list[ProviderConfig],
    root: Path,
    environ: Mapping[str, str],
    patience: ProbeLimits,
    progress: Progress,
) -> dict[str, Observation]:
    async with AsyncExitStack() as stack:
        clients = await _clients(connections, root, stack)

        async def one(connection: ProviderConfig) -> tuple[str, Observation]:
            client = clients[_trust(connection)]
            if isinstance(client, Observation):
                seen = client
            else:
                seen = await _look(connection, client, root, environ, patience)
            progress(connection.name, seen)
            return connection.name, seen

        return dict(await asyncio.gather(*(one(connection) for connection in connections)))


async def _look(
    connection: ProviderConfig,
    client: httpx.AsyncClient,
    root: Path,
    environ: Mapping[str, str],
    patience: ProbeLimits,
) -> Observation:
    def read(file: str) -> str:
        return read_text(resolve_path(root, file), MAX_KEY)

    try:
        key = find_key(connection.api_key_env, connection.api_key_file, environ, read)
    except MissingKeyError as unset:
        return Observation(connection.kind, "offline", unset.reason)
    headers = {"accept": "application/json", "accept-encoding": "identity"}
    if key is not None:
        headers["authorization"] = f"Bearer {key}"

    async def get(ask: ProbeRequest) -> ProbeResponse:
        prefix = connection.api_base if ask.api else connection.url
        return await _answer(client, prefix, ask, headers, patience.answer)

    try:
        async with asyncio.timeout(patience.total):
            seen = await drive(probe_provider(connection.kind), get)
            while seen.waiting:
                before, seen = seen, await drive(probe_provider(connection.kind, seen), get)
                if seen.status != "online" or len(seen.waiting) >= len(before.waiting):
                    return before
            return seen
    except TimeoutError:
        return Observation(connection.kind, "offline", StatusReason("probe_timeout", seconds=patience.total))


async def _answer(
    client: httpx.AsyncClient, prefix: str, ask: ProbeRequest, headers: dict[str, str], seconds: float
) -> ProbeResponse:
    method, path = "GET", ask.path
    if ask.body is not None:
        method, headers = "POST", headers | {"content-type": "application/json"}
    request = client.stream(method, prefix + path, content=ask.body, headers=headers)
    status = 0
    try:
        async with asyncio.timeout(seconds), request as response:
            status = response.status_code
            if response.is_redirect:
                return ProbeResponse(status, reason=StatusReason("redirected", path, status))
            body = bytearray()
            async for piece in response.aiter_raw():
                body += piece
                if len(body) > MAX_BODY:
                    return ProbeResponse(
                        status, reason=StatusReason("response_too_large", path, limit=MAX_BODY)
                    )
            return ProbeResponse(status, _lowered(response), bytes(body))
    except (TimeoutError, httpx.TimeoutException):
        code: ReasonCode = "incomplete_response" if status else "no_response"
        return ProbeResponse(status, reason=StatusReason(code, path, seconds=seconds))
    except httpx.ConnectError as error:
        return ProbeResponse(0, reason=_unreached(error))
    except (httpx.NetworkError, httpx.RemoteProtocolError):
        code = "connection_closed" if status else "invalid_http"
        return ProbeResponse(status, reason=StatusReason(code, path))
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError):
        return ProbeResponse(status, reason=StatusReason("invalid_http", path))


def _lowered(response: httpx.Response) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


def _unreached(error: httpx.ConnectError) -> StatusReason:
    """Return why a connection failed, from the system's error below httpx's."""
    below: BaseException | None = error
    while below is not None:
        if isinstance(below, socket.gaierror):
            return StatusReason("host_unknown", detail=(below.strerror or str(below)).lower())
        if isinstance(below, OSError) and below.errno is not None:
            return connect_reason(below)
        below = below.__cause__ or below.__context__
    return StatusReason("connection_refused")


def _trust(connection: ProviderConfig) -> tuple[bool, str | None]:
    """What decides which certificates are accepted; machines that agree on it share a client."""
    return connection.verify, connection.ca_file


async def _clients(
    connections: list[ProviderConfig], root: Path, stack: AsyncExitStack
) -> dict[tuple[bool, str | None], httpx.AsyncClient | Observation]:
    """A client for each kind of trust; an observation in its place where the CA file cannot be used."""
    clients: dict[tuple[bool, str | None], httpx.AsyncClient | Observation] = {}
    for trust in {_trust(connection) for connection in connections}:
        verify, ca_file = trust
        try:
            authorities = read_ca(resolve_path(root, ca_file)) if ca_file else None
            context = ssl.create_default_context(cadata=authorities)
        except (OSError, ssl.SSLError):
            clients[trust] = Observation("auto", "offline", StatusReason("ca_file_unusable", file=ca_file))
            continue
        if not verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        client = httpx.AsyncClient(
            verify=context,
            trust_env=False,
            follow_redirects=False,
            timeout=None,  # noqa: S113 - bounded by asyncio.timeout around each answer
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=None),
        )
        clients[trust] = await stack.enter_async_context(client)
    return clients
