"""Parse the hosts to scan, as typed or as listed by Tailscale. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from fleet_compiler.diagnostics.errors import UsageError
from fleet_compiler.diagnostics.text import as_name
from fleet_runtime.routing.model_id import PROVIDER_NAME
from fleet_runtime.text import quote
from fleet_runtime.urls import (
    AddressError,
    bracket,
    is_address,
    is_loopback,
    join_address,
    mask_url,
    parse_host,
    parse_url,
    split_address,
)

LOOPBACK = "127.0.0.1"
OWN_NAME = "local"
"""The name of this computer's own servers."""

MULLVAD = "tag:mullvad-exit-node"
HANDHELDS = frozenset(("ios", "android", "tvos"))


@dataclass(frozen=True, slots=True)
class Host:
    """A host to probe: its display `name`, its `address` for URLs, and `port` if only that port is
    scanned."""

    name: str
    address: str
    port: int | None = None


@dataclass(frozen=True, slots=True)
class Tailnet:
    """The hosts of a tailnet that are online, this computer first, and how many are left out."""

    hosts: tuple[Host, ...]
    offline: int


def parse_hosts(texts: tuple[str, ...]) -> list[Host]:
    """Parse ``HOST``, ``HOST:PORT`` or the URL of a server to distinct hosts; raises `UsageError`."""
    return list(dict.fromkeys(map(_parse_host, texts)))


def parse_tailnet(text: str) -> Tailnet:
    """Parse the output of ``tailscale status --json`` (ipn/ipnstate/ipnstate.go); raises `UsageError`.

    Phones and the exit nodes of Mullvad are left out.
    """
    try:
        status = json.loads(text)
        state, own, peers = status["BackendState"], status["Self"], (status.get("Peer") or {}).values()
        if state != "Running":
            raise UsageError(f"Tailscale is not connected ({state}): run `tailscale up`")
        known = [peer for peer in peers if _may_serve(peer)]
        here = Host(_tailnet_name(own), LOOPBACK)
        online = [
            Host(_tailnet_name(peer), str(ip_address(peer["TailscaleIPs"][0])))
            for peer in known
            if peer["Online"]
        ]
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        raise UsageError("`tailscale status --json` printed something that is not a status") from None
    online.sort(key=lambda host: host.name)
    return Tailnet((here, *online), len(known) - len(online))


def _parse_host(text: str) -> Host:
    if "://" in text:
        return _parse_url(text)
    try:
        address, port = split_address(text) if re.fullmatch(r"(\[.*\]|[^:]*):[0-9]+", text) else (text, None)
        address = parse_host(address)
        parse_url(f"http://{bracket(address)}" if port is None else f"http://{join_address(address, port)}")
    except AddressError as error:
        raise UsageError(f"{quote(text)} is not a host: {error}; write HOST or HOST:PORT") from None
    return Host(_name(address), address, port)


def _parse_url(text: str) -> Host:
    try:
        url = parse_url(text)
    except AddressError as error:
        raise UsageError(f"{quote(mask_url(text))} is not a host: {error}") from None
    if url.is_tls or url.has_credentials or url.path not in ("", "/v1"):
        raise UsageError(
            f"{quote(mask_url(text))} cannot be scanned, only http://HOST:PORT can: write it into fleet.yaml "
            "with `fleet add NAME URL`"
        )
    return Host(_name(url.host), url.host, url.port)


def _name(address: str) -> str:
    """Return a name for the provider at `address`: a host's first label, an address as it is."""
    if is_loopback(address):
        return OWN_NAME
    name = as_name(address if is_address(address) else address.partition(".")[0])
    return name if PROVIDER_NAME.match(name) else "server"


def _tailnet_name(node: dict[str, Any]) -> str:
    """Return a node's MagicDNS name without its suffix, or the name of its host."""
    return _name(str(node.get("DNSName") or node["HostName"]).lower())


def _may_serve(node: dict[str, Any]) -> bool:
    return MULLVAD not in (node.get("Tags") or ()) and str(node.get("OS")).lower() not in HANDHELDS
