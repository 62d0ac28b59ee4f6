"""A client's configuration from what the gateway at ``$FLEET_URL`` says of a surface.

That is data only (``GET /api/clients/<surface>``): no file that a program executes comes from another
computer. Nothing of it becomes a path, an argument or a line of a shell before it was checked as fleet.yaml
is.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import to_builtins
from pydantic import ValidationError

from fleet_compiler.clients import CLIENTS, ClientView
from fleet_compiler.clients.view import KEY_VARIABLE
from fleet_compiler.commands.client_source import ClientConfig, LaunchError, SurfaceFacts, surface_facts
from fleet_compiler.emit.render import render_client
from fleet_runtime.api.client_shapes import ClientSurface, ClientSurfaces
from fleet_runtime.artifacts.contract import KeyReference, RoutingTable
from fleet_runtime.client import GatewayClient, api_path
from fleet_runtime.routing.model_id import PROVIDER_NAME, model_id_problem
from fleet_runtime.text import quote
from fleet_runtime.urls import AddressError, is_loopback, parse_url

_BASE = re.compile(r"(?:/[A-Za-z0-9._~-]+)*\Z")


def fetch_surfaces(gateway: GatewayClient, surface: str | None) -> dict[str, tuple[str, ...]]:
    """Return the kinds of client of each surface, or of one; raises `LaunchError`."""
    found = gateway.get(api_path("api", "clients", surface=surface), ClientSurfaces).surfaces
    for name in found:
        if PROVIDER_NAME.match(name) is None:
            raise _unusable(gateway, f"the surface {quote(name)}")
    return dict(found)


def fetch_config(gateway: GatewayClient, url: str, client: str, surface: str, folder: Path) -> ClientConfig:
    """Return a client's configuration for `folder`, made from what the gateway at `url` says.

    Raises `LaunchError`.
    """
    kind = CLIENTS[client]
    found = _fetch_surface(gateway, surface)
    try:
        options = kind.options.model_validate(found.clients.get(client, {}))
    except ValidationError:
        options = kind.options()  # of another version of fleet
    view = _view(found, url, kind.file, options)
    files = {folder / name: render_client(file, view) for name, file in kind.outputs(kind.file).items()}
    return ClientConfig(kind, surface, files, on_disk=False)


def fetch_facts(gateway: GatewayClient, url: str, surface: str) -> SurfaceFacts:
    """Return what the gateway at `url` says of a surface; raises `LaunchError`."""
    found = _fetch_surface(gateway, surface)
    return surface_facts(surface, _view(found, url, "", None), found.clients, None)


def _view(found: ClientSurface, url: str, file: str, options: object) -> ClientView:
    key = KeyReference(env=KEY_VARIABLE) if found.requires_key else None
    table = RoutingTable.model_validate(to_builtins(found.table))
    return ClientView(reachable_url(found.url, url), table, file, key, options)


def reachable_url(named: str, used: str) -> str:
    """Return the gateway's own URL, unless it means only that computer and another reached it."""
    is_here = is_loopback(urlsplit(used).hostname or "")
    return used.rstrip("/") if is_loopback(urlsplit(named).hostname or "") and not is_here else named


def _fetch_surface(gateway: GatewayClient, surface: str) -> ClientSurface:
    found = gateway.get(api_path("api", "clients", surface), ClientSurface)
    try:
        parse_url(found.url)
    except AddressError:
        raise _unusable(gateway, f"the URL {quote(found.url)}") from None
    if _BASE.match(found.table.base) is None:
        raise _unusable(gateway, f"the path {quote(found.table.base)}")
    for provider in found.table.providers:
        if PROVIDER_NAME.match(provider.name) is None:
            raise _unusable(gateway, f"the provider {quote(provider.name)}")
        for id in provider.models:
            if (problem := model_id_problem(id, provider.name)) is not None:
                raise _unusable(gateway, f"the model {quote(id)}, whose id {problem}")
    return found


def _unusable(gateway: GatewayClient, what: str) -> LaunchError:
    return LaunchError(f"the gateway at {quote(gateway.url, 100)} lists {what}: no gateway of fleet does")
