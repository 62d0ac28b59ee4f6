"""A generated/ folder written by hand, for tests of the runtime that need no compiler."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fleet_runtime.artifacts.artifact import Artifact
from fleet_runtime.artifacts.contract import (
    FLEET_TABLE,
    GatewayConfig,
    Manifest,
    PollSettings,
    ProviderConfig,
    RoutedModel,
    RoutedProvider,
    RoutingTable,
    to_data,
)
from fleet_runtime.artifacts.hashes import sha256_hex

QUICK = PollSettings(interval=0.1, timeout=1, grace=0.5)


def connection(name: str, url: str = "http://127.0.0.1:9", **more: Any) -> ProviderConfig:
    fields: dict[str, Any] = {"label": name, "class": "local", "kind": "auto", "api_base": f"{url}/v1"}
    return ProviderConfig.model_validate({"name": name, "url": url} | fields | more)


def gateway(
    *connections: ProviderConfig, surfaces: Iterable[str] = ("boochat",), **more: Any
) -> GatewayConfig:
    fields: dict[str, Any] = {"listen": "127.0.0.1:0", "url": "http://127.0.0.1:8400", "inventory": QUICK}
    return GatewayConfig(
        providers=connections,
        surfaces={surface: f"routing/{surface}.json" for surface in surfaces},
        **(fields | more),
    )


def table(
    gateway: GatewayConfig,
    surface: str | None,
    models: Mapping[str, Mapping[str, RoutedModel]] | None = None,
    **more: Any,
) -> RoutingTable:
    names = [connection.name for connection in gateway.providers]
    fields: dict[str, Any] = {
        "default_provider": names[0],
        "legacy": "fallback" if surface else "strict",
        "names": {name: name for name in names},
        "namespaces": (),
        "aliases": {},
        "roles": {},
        "providers": tuple(
            RoutedProvider(
                name=connection.name,
                label=connection.label,
                class_=connection.class_,
                models=dict((models or {}).get(connection.name, connection.declared)),
            )
            for connection in gateway.providers
        ),
    }
    base = f"/{surface}" if surface else ""
    return RoutingTable(surface=surface, label=surface or "fleet", base=base, **(fields | more))


def write_generated(folder: Path, gateway: GatewayConfig, **table_fields: Any) -> None:
    """Write the artifacts as a build does: the manifest last."""
    files: dict[str, Artifact] = {FLEET_TABLE: table(gateway, None, **table_fields)}
    for surface, path in gateway.surfaces.items():
        files[path] = table(gateway, surface, **table_fields)
    files["gateway.json"] = gateway
    hashes = {}
    for name, artifact in sorted(files.items()):
        data = json.dumps(to_data(artifact), indent=2).encode()
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
        hashes[name] = sha256_hex(data)
    manifest = Manifest(model="0" * 64, lock="0" * 64, files=hashes)
    (folder / "manifest.json").write_text(json.dumps(to_data(manifest)))
