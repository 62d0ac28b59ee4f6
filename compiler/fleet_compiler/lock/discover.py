"""Asking machines what they serve: the transport under the dialects' looks, all machines at once.

The one place of the compiler that touches the network, and the only one that reads a provider's key.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx

from fleet_runtime.artifacts.contract import ProviderConfig
from fleet_runtime.dialects import drive, probe_provider
from fleet_runtime.dialects.credentials import MissingKeyError, find_key
from fleet_runtime.dialects.observation import Observation, ProbeRequest, ProbeResponse
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
        return Observation(connection.kind, "offline", f"not asked: {unset}")
    headers = {"accept": "application/json", "accept-encoding": "identity"}
    if key is not None:
        headers["authorization"] = f"Bearer {key}"

    async def get(ask: ProbeRequest) -> ProbeResponse:
        prefix = connection.api_base if ask.api else connection.url
        return await _answer(client, prefix + ask.path, ask.body, headers, patience.answer)

    try:
        async with asyncio.timeout(patience.total):
            seen = await drive(probe_provider(connection.kind), get)
            while seen.unasked:
                before, seen = seen, await drive(probe_provider(connection.kind, seen), get)
                if seen.status != "online" or seen.unasked >= before.unasked:
                    return before
            return seen
    except TimeoutError:
        return Observation(connection.kind, "offline", f"no full answer within {patience.total:g} s")


async def _answer(
    client: httpx.AsyncClient, url: str, question: bytes | None, headers: dict[str, str], seconds: float
) -> ProbeResponse:
    method = "GET"
    if question is not None:
        method, headers = "POST", headers | {"content-type": "application/json"}
    request = client.stream(method, url, content=question, headers=headers)
    try:
        async with asyncio.timeout(seconds), request as response:
            if response.is_redirect:
                return ProbeResponse(
                    0, reason=f"answers with a redirect ({response.status_code}), not followed"
                )
            body = bytearray()
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > MAX_BODY:
                    return ProbeResponse(0, reason=f"answers with more than {MAX_BODY // 1_000_000} MB")
            return ProbeResponse(response.status_code, _lowered(response), bytes(body))
    except (TimeoutError, httpx.TimeoutException):
        return ProbeResponse(0, reason=f"no answer within {seconds:g} s")
    except httpx.ConnectError as error:
        return ProbeResponse(0, reason=_unreached(error))
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError):
        return ProbeResponse(0, reason="does not answer in valid HTTP")


def _lowered(response: httpx.Response) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


_NOT_TLS = ("wrong version number", "wrong_version_number", "record layer failure", "unknown protocol")
"""What OpenSSL 1.1 to 3.5 say of an answer in plain text."""


def _unreached(error: httpx.ConnectError) -> str:
    """Why a connection failed, in the same words on every system."""
    text = str(error).lower()
    if any(sign in text for sign in _NOT_TLS):
        return "it does not speak TLS: try http://"
    if "certificate" in text or "ssl" in text or "tls" in text:
        return "its TLS certificate or handshake is refused"
    if "refused" in text or "all connection attempts failed" in text:
        return "connection refused"
    if "name" in text or "nodename" in text or "address" in text:
        return "its host name is not known"
    return "cannot be reached"


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
            clients[trust] = Observation("auto", "offline", f"not asked: ca_file '{ca_file}' cannot be used")
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
