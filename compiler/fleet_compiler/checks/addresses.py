"""Checks of URLs, the listen address, and the gateway's host names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Any, NamedTuple

from fleet_compiler.checks.clouds import V1_BELOW, is_known_cloud
from fleet_compiler.config.model import FleetConfig
from fleet_compiler.diagnostics.finding import Finding, YamlPath
from fleet_runtime.urls import (
    AddressError,
    ServerUrl,
    bracket,
    is_address,
    is_loopback,
    is_wildcard,
    parse_host,
    parse_origin,
    parse_url,
    split_address,
)

_HOME_DOMAINS = ("local", "lan", "home", "internal", "home.arpa", "localhost", "ts.net", "test", "invalid")
_ENDPOINT = re.compile(
    r"/(?:(?:chat/)?completions|models|responses|embeddings|messages|rerank"
    r"|api/(?:chat|generate|tags|show|ps|embed|embeddings|version))/*\Z"
)
_API_BASE = re.compile(r"/(?:api|openai|v[02-9][0-9]*|v[0-9]+(?:alpha|beta)[0-9]*)/*\Z")
"""Matches the end of a URL that is probably the prefix of an API without ``/v1``."""


class _WrittenUrl(NamedTuple):
    """A URL and its path in fleet.yaml; `written` is its original text, with a trailing ``/v1`` that `url`
    lacks."""

    path: YamlPath
    url: str
    written: str
    provider: str | None = None


def check(fleet: FleetConfig, written: Mapping[str, Any]) -> Iterator[Finding]:
    for found in _urls(fleet, written):
        try:
            parts = parse_url(found.url)
        except AddressError as error:
            yield Finding("F209", found.path, error.message, error.remedy)
            continue
        yield from _url(found, parts)
        yield from _path(found)
        if found.provider is not None:
            yield from _service(fleet, found, parts)
    yield from _listen(fleet, "url" in _mapping(written.get("gateway")))
    yield from _names(fleet)


def _urls(fleet: FleetConfig, written: Mapping[str, Any]) -> Iterator[_WrittenUrl]:
    """Yield every URL in fleet.yaml; if a provider is only a URL, its path is the provider's."""
    for name, provider in fleet.providers.items():
        entry = _mapping(written.get("providers")).get(name)
        settings = _mapping(entry)
        if isinstance(entry, str) or settings:
            key = "api_base" if "api_base" in settings and "url" not in settings else "url"
            text = entry if isinstance(entry, str) else settings.get(key)
            yield _WrittenUrl(("providers", name, key), provider.url, str(text), name)
        if provider.sidecar is not None:
            sidecar = settings.get("sidecar")
            text = sidecar if isinstance(sidecar, str) else _mapping(sidecar).get("url")
            yield _WrittenUrl(("providers", name, "sidecar", "url"), provider.sidecar.url, str(text))
    gateway = _mapping(written.get("gateway"))
    if "url" in gateway:
        yield _WrittenUrl(("gateway", "url"), fleet.gateway.url, str(gateway["url"]))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _url(found: _WrittenUrl, parts: ServerUrl) -> Iterator[Finding]:
    if parts.has_credentials:
        remedy = "delete them; a key comes from 'api_key_env' or 'api_key_file'"
        yield Finding("F210", found.path, "credentials do not belong in a URL", remedy)
    if is_wildcard(parts.host):
        message = f"'{parts.host}' is not an address that requests can be sent to"
        remedy = "write the address under which this host is reached, like 127.0.0.1"
        yield Finding("F209", found.path, message, remedy)


def _path(found: _WrittenUrl) -> Iterator[Finding]:
    """Check for the URL of an endpoint, which is not a server's address unless ``/v1`` follows it."""
    if found.written.rstrip("/").endswith("/v1"):
        return
    is_base = found.path[-1] == "api_base"
    if match := _ENDPOINT.search(found.url):
        root = found.url[: match.start()]
        shown = root if is_base else root.removesuffix("/v1")
        message = f"URL ends in '{match[0].strip('/')}', which is an endpoint and not the root of the server"
        yield Finding("F215", found.path, message, f"write {shown}")
    elif is_base or found.provider is None or found.url.endswith(V1_BELOW):
        return
    elif match := _API_BASE.search(found.url):
        message = f"URL ends in '{match[0].rstrip('/')}', and requests go to '{match[0].rstrip('/')}/v1/…'"
        remedy = (
            f"if there is no '/v1' in its API, write 'api_base: {found.url}'; if there is, add '/v1' here"
        )
        yield Finding("F258", found.path, message, remedy, "warning")


