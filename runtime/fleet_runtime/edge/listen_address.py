"""Check the gateway's listen address."""

from __future__ import annotations

from fleet_runtime import urls
from fleet_runtime.artifacts.contract import GatewayConfig
from fleet_runtime.urls import AddressError, is_loopback


class CannotServeError(Exception):
    """The gateway cannot run as configured; the message has the reason and the remedy."""


def split_address(listen: str) -> tuple[str, int]:
    """Return host and port of ``HOST:PORT``, the host of an IPv6 address in brackets."""
    try:
        return urls.split_address(listen)
    except AddressError as error:
        raise CannotServeError(f"'{listen}' is not a valid listen address: {error}") from None


def require_keys_beyond_loopback(gateway: GatewayConfig) -> None:
    """Raise `CannotServeError` if the gateway listens beyond this computer and has no keys."""
    host, _ = split_address(gateway.listen)
    if not gateway.keys and not is_loopback(host):
        raise CannotServeError(
            f"listening on '{host}' is reachable from other computers, and the gateway has no keys: "
            "add `keys: {phone: {file: keys/phone}}` below `gateway:` in fleet.yaml, or listen on 127.0.0.1 "
            "(docs/access.md)"
        )
