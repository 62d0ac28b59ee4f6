"""Combine fleet.yaml and fleet.lock to the tables that the gateway and clients read.

Pure. Roles are resolved by the router that will serve them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from fleet_compiler.clients import CLIENTS, ClientView
from fleet_compiler.config.model import ClientEntry, FleetConfig, ProviderSettings, SurfaceSettings
from fleet_compiler.lock.model import Lock, LockedProvider
from fleet_runtime.artifacts.contract import (
    FLEET_TABLE,
    ClientSettings,
    GatewayConfig,
    GatewayOptions,
    KeyReference,
    ModelFacts,
    ProviderConfig,
    ProviderKind,
    ProviderOptions,
    RoutedModel,
    RoutedProvider,
    RoutingTable,
)
from fleet_runtime.dialects.facts import declare
from fleet_runtime.dialects.model_names import other_names
from fleet_runtime.routing.resolver import admits, lock_view, resolve_model

_UNKNOWN = ModelFacts.model_construct()

Roles = dict[str, tuple[str, ...]]


class Resolved(msgspec.Struct, frozen=True):
    """The input of rendering: `tables` and `clients` (kind and view) by path in the generated folder."""

    gateway: GatewayConfig
    tables: Mapping[str, RoutingTable]
    clients: Mapping[str, tuple[str, ClientView]]


def resolve_connections(fleet: FleetConfig) -> tuple[ProviderConfig, ...]:
    """Return the configuration of each provider for the gateway, in the order of fleet.yaml."""
    return tuple(_connection(name, provider) for name, provider in fleet.providers.items())


def resolve_fleet(
    fleet: FleetConfig, lock: Lock, root: str, providers: tuple[ProviderConfig, ...] | None = None
) -> Resolved:
    """Return the input of rendering.

    `lock` has only current entries; `root` is the path from the generated folder to fleet.yaml's;
    `providers`: the result of `resolve_connections`, if available.
    """
    fleet_table = _fleet_table(fleet, lock)
    tables = {FLEET_TABLE: fleet_table}
    for name, surface in sorted(fleet.surfaces.items()):
        tables[table_path(name)] = _surface_table(name, surface, fleet_table)
    settings = {field: getattr(fleet.gateway, field) for field in GatewayOptions.model_fields}
    gateway = GatewayConfig.model_construct(
        root=root,
        inventory=fleet.inventory,
        surfaces={name: table_path(name) for name in sorted(fleet.surfaces)},
        clients=dict(_client_settings(fleet)),
        providers=resolve_connections(fleet) if providers is None else providers,
        **settings | {"keys": dict(sorted(fleet.gateway.keys.items()))},
    )
    return Resolved(gateway, tables, dict(_views(gateway, tables)))


def table_path(surface: str) -> str:
    """Return the path of a surface's routing table in the generated folder."""
    return f"routing/{surface}.json"


def _fleet_table(fleet: FleetConfig, lock: Lock) -> RoutingTable:
    table = RoutingTable.model_construct(
        label="fleet",
        base="",
        default_provider=fleet.default_provider,
        legacy="strict",
        names=_names(fleet),
        namespaces=fleet.namespaces,
        aliases=dict(sorted(fleet.aliases.items())),
        roles={},
        providers=tuple(
            _routed(name, provider, lock.providers.get(name)) for name, provider in fleet.providers.items()
        ),
    )
    return table.model_copy(update={"roles": _composite(fleet.roles, table)})


def _surface_table(name: str, surface: SurfaceSettings, fleet_table: RoutingTable) -> RoutingTable:
    """Return the table of `surface`: its own roles override those of the fleet, and providers that it may not
    use are removed."""
    providers = tuple(
        provider for provider in fleet_table.providers if surface.may_use(provider.name, provider.class_)
    )
    roles = {**fleet_table.roles, **_composite(surface.roles, fleet_table)}
    return fleet_table.model_copy(
        update={
            "surface": name,
            "label": surface.label,
            "base": f"/{name}",
            "legacy": surface.legacy,
            "keepalive": surface.keepalive,
            "roles": _usable(roles, {provider.name for provider in providers}),
            "providers": providers,
        }
    )


