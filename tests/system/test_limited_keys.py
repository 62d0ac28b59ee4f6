"""A key that is limited to a surface learns nothing of providers that the surface may not use.

Every operation that ``/openapi.json`` describes is called with such a key, in a fleet with a provider whose
every word is a canary.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from fleet_runtime.simulator import ServerSpec, SimulatedModel, SimulationThread
from tests.support.stack import Stack, running_stack
from tests.support.waiting import eventually

CANARY = "canary"
FOR_EVERY_KEY = ("/health", "/ready", "/api/access")
OPEN = {"authorization": "Bearer key-of-everything"}
LIMITED = {"authorization": "Bearer key-of-chat"}
SPECS = (
    ServerSpec("box", kind="vllm", models=(SimulatedModel("qwen3-8b"),)),
    ServerSpec("hidden", kind="vllm", models=(SimulatedModel("canary-model"), SimulatedModel("qwen3-8b"))),
)


def fleet_yaml(machines: SimulationThread, listen: str) -> str:
    return f"""\
version: 1
default_provider: canary-box
providers:
  box: "{machines.url("box")}"
  canary-box: {{url: "{machines.url("hidden")}", label: canary label, formerly: [oldname]}}
aliases: {{short: canary-box/canary-model}}
roles: {{default: [canary-box/canary-model, box/qwen3-8b], task: canary-box/canary-model}}
surfaces: {{chat: {{providers: [box], legacy: strict}}, canary-surface: }}
gateway:
  listen: "{listen}"
  state: canary-state.db
  keys: {{all: {{env: ALL}}, chat: {{env: CHAT, surfaces: [chat]}}}}
inventory: {{interval: 0.2, timeout: 1, grace: 0.5}}
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    env = {"ALL": "key-of-everything", "CHAT": "key-of-chat"}
    with running_stack(tmp_path_factory.mktemp("limited"), SPECS, fleet_yaml, env) as stack:

        def statuses() -> set[str]:
            fleet = stack.client.get("/api/fleet", headers=OPEN).json()
            return {provider["status"] for provider in fleet["providers"]}

        eventually(lambda: statuses() == {"online"})
        for id in ("canary-box/canary-model", "box/qwen3-8b"):
            stack.client.put(f"/api/favorites/{id}", headers=OPEN).raise_for_status()
        yield stack


@pytest.fixture(scope="module")
def operations(stack: Stack) -> list[tuple[str, str, dict[str, Any]]]:
    paths = stack.client.get("/openapi.json", headers=OPEN).json()["paths"]
    return [
        (method.upper(), path, operation)
        for path, each in paths.items()
        for method, operation in each.items()
    ]


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    text: str

    def json(self) -> Any:
        return json.loads(self.text)


def call(stack: Stack, method: str, path: str, **query: str) -> Response:
    """A response, of a stream its first bytes."""
    body: dict[str, Any] = {"favorites": []}
    with stack.client.stream(method, path, params=query, headers=LIMITED, json=body) as response:
        streams = response.headers.get("content-type", "").startswith("text/event-stream")
        content = next(response.iter_raw()) if streams else response.read()
    return Response(response.status_code, content.decode())


# What a path or a query may name: of the provider that the surface may use, and by every name of the other.
NAMES = ("qwen3-8b", "oldname/canary-model", "short", "@default", "@task", "canary-model", "nowhere/x")


def test_no_operation_shows_a_limited_key_of_another_provider(
    stack: Stack, operations: list[tuple[str, str, dict[str, Any]]]
) -> None:
    opened = set()
    for method, path, operation in operations:
        takes = {parameter["name"] for parameter in operation["parameters"]}
        for name in NAMES:
            query = {"surface": "chat"} | ({"model": name} if "model" in takes else {})
            response = call(stack, method, re.sub(r"\{\w+\}", quote(name, safe=""), path), **query)
            said = response.text.replace(name, "").replace(quote(name, safe=""), "")
            assert CANARY not in said, (method, path, name, response.text)
            if path in FOR_EVERY_KEY:
                continue
            assert response.status == 403 or "surface" in takes, (method, path)
            if response.status == 200:
                opened.add((method, path))
    assert opened >= {
        ("GET", "/api/models"),
        ("GET", "/api/picker"),
        ("GET", "/api/resolve"),
        ("GET", "/api/roles"),
        ("GET", "/api/favorites"),
        ("GET", "/api/fleet"),
        ("GET", "/api/fleet/history"),
        ("GET", "/api/events"),
        ("GET", "/api/activity"),
        ("GET", "/api/speed"),
        ("DELETE", "/api/favorites/{id}"),
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_rejected_inference_request_does_not_name_the_provider(stack: Stack, name: str) -> None:
    body = {"model": name, "messages": [{"role": "user", "content": "hi"}]}
    for response in (
        stack.client.post("/chat/v1/chat/completions", json=body, headers=LIMITED),
        stack.client.get(f"/chat/v1/models/{quote(name)}", headers=LIMITED),
    ):
        said = f"{response.text} {response.headers}".replace(name, "").replace(quote(name), "")
        assert CANARY not in said, (response.status_code, response.text)


def test_without_its_surface_a_limited_key_opens_nothing(
    stack: Stack, operations: list[tuple[str, str, dict[str, Any]]]
) -> None:
    for method, path, operation in operations:
        query = {"model": "x"} if operation["operationId"] == "resolve_name" else {}
        for surface in ({}, {"surface": "canary-surface"}):
            response = call(stack, method, re.sub(r"\{\w+\}", "x", path), **query, **surface)
            assert response.status == (200 if path in FOR_EVERY_KEY else 403), (method, path)


def test_a_surface_keeps_favorites_of_its_providers_with_its_own_key(stack: Stack) -> None:
    def favorites(response: Response | httpx.Response) -> list[str]:
        return [item["id"] for item in response.json()["favorites"]]

    assert favorites(call(stack, "DELETE", "/api/favorites/box/qwen3-8b", surface="chat")) == []
    assert favorites(call(stack, "PUT", "/api/favorites/box/qwen3-8b", surface="chat")) == ["box/qwen3-8b"]
    for method in ("PUT", "DELETE"):
        response = call(stack, method, "/api/favorites/canary-box/canary-model", surface="chat")
        assert (response.status, response.json()["error"]["code"]) == (403, "surface_not_allowed")
    assert favorites(stack.client.get("/api/favorites", headers=OPEN)) == [
        "canary-box/canary-model",
        "box/qwen3-8b",
    ]


def test_the_events_of_a_surface_are_those_of_its_providers(stack: Stack) -> None:
    lines: list[str] = []
    path = "/api/events?surface=chat"
    with stack.client.stream("GET", path, headers=LIMITED, timeout=20) as response:
        feed = response.iter_lines()
        assert next(feed) == ": connected"
        stack.machines.set("hidden", offline=True)
        history = "/api/fleet/canary-box/history"
        eventually(lambda: "offline" in stack.client.get(history, headers=OPEN).text)
        stack.machines.set("box", offline=True)
        for line in feed:
            lines.append(line)
            if '"offline"' in line:
                break
    for name in ("hidden", "box"):
        stack.machines.set(name, offline=False)
    assert '"provider":"box"' in lines[-1]
    assert not any(CANARY in line for line in lines)
