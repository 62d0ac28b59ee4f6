"""The shapes of ``/api/clients``: the data for the configurations of clients.

The files are rendered on the client's computer, because configuration files can contain code.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from fleet_runtime.api_shape import ApiShape
from fleet_runtime.artifacts.contract import ContextSource, InputKind, Legacy, ProviderClass, Purpose


class ClientModel(ApiShape, frozen=True, kw_only=True):
    """The known facts of a model; null means unknown."""

    name: str | None
    context: int | None
    context_source: ContextSource | None
    output: int | None
    input: tuple[InputKind, ...] | None
    tools: bool | None
    reasoning: bool | None
    purpose: Purpose | None
    aliases: tuple[str, ...]


class ClientProvider(ApiShape, frozen=True, kw_only=True):
    """A provider that the surface may use, with its listed models by its own ids."""

    name: str
    label: str
    class_: ProviderClass
    models: dict[str, ClientModel]


class ClientTable(ApiShape, frozen=True, kw_only=True):
    """The routing table of the surface, with the current model lists of the providers that it may use."""

    surface: str
    label: str
    base: str
    default_provider: Annotated[str, Meta(description="empty if the surface may not use it")]
    legacy: Legacy
    names: dict[str, str]
    namespaces: tuple[str, ...]
    aliases: dict[str, str]
    roles: dict[str, tuple[str, ...]]
    providers: tuple[ClientProvider, ...]


class ClientSurface(ApiShape, frozen=True, kw_only=True):
    """`url` is the gateway's URL from fleet.yaml, never the Host of the request."""

    url: str
    requires_key: bool
    clients: Annotated[dict[str, dict[str, Any]], Meta(description="the options of each kind of client")]
    table: ClientTable


class ClientSurfaces(ApiShape, frozen=True, kw_only=True):
    """The kinds of client of each surface."""

    surfaces: dict[str, tuple[str, ...]]
