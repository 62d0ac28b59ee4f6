"""The schemas of fleet.lock and of the generated files, made from the contract.

``python -m fleet_compiler.schemas`` writes them to schema/; fleet.yaml's own is written by hand.
"""

from __future__ import annotations

import json

from fleet_compiler.assets import SCHEMAS
from fleet_runtime.contract import Artifact, Gateway, Lock, Manifest, RoutingTable

GENERATED: dict[str, type[Artifact]] = {
    "lock": Lock,
    "gateway": Gateway,
    "routing": RoutingTable,
    "manifest": Manifest,
}


def contract_schema(name: str) -> str:
    """The text of ``schema/<name>.schema.json``."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    schema |= GENERATED[name].model_json_schema(by_alias=True)
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for name in GENERATED:
        (SCHEMAS / f"{name}.schema.json").write_text(contract_schema(name), encoding="utf-8")
