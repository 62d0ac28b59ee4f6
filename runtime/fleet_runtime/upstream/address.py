"""Connect to an upstream: URL, name lookup, TCP, TLS."""

from __future__ import annotations

import asyncio
import math
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

from aiohappyeyeballs import AddrInfoType, start_connection

from fleet_runtime.dialects.status_reason import StatusReason, connect_reason
from fleet_runtime.files import read_ca
from fleet_runtime.upstream.errors import ConnectError
from fleet_runtime.upstream.time_limit import TimeLimit
from fleet_runtime.urls import parse_url

STAGGER = 0.25
"""Seconds before a name's next address is tried in parallel (RFC 8305)."""

FRESH = 5.0
"""Seconds for which the addresses of a name are cached."""

DEAD_AFTER = 60.0
"""Seconds after which a vanished provider (power cut, no network) is detected, also during a request."""

P = TypeVar("P", bound=asyncio.Protocol)

HostResolver = Callable[[str, int], Awaitable[Sequence[AddrInfoType]]]


async def system_names(host: str, port: int) -> Sequence[AddrInfoType]:
    """Queries the system's resolver, in a thread."""
    loop = asyncio.get_running_loop()
    return await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)


class Address:
    """The root of a server, from its URL: ``http[s]://host[:port][/prefix]``, an IPv6 host in brackets.

    `host_header` is the Host of its requests, `prefix` the path before every target (no slash at its end),
    `text` the address as shown in messages. ValueError for anything else.
    """

    def __init__(
        self,
        url: str,
        *,
        verify: bool = True,
        ca_file: str | None = None,
        resolve: HostResolver = system_names,
        dead_after: float = DEAD_AFTER,
    ) -> None:
        parts = parse_url(url)
        if parts.has_credentials:
            raise ValueError("a server's URL contains credentials")
        self.tls = parts.is_tls
        self.host = parts.host
        self.port = parts.port
        self.prefix = parts.path
        self.text = parts.authority
        self.host_header = parts.host_header.encode()
        self._verify = verify
        self._ca_file = ca_file
        self._resolve = resolve
        self._options = _dead_peer_options(dead_after)
        self._context: ssl.SSLContext | None = None
        self._literal = _literal(self.host, self.port)
        self._lookup: asyncio.Task[list[AddrInfoType]] | None = None
        self._looked_up = -math.inf

    async def connect(self, factory: Callable[[], P], seconds: float) -> P:
        """Return a connected protocol from `factory`; raises `ConnectError` if name lookup, connecting and
        handshake take longer than `seconds` in total."""
        try:
            async with TimeLimit(seconds):
                return await self._connect(factory)
        except TimeoutError:
            cause = StatusReason("connect_timeout", seconds=seconds)
        except socket.gaierror as error:
            cause = StatusReason("host_unknown", detail=(error.strerror or str(error)).lower())
        except (OSError, RuntimeError) as error:
            cause = connect_reason(error)
        self._looked_up = -math.inf
        raise ConnectError(self.text, cause)

    async def _connect(self, factory: Callable[[], P]) -> P:
        loop = asyncio.get_running_loop()
        context = self._tls() if self.tls else None
        addresses = self._literal or await self._addresses(loop)
        name = self.host if self.tls else None
        if len(addresses) == 1:
            # two turns of the loop; uvloop's `sock_connect`, used below, resolves even numbers in a thread
            host, port = addresses[0][4][:2]
            transport, protocol = await loop.create_connection(
                factory, str(host), int(port), ssl=context, server_hostname=name
            )
            self._set_options(transport.get_extra_info("socket"))
            return protocol
        sock = await start_connection(addresses, happy_eyeballs_delay=STAGGER, loop=loop)
        try:
            self._set_options(sock)
            _, protocol = await loop.create_connection(factory, sock=sock, ssl=context, server_hostname=name)
        except BaseException:
            sock.close()
            raise
        return protocol

    def _set_options(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in self._options:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)

    async def _addresses(self, loop: asyncio.AbstractEventLoop) -> list[AddrInfoType]:
        """Return the addresses of the name; concurrent connections share one lookup."""
        lookup = self._lookup
        if lookup is None or (lookup.done() and loop.time() - self._looked_up > FRESH):
            lookup = self._lookup = loop.create_task(self._look_up(loop))
        return await asyncio.shield(lookup)

    async def _look_up(self, loop: asyncio.AbstractEventLoop) -> list[AddrInfoType]:
        found = list(await self._resolve(self.host, self.port))
        self._looked_up = loop.time()
        return found

    def _tls(self) -> ssl.SSLContext:
        if self._context is None:
            try:
                authorities = read_ca(Path(self._ca_file)) if self._ca_file else None
                context = ssl.create_default_context(cadata=authorities)
            except (OSError, ssl.SSLError) as error:
                raise ConnectError(self.text, StatusReason("ca_file_unusable", file=self._ca_file)) from error
            context.set_alpn_protocols(["http/1.1"])
            if not self._verify:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            self._context = context
        return self._context


def _literal(host: str, port: int) -> list[AddrInfoType]:
    """Return the address if `host` is one; nothing if it is a name."""
    try:
        return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST))
    except socket.gaierror:
        return []


def _dead_peer_options(seconds: float) -> list[tuple[int, int]]:
    """Return the options of TCP, as far as the system has them, that end a connection whose peer is silent:
    probes of an idle one, and a limit for what was sent and is not acknowledged (RFC 5482)."""
    named = {
        "TCP_KEEPIDLE": max(1, int(seconds / 2)),
        "TCP_KEEPALIVE": max(1, int(seconds / 2)),
        "TCP_KEEPINTVL": max(1, int(seconds / 6)),
        "TCP_KEEPCNT": 3,
        "TCP_USER_TIMEOUT": int(seconds * 1000),
    }
    return [(getattr(socket, name), value) for name, value in named.items() if hasattr(socket, name)]
