"""What a client's configuration is made from, for one provider `desk`."""

from __future__ import annotations

from collections.abc import Mapping

from fleet_compiler.clients import ClientOptions, ClientView
from fleet_compiler.clients.opencode import Options
from fleet_runtime.artifacts.contract import KeyReference, RoutedModel, RoutedProvider, RoutingTable

GATEWAY = "http://127.0.0.1:8400"


def client_view(
    models: Mapping[str, RoutedModel] | None = None,
    roles: Mapping[str, tuple[str, ...]] | None = None,
    *,
    key: KeyReference | None = None,
    file: str = "opencode.json",
    options: ClientOptions | None = None,
    enabled: bool = True,
) -> ClientView:
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
    disabled = frozenset() if enabled else frozenset({"desk"})
    return ClientView(GATEWAY, table, file, key, options or Options(), disabled=disabled)
