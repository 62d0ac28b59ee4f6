"""The hints that a started gateway prints: base URL, console, a curl request, and how to start clients.
Pure."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Iterator

from fleet_runtime.artifacts.contract import GatewayConfig, RoutedProvider, RoutingTable
from fleet_runtime.artifacts.snapshot import Snapshot
from fleet_runtime.client import KEY_VARIABLE
from fleet_runtime.routing.model_id import CompositeId, split_id
from fleet_runtime.text import join_words


def first_request(snapshot: Snapshot, url: str) -> list[str]:
    """Return the lines; `url` is the gateway's, without a trailing slash."""
    surfaces = [f"{base}/v1" for base in snapshot.tables if base]
    also = f" (and {join_words(surfaces)})" if surfaces else ""
    addresses = (f"base URL  {url}/v1{also}", f"console   {url}/")
    model = _example(snapshot.fleet)
    if model is None:
        return [
            *addresses,
            *_elsewhere(snapshot.gateway, url),
            "no provider lists a model yet: run `fleet lock`",
        ]
    body = {"model": str(model), "messages": [{"role": "user", "content": "hi"}]}
    command = ["curl", "-s", f"{url}/v1/chat/completions"]
    key = f' -H "authorization: Bearer ${KEY_VARIABLE}"' if snapshot.gateway.keys else ""
    data = shlex.join(["--json", json.dumps(body, ensure_ascii=False)])
    return [
        *addresses,
        *_elsewhere(snapshot.gateway, url),
        f"try it    {shlex.join(command)}{key} {data}",
        *_clients(snapshot.gateway),
    ]


def _elsewhere(gateway: GatewayConfig, url: str) -> Iterator[str]:
    """Yield how other commands find a gateway whose listen address is not the one in fleet.yaml."""
    if url != gateway.url:
        yield f"commands  `export FLEET_URL={url}` in other terminals: fleet.yaml says {gateway.url}"


def _clients(gateway: GatewayConfig) -> Iterator[str]:
    """Yield the commands that start the configured clients, and the URL for all others."""
    found = [(surface, client.kind) for surface, each in gateway.clients.items() for client in each]
    counts = Counter(kind for _, kind in found)
    starts = [
        f"`fleet run {kind}`" if counts[kind] == 1 else f"`fleet run --surface {surface} {kind}`"
        for surface, kind in found
    ]
    if starts:
        yield f"clients   {join_words(starts, limit=4)}"
    if gateway.surfaces:
        yield "connect   `fleet connect` shows what to enter in any other client"


def _example(table: RoutingTable) -> CompositeId | None:
    """Return a chat model: of the role `default`, else of the default provider, else of another local one."""
    providers = {provider.name: provider for provider in table.providers}
    for candidate in table.roles.get("default", ()):
        id = split_id(candidate)
        if id is not None and id.provider in providers and id.model in providers[id.provider].models:
            return id
    first = [provider for provider in table.providers if provider.name == table.default_provider]
    others = [provider for provider in table.providers if provider.class_ == "local"]
    return next((id for provider in (*first, *others) for id in _chat_models(provider)), None)


def _chat_models(provider: RoutedProvider) -> Iterator[CompositeId]:
    for id, facts in provider.models.items():
        if facts.purpose in (None, "chat") and not facts.hidden:
            yield CompositeId(provider.name, id)
