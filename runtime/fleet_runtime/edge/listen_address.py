"""Where the gateway listens, and who that lets in."""

from __future__ import annotations

import contextlib
import ipaddress
from urllib.parse import urlsplit

from fleet_runtime.artifacts.contract import GatewayConfig


class CannotServeError(Exception):
    """The gateway cannot run as asked; the message says why and what to do."""


def split_address(listen: str) -> tuple[str, int]:
    """Host and port of ``HOST:PORT``, the host of an IPv6 address in brackets."""
    parts = urlsplit(f"//{listen}")
    with contextlib.suppress(ValueError):
        if parts.hostname and parts.port is not None and not parts.path:
            return parts.hostname, parts.port
    raise CannotServeError(f"'{listen}' is no address to listen on: write HOST:PORT, as in 127.0.0.1:8400")


def require_keys_beyond_loopback(gateway: GatewayConfig) -> None:
    """Listening beyond this machine takes keys; raises `CannotServeError` where there are none."""
    host, _ = split_address(gateway.listen)
    if not gateway.keys and not is_loopback(host):
        raise CannotServeError(
            f"listening on '{host}' lets other machines in, and the gateway has no keys: "
            "add 'gateway.keys' to fleet.yaml, or listen on 127.0.0.1"
        )


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
