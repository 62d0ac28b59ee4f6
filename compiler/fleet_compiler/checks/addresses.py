"""Where requests go and who can send them: URLs, the address the gateway listens on, and its keys."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from urllib.parse import SplitResult, urlsplit

from fleet_compiler.checks.hostnames import host_problem, url_problem
from fleet_compiler.config.model import WILDCARDS, FleetConfig
from fleet_compiler.diagnostics.diagnostic import Diagnostic
from fleet_compiler.document.document import Document, YamlPath

_HOME_DOMAINS = ("local", "lan", "home", "internal", "home.arpa", "localhost", "ts.net", "test", "invalid")
_ENDPOINT = re.compile(
    r"/(?:(?:chat/)?completions|models|responses|embeddings|messages|rerank"
    r"|api/(?:chat|generate|tags|show|ps|embed|embeddings|version))/*\Z"
)


def check(fleet: FleetConfig, document: Document) -> Iterator[Diagnostic]:
    for path, url in _urls(fleet, document):
        yield from _url(url, path, document)
    yield from _open_keys(fleet, document)
    yield from _listen(fleet, document)
    yield from _names(fleet, document)


def _urls(fleet: FleetConfig, document: Document) -> Iterator[tuple[YamlPath, str]]:
    for name, provider in fleet.providers.items():
        written = document.data["providers"].get(name)
        at: YamlPath = ("providers", name)
        if isinstance(written, dict):
            key = "url" if "url" in written else "api_base"
            yield (*at, key), provider.url
        elif isinstance(written, str):
            yield at, provider.url
        if provider.sidecar is not None and isinstance(written, dict):
            nested = isinstance(written.get("sidecar"), dict)
            yield (*at, "sidecar", "url") if nested else (*at, "sidecar"), provider.sidecar.url
    if isinstance(document.data.get("gateway"), dict) and "url" in document.data["gateway"]:
        yield ("gateway", "url"), fleet.gateway.url


def _url(url: str, path: YamlPath, document: Document) -> Iterator[Diagnostic]:
    if fault := url_problem(url):
        yield document.diagnostic("F209", fault.message, path, help=fault.remedy)
    try:
        parts = urlsplit(url)
    except ValueError:
        return
    if parts.username is not None or parts.password is not None:
        remedy = "delete them; a key comes from 'api_key_env' or 'api_key_file'"
        yield document.diagnostic("F210", "credentials do not belong in a URL", path, help=remedy)
    yield from _endpoint(url, path, document)
    if _address(parts) == "wildcard":
        remedy = "write the address under which this host is reached, like 127.0.0.1"
        yield document.diagnostic("F209", f"'{parts.hostname}' is no address to send to", path, help=remedy)


def _endpoint(url: str, path: YamlPath, document: Document) -> Iterator[Diagnostic]:
    """What clients call is no address of a server; a prefix that is called so is told by a `/v1` after it."""
    match = _ENDPOINT.search(url)
    if match is None or document.value(path).rstrip("/").endswith("/v1"):
        return
    root = url[: match.start()]
    shown = root if path[-1] == "api_base" else root.removesuffix("/v1")
    message = f"URL ends in '{match[0].strip('/')}', which is one endpoint of a server and not its address"
    yield document.diagnostic("F215", message, path, help=f"write {shown}")


def _address(parts: SplitResult) -> ipaddress.IPv4Address | ipaddress.IPv6Address | str:
    host = parts.hostname or ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    return "wildcard" if address.is_unspecified else address


def _open_keys(fleet: FleetConfig, document: Document) -> Iterator[Diagnostic]:
    for path, url in _urls(fleet, document):
        if path[0] != "providers":
            continue
        name = str(path[1])
        provider = fleet.providers[name]
        keyed = provider.api_key_env is not None or provider.api_key_file is not None
        if keyed and url.startswith("http:") and _is_public(url):
            message = f"the key of provider '{name}' would cross the internet unencrypted"
            remedy = "write https://"
            yield document.diagnostic("F250", message, path, help=remedy, severity="warning")


def _is_public(url: str) -> bool:
    try:
        address = _address(urlsplit(url))
    except ValueError:
        return False
    if not isinstance(address, str):
        return address.is_global
    host = address.rstrip(".").lower()
    return "." in host and not any(host == home or host.endswith(f".{home}") for home in _HOME_DOMAINS)


def _listen(fleet: FleetConfig, document: Document) -> Iterator[Diagnostic]:
    host, _, port = fleet.gateway.listen.rpartition(":")
    path: YamlPath = ("gateway", "listen")
    if not 0 < int(port) < 65536:
        remedy = "write a port from 1 to 65535"
        yield document.diagnostic("F209", f"port {int(port)} does not exist", path, help=remedy)
    if host.startswith("[") and not _is_address(host[1:-1]):
        remedy = "write an IPv6 address in brackets, like [::1]:8400"
        yield document.diagnostic("F209", f"'{host}' is not an IPv6 address", path, help=remedy)
        return
    if not host.startswith("[") and (fault := host_problem(host)):
        yield document.diagnostic("F209", fault.message, path, help=fault.remedy)
    if not is_loopback(host) and not fleet.gateway.keys:
        message = f"the gateway would be open to whoever reaches '{fleet.gateway.listen}'"
        remedy = "add gateway.keys, or listen on 127.0.0.1"
        yield document.diagnostic("F211", message, path, help=remedy)
    clients = [name for name, surface in fleet.surfaces.items() if surface.client is not None]
    if host in WILDCARDS and clients and "url" not in document.data.get("gateway", {}):
        message = f"the configuration of surface '{clients[0]}' needs an address, and '{host}' is none"
        remedy = "add gateway.url, the address under which clients reach the gateway"
        yield document.diagnostic("F212", message, path, help=remedy)


def _names(fleet: FleetConfig, document: Document) -> Iterator[Diagnostic]:
    """Names that the gateway knows itself and its pages by, and that nobody can have."""
    for index, host in enumerate(fleet.gateway.hosts):
        if not host.startswith("[") and (fault := host_problem(host)):
            yield document.diagnostic("F209", fault.message, ("gateway", "hosts", index), help=fault.remedy)
    for index, origin in enumerate(fleet.gateway.origins):
        if fault := url_problem(origin):
            yield document.diagnostic("F209", fault.message, ("gateway", "origins", index), help=fault.remedy)


def is_loopback(host: str) -> bool:
    """Whether a host, an IPv6 address in brackets, is reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