def _service(fleet: FleetConfig, found: _WrittenUrl, parts: ServerUrl) -> Iterator[Finding]:
    """Check for an unencrypted key, a paid service that is not of class `cloud`, and the gateway itself."""
    name = str(found.provider)
    provider = fleet.providers[name]
    if not parts.is_tls and (provider.api_key_env or provider.api_key_file) and _is_public(parts.host):
        message = f"the key of provider '{name}' would cross the internet unencrypted"
        yield Finding("F250", found.path, message, "write https://", "warning")
    if provider.class_ != "cloud" and is_known_cloud(parts.host):
        message = f"provider '{name}' is a paid service, but its class is 'local'"
        remedy = "add 'class: cloud': then nothing is sent to it unless an id or a role names it"
        yield Finding("F259", found.path, message, remedy, "warning")

    if _is_gateway(fleet, parts):
        message = f"provider '{name}' is this gateway itself, which rejects its own requests"
        remedy = "write the address of the provider's server, or another port in gateway.listen"
        yield Finding("F260", found.path, message, remedy, "warning")


def _is_gateway(fleet: FleetConfig, parts: ServerUrl) -> bool:
    """Return whether a URL is that of the gateway itself, according to `listen` and `url`."""
    try:
        host, port = split_address(fleet.gateway.listen)
        url = parse_url(fleet.gateway.url) if fleet.gateway.url else None
    except AddressError:
        return False
    if url is not None and (parts.host, parts.port, parts.path) == (url.host, url.port, url.path):
        return True
    if parts.is_tls or parts.port != port:
        return False
    if is_wildcard(host):
        return is_loopback(parts.host)
    return parts.host == host or (parts.host == "localhost" and is_loopback(host))


def _is_public(host: str) -> bool:
    if is_address(host):
        return ip_address(host).is_global
    name = host.rstrip(".")
    return "." in name and not any(name == home or name.endswith(f".{home}") for home in _HOME_DOMAINS)


def _listen(fleet: FleetConfig, has_url: bool) -> Iterator[Finding]:
    path: YamlPath = ("gateway", "listen")
    try:
        host, port = split_address(fleet.gateway.listen)
    except AddressError as error:
        yield Finding("F209", path, error.message, error.remedy)
        return
    if port == 0:
        yield Finding("F209", path, "port 0 does not exist", "write a port from 1 to 65535")
    if not is_loopback(host) and not fleet.gateway.keys:
        message = f"the gateway would be open to anyone who can reach '{fleet.gateway.listen}'"
        remedy = (
            "add `keys: {phone: {file: keys/phone}}` below `gateway:`, or listen on 127.0.0.1; make the key "
        )
        remedy += "with `mkdir -p keys; (umask 077 && head -c 24 /dev/urandom | base64 > keys/phone)`"
        yield Finding("F211", path, message, remedy)
    clients = [name for name, surface in fleet.surfaces.items() if surface.clients]
    if is_wildcard(host) and clients and not has_url:
        message = (
            f"the configuration of surface '{clients[0]}' needs an address, and '{bracket(host)}' is not one"
        )
        yield Finding(
            "F212", path, message, "add gateway.url, the address under which clients reach the gateway"
        )


def _names(fleet: FleetConfig) -> Iterator[Finding]:
    """Check for host names and origins that no request can have."""
    for index, host in enumerate(fleet.gateway.hosts):
        try:
            parse_host(host)
        except AddressError as error:
            yield Finding("F209", ("gateway", "hosts", index), error.message, error.remedy)
    for index, origin in enumerate(fleet.gateway.origins):
        try:
            parse_origin(origin)
        except AddressError as error:
            yield Finding("F209", ("gateway", "origins", index), error.message, error.remedy)