def _composite(roles: Mapping[str, tuple[str, ...]], table: RoutingTable) -> Roles:
    """Return each candidate as the composite id that the resolver returns for it."""
    view = lock_view(table)
    return {
        role: tuple(resolve_model(table, view, text).id or text for text in candidates)
        for role, candidates in sorted(roles.items())
    }


def _usable(roles: Roles, providers: set[str]) -> Roles:
    kept = {
        role: tuple(id for id in candidates if id.partition("/")[0] in providers)
        for role, candidates in sorted(roles.items())
    }
    return {role: candidates for role, candidates in kept.items() if candidates}


def _names(fleet: FleetConfig) -> dict[str, str]:
    names = {former: name for name, provider in fleet.providers.items() for former in provider.formerly}
    names.update((name, name) for name in fleet.providers)
    return dict(sorted(names.items()))


def _routed(name: str, provider: ProviderSettings, entry: LockedProvider | None) -> RoutedProvider:
    """Return the provider with its listed and declared models, without those excluded by globs."""
    listed = entry.models if entry is not None else {}
    kind = entry.kind if entry is not None else provider.kind
    return RoutedProvider.model_construct(
        name=name,
        label=provider.label,
        class_=provider.class_,
        models={
            id: _with_other_names(kind, id, declare(listed.get(id, _UNKNOWN), provider.declared.get(id)))
            for id in sorted(listed.keys() | provider.declared.keys())
            if admits(id, provider.include, provider.exclude)
        },
    )


def _with_other_names(kind: ProviderKind, id: str, facts: RoutedModel) -> RoutedModel:
    """Add the names that servers of this kind accept for the model by a rule, such as a tag."""
    others = [name for name in other_names(kind, id) if name not in facts.aliases]
    return facts.model_copy(update={"aliases": (*facts.aliases, *others)}) if others else facts


def _connection(name: str, provider: ProviderSettings) -> ProviderConfig:
    settings = {field: getattr(provider, field) for field in ProviderOptions.model_fields}
    settings["declared"] = dict(sorted(provider.declared.items()))
    return ProviderConfig.model_construct(name=name, **settings)


def _client_settings(fleet: FleetConfig) -> Iterator[tuple[str, tuple[ClientSettings, ...]]]:
    for name, surface in sorted(fleet.surfaces.items()):
        if surface.clients:
            yield name, tuple(_settings(fleet, name, surface, entry) for entry in surface.clients)


def _settings(fleet: FleetConfig, name: str, surface: SurfaceSettings, entry: ClientEntry) -> ClientSettings:
    kind = CLIENTS[entry.kind]
    options = kind.read_options(surface, entry)
    return ClientSettings.model_construct(
        kind=entry.kind,
        file=kind.place(name, entry.file, entry.folder),
        key=_key(name, surface, fleet.gateway.keys),
        options=options.given(),
    )


def _views(
    gateway: GatewayConfig, tables: Mapping[str, RoutingTable]
) -> Iterator[tuple[str, tuple[str, ClientView]]]:
    for name, clients in gateway.clients.items():
        for client in clients:
            key = None if client.key is None else gateway.keys[client.key]
            options = CLIENTS[client.kind].parse_options(client.options)
            table = tables[table_path(name)]
            view = ClientView.of(gateway, table, file=client.file, key=key, options=options)
            yield client.file, (client.kind, view)


def _key(name: str, surface: SurfaceSettings, keys: Mapping[str, KeyReference]) -> str | None:
    """Return the key named by the surface, otherwise the only key that opens it."""
    if surface.key is not None:
        return surface.key
    fitting = [each for each, key in keys.items() if key.surfaces is None or name in key.surfaces]
    return fitting[0] if len(fitting) == 1 else None
