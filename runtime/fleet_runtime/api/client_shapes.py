"""The shapes of ``/api/clients``: the data for the configurations of clients.

The files are rendered on the client's computer, because configuration files can contain code.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from fleet_runtime.api_shape import ApiShape
from fleet_runtime.artifacts.contract import ContextSource, InputKind, Legacy, ProviderClass, Purpose


class ClientModel(ApiShape, frozen=True, kw_only=True):
    """What is known of a model; null: not known."""

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
    """A provider that the surface may use, with the models that it lists, by its own ids."""

    name: str
    label: str
    class_: ProviderClass
    models: dict[str, ClientModel]


class ClientTable(ApiShape, frozen=True, kw_only=True):
    """What a model name means on the surface, and which there are: its routing table, with what the providers
    list now, and without those that it may not use."""

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
    """`url` is the gateway as fleet.yaml names it for clients, never what the request called it."""

    url: str
    requires_key: bool
    clients: Annotated[dict[str, dict[str, Any]], Meta(description="the options of each kind of client")]
    table: ClientTable


class ClientSurfaces(ApiShape, frozen=True, kw_only=True):
    """The kinds of client of each surface."""

    surfaces: dict[str, tuple[str, ...]]
