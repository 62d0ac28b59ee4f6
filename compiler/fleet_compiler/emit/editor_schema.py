"""generated/fleet.schema.json: the schema of fleet.yaml, with this fleet's own names as examples.

Editors offer examples as completions. Nothing else differs, so the same files are valid.
"""

from __future__ import annotations

import json
from typing import Any

from fleet_compiler.assets import SCHEMAS
from fleet_runtime.artifacts.contract import GatewayConfig, RoutingTable

SCHEMA = "fleet.schema.json"


def editor_schema(gateway: GatewayConfig, fleet_table: RoutingTable) -> bytes:
    schema = json.loads((SCHEMAS / SCHEMA).read_text(encoding="utf-8"))
    providers = [provider.name for provider in fleet_table.providers]
    models = [f"{provider.name}/{id}" for provider in fleet_table.providers for id in provider.models]
    definitions = schema["$defs"]
    surface = definitions["surface"]["properties"]
    _offer(schema["properties"]["default_provider"], providers)
    _offer(surface["providers"]["items"], providers)
    _offer(surface["key"], sorted(gateway.keys))
    _offer(definitions["key"]["properties"]["surfaces"]["items"], sorted(gateway.surfaces))
    for place in ("compositeId", "role"):
        _offer(definitions[place], models)
    _offer(definitions["role"]["items"], models)
    return (json.dumps(schema, indent=2, ensure_ascii=False) + "\n").encode()


def _offer(place: dict[str, Any], names: list[str]) -> None:
    if names:
        place["examples"] = names
