"""The data for templates of `outputs`: gateway, surfaces, providers and models. Pure.

docs/outputs.md describes every name. They are an interface: names may be added, but not changed. Keys are
never included; `keys` names the variable or file of each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fleet_compiler.clients import ClientView
from fleet_compiler.emit.tables import Resolved
from fleet_runtime.artifacts.contract import FLEET_TABLE, GatewayConfig, RoutingTable, to_data
from fleet_runtime.routing.model_id import CompositeId


def output_view(resolved: Resolved) -> dict[str, Any]:
    """Return the names available to every template: `gateway`, `fleet`, `surfaces` and `providers`.

    `fleet` and the members of `surfaces` have one shape; surfaces are sorted by name, providers and models
    as in the lists of the gateway.
    """
    gateway, tables = resolved.gateway, resolved.tables
    return {
        "gateway": {
            "url": gateway.url,
            "listen": gateway.listen,
            "hosts": list(gateway.hosts),
            "keys": {name: to_data(key) for name, key in gateway.keys.items()},
        },
        "fleet": _surface(gateway, tables[FLEET_TABLE]),
        "surfaces": [_surface(gateway, tables[path]) for path in gateway.surfaces.values()],
        "providers": [
            {
                "name": provider.name,
                "label": provider.label,
                "class": provider.class_,
                "kind": provider.kind,
                "url": provider.url,
                "api_base": provider.api_base,
                "sidecar": None if provider.sidecar is None else to_data(provider.sidecar),
                "enabled": provider.enabled,
            }
            for provider in gateway.providers
        ],
    }


def _surface(gateway: GatewayConfig, table: RoutingTable) -> dict[str, Any]:
    view = ClientView.of(gateway, table)
    first = {role: view.first_choice(role) for role in table.roles}
    return {
        "name": table.surface,
        "label": table.label,
        "base": table.base,
        "base_url": view.base_url,
        "default_provider": table.default_provider,
        "roles": {role: list(choices) for role, choices in table.roles.items()},
        "first": {role: str(choice) for role, choice in first.items() if choice is not None},
        "models": list(_models(gateway, table)),
    }


def _models(gateway: GatewayConfig, table: RoutingTable) -> Iterator[Mapping[str, Any]]:
    """Yield the listed models of each enabled provider, for chats and for other purposes."""
    enabled = {provider.name for provider in gateway.providers if provider.enabled}
    for provider in table.providers:
        for id, facts in provider.models.items() if provider.name in enabled else ():
            if not facts.hidden:
                yield {
                    "id": str(CompositeId(provider.name, id)),
                    "provider": provider.name,
                    "provider_label": provider.label,
                    "class": provider.class_,
                    "model": id,
                    "name": facts.name or id,
                    "context": facts.context,
                    "context_source": facts.context_source,
                    "output": facts.output,
                    "input": None if facts.input is None else list(facts.input),
                    "tools": facts.tools,
                    "reasoning": facts.reasoning,
                    "purpose": facts.purpose or "chat",
                }
