"""``/api/clients``: the data for the configurations of clients, for computers without a fleet.yaml."""

from __future__ import annotations

from typing import Annotated

from fleet_runtime.api.call import Call, Surface
from fleet_runtime.api.client_shapes import (
    ClientModel,
    ClientProvider,
    ClientSurface,
    ClientSurfaces,
    ClientTable,
)
from fleet_runtime.api.operation import PathPart, operation
from fleet_runtime.artifacts.contract import RoutedModel, RoutingTable

SurfaceName = Annotated[str, PathPart("a surface of fleet.yaml", "opencode")]


@operation("GET", "/api/clients", "List the kinds of client of each surface", "not_found")
async def list_clients(call: Call, surface: Surface = None) -> ClientSurfaces:
    call.table(surface)
    wanted = [surface] if surface is not None else list(call.live.gateway.surfaces)
    clients = call.live.gateway.clients
    return ClientSurfaces(
        surfaces={name: tuple(client.kind for client in clients.get(name, ())) for name in wanted}
    )


@operation("GET", "/api/clients/{surface}", "Show the data for the configuration of a client", "not_found")
async def get_clients(call: Call, surface: SurfaceName) -> ClientSurface:
    table = call.table(surface)
    return ClientSurface(
        url=call.live.gateway.url,
        requires_key=bool(call.live.keys),
        clients={client.kind: client.options for client in call.live.gateway.clients.get(surface, ())},
        table=_table(call, surface, table),
    )


def _table(call: Call, surface: str, table: RoutingTable) -> ClientTable:
    providers = [each for each in table.providers if call.live.snapshot.connections[each.name].enabled]
    allowed = {provider.name for provider in providers}
    names = {old: name for old, name in table.names.items() if name in allowed}
    return ClientTable(
        surface=surface,
        label=table.label,
        base=table.base,
        default_provider=table.default_provider if table.default_provider in allowed else "",
        legacy=table.legacy,
        names=names,
        namespaces=table.namespaces,
        aliases={old: id for old, id in table.aliases.items() if id.partition("/")[0] in names},
        roles=table.roles,
        providers=tuple(
            ClientProvider(
                name=provider.name,
                label=provider.label,
                class_=provider.class_,
                models={id: _model(facts) for id, facts in call.live.catalog.shown_models(provider)},
            )
            for provider in providers
        ),
    )


def _model(facts: RoutedModel) -> ClientModel:
    return ClientModel(
        name=facts.name,
        context=facts.context,
        context_source=facts.context_source,
        output=facts.output,
        input=facts.input,
        tools=facts.tools,
        reasoning=facts.reasoning,
        purpose=facts.purpose,
        aliases=facts.aliases,
    )


OPERATIONS = (list_clients, get_clients)
