"""Where the gateway listens, and who that lets in."""

from __future__ import annotations

from fleet_runtime import urls
from fleet_runtime.artifacts.contract import GatewayConfig
from fleet_runtime.urls import AddressError, is_loopback


class CannotServeError(Exception):
    """The gateway cannot run as asked; the message says why and what to do."""


def split_address(listen: str) -> tuple[str, int]:
    """Host and port of ``HOST:PORT``, the host of an IPv6 address in brackets."""
    try:
        return urls.split_address(listen)
    except AddressError as error:
        raise CannotServeError(f"'{listen}' is not a valid listen address: {error}") from None


def require_keys_beyond_loopback(gateway: GatewayConfig) -> None:
    """Listening beyond this machine takes keys; raises `CannotServeError` where there are none."""
    host, _ = split_address(gateway.listen)
    if not gateway.keys and not is_loopback(host):
        raise CannotServeError(
            f"listening on '{host}' lets other machines in, and the gateway has no keys: "
            "add 'gateway.keys' to fleet.yaml, or listen on 127.0.0.1"
        )
