"""What a client's configuration is made from, for one provider `desk`."""

from __future__ import annotations

from collections.abc import Mapping

from fleet_compiler.clients import ClientView
from fleet_runtime.artifacts.contract import (
    GatewayConfig,
    KeyReference,
    ProviderConfig,
    RoutedModel,
    RoutedProvider,
    RoutingTable,
)

DESK = "http://127.0.0.1:8081"


def client_view(
    models: Mapping[str, RoutedModel] | None = None,
    roles: Mapping[str, tuple[str, ...]] | None = None,
    *,
    key: KeyReference | None = None,
    file: str = "opencode.json",
    exclusive: bool = True,
    enabled: bool = True,
) -> ClientView:
    connection = ProviderConfig(
        name="desk",
        label="Desk",
        class_="local",
        kind="auto",
        url=DESK,
        api_base=f"{DESK}/v1",
        enabled=enabled,
    )
    table = RoutingTable(
        surface="code",
        label="code",
        base="/code",
        default_provider="desk",
        legacy="strict",
        names={"desk": "desk"},
        namespaces=(),
        aliases={},
        roles=dict(roles or {}),
        providers=(RoutedProvider(name="desk", label="Desk", class_="local", models=dict(models or {})),),
    )
    gateway = GatewayConfig(
        listen="127.0.0.1:8400",
        url="http://127.0.0.1:8400",
        surfaces={"code": "routing/code.json"},
        providers=(connection,),
    )
    return ClientView(gateway, table, file, key, exclusive)
