"""Check Host names (against DNS rebinding) and browser origins (CORS). Pure."""

from __future__ import annotations

from typing import Final

from fleet_runtime.artifacts.contract import GatewayConfig
from fleet_runtime.errors import request_error
from fleet_runtime.proxy.request_head import Header, RequestHead
from fleet_runtime.urls import (
    bracket,
    is_address,
    is_wildcard,
    parse_host,
    parse_origin,
    parse_url,
    split_address,
)

_LOOPBACK_NAMES: Final = frozenset((b"localhost", b"127.0.0.1", b"[::1]"))
_HOST_CHARACTERS: Final = b"abcdefghijklmnopqrstuvwxyz0123456789.-_"
_MAX_SEEN: Final = 256
_EXPOSED: Final = (
    b"x-request-id, x-fleet-provider, x-fleet-model, x-fleet-via, x-fleet-fallback, x-fleet-state, "
    b"server-timing"
)


class HostPolicy:
    """The rules of one gateway.json.

    Accepted hosts are those of `listen` and `url`, those of `hosts`, and the loopback names, each with any
    port; if the gateway listens on a wildcard address, every literal address too (DNS rebinding needs a
    name). A browser's origin must be one of `origins`, or the gateway itself.
    """

    def __init__(self, gateway: GatewayConfig) -> None:
        listen, _ = split_address(gateway.listen)
        self._any_address = is_wildcard(listen)
        names = (listen, parse_url(gateway.url).host, *map(parse_host, gateway.hosts))
        self._hosts = _LOOPBACK_NAMES | {bracket(name).encode() for name in names}
        self._seen: set[bytes] = set()
        self._origins = frozenset(parse_origin(origin).encode() for origin in gateway.origins)

    def check(self, head: RequestHead) -> list[Header]:
        """Return the CORS headers of the response; raises `RequestError` (`bad_request`, `forbidden_host`,
        `forbidden_origin`)."""
        if head.host not in self._seen:
            self._check_host(head.host)
        if head.origin is None:
            return []
        origin = head.origin.lower()
        if origin in self._origins:
            return [
                (b"access-control-allow-origin", head.origin),
                (b"access-control-expose-headers", _EXPOSED),
                (b"vary", b"origin"),
            ]
        if origin in (b"http://" + head.host.lower(), b"https://" + head.host.lower()):
            return []
        shown = head.origin.decode("latin-1")
        raise request_error(
            "forbidden_origin", f"origin '{shown}' is not among the gateway's 'origins' in fleet.yaml"
        )

    def _check_host(self, host: bytes) -> None:
        name = _without_port(host.lower())
        if name is None:
            raise request_error("bad_request", "the Host header is not a host name")
        if name in self._hosts or (self._any_address and is_address(name.decode())):
            if len(self._seen) < _MAX_SEEN:
                self._seen.add(host)
            return
        raise request_error(
            "forbidden_host", f"host '{name.decode()}' is not among the gateway's 'hosts' in fleet.yaml"
        )


def preflight(headers: list[Header], cors: list[Header]) -> list[Header] | None:
    """Return the response headers of a CORS preflight; None if the request is not one."""
    requested = dict(headers)
    if b"access-control-request-method" not in requested or not cors:
        return None
    allowed = requested.get(b"access-control-request-headers", b"authorization, content-type")
    return [
        *cors,
        (b"access-control-allow-methods", b"GET, HEAD, POST, PUT, DELETE"),
        (b"access-control-allow-headers", allowed),
        (b"access-control-max-age", b"86400"),
    ]


def _without_port(host: bytes) -> bytes | None:
    """Return the host in lower case, an IPv6 address in brackets; None if it is invalid."""
    if host.startswith(b"["):
        name, closing, rest = host.partition(b"]")
        name += closing
        if not closing or not is_address(name.decode("latin-1")):
            return None
        name = bracket(parse_host(name.decode())).encode()
    else:
        name, colon, port = host.partition(b":")
        rest = colon + port
        if not name or name.translate(None, _HOST_CHARACTERS):
            return None
    if rest and not (rest.startswith(b":") and (rest[1:].isdigit() or rest == b":")):
        return None
    return name
