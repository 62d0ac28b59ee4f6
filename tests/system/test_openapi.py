"""``/openapi.json`` describes the API: its examples and the real responses match the shapes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from fleet_runtime.api.shapes import (
    ErrorBody,
    FleetStatus,
    Health,
    History,
    ProviderReport,
    Ready,
    Serving,
)
from fleet_runtime.api_shape import ApiShape
from fleet_runtime.catalog.shapes import (
    CatalogModel,
    FavoriteList,
    ModelCatalog,
    ModelResolution,
    Picker,
    Roles,
)
from fleet_runtime.errors import ERROR_KINDS
from fleet_runtime.events import EVENTS, Topic
from tests.support.event_reader import following
from tests.support.stack import Stack
from tests.support.waiting import eventually

METHODS = ("get", "put", "post", "delete")
READS: dict[str, type[ApiShape]] = {
    "/health": Health,
    "/ready": Ready,
    "/api/models": ModelCatalog,
    "/api/models?surface=arena": ModelCatalog,
    "/api/models/embedding/qwen3-8b": CatalogModel,
    "/api/models/nobodys": ErrorBody,
    "/api/picker?surface=boochat": Picker,
    "/api/resolve?model=qwen3-8b&surface=arena": ModelResolution,
    "/api/resolve?model=@task": ModelResolution,
    "/api/resolve?model=embedding/qwen3-8x": ModelResolution,
    "/api/resolve?model=cellar/qwen3-8b": ModelResolution,
    "/api/resolve": ErrorBody,
    "/api/roles?surface=boochat": Roles,
    "/api/roles?surface=nowhere": ErrorBody,
    "/api/favorites": FavoriteList,
    "/api/fleet": FleetStatus,
    "/api/fleet/history": History,
    "/api/fleet/attic/history?limit=5": History,
    "/api/nothing": ErrorBody,
}


@pytest.fixture(scope="module")
def description(stack: Stack) -> dict[str, Any]:
    answer = stack.client.get("/openapi.json")
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


def described(content: Any, shape: type[ApiShape]) -> bool:
    """Whether a response is as its shape says, down to the last key."""
    return bool(json.loads(msgspec.json.encode(msgspec.convert(content, shape))) == content)


@pytest.mark.parametrize("path", READS)
def test_a_response_has_exactly_the_keys_that_are_described(stack: Stack, path: str) -> None:
    stack.client.put("/api/favorites/attic/qwen3-4b").raise_for_status()
    assert described(stack.client.get(path).json(), READS[path])


def test_the_response_of_a_change_is_described(stack: Stack) -> None:
    assert described(stack.client.post("/api/fleet/attic/refresh").json(), ProviderReport)
    assert described(stack.client.post("/api/reload").json(), Serving)
    for request in (stack.client.put, stack.client.delete):
        assert described(request("/api/favorites/attic/qwen3-4b").json(), FavoriteList)


def test_every_operation_has_a_summary_a_shape_with_an_example_and_its_errors(
    description: dict[str, Any],
) -> None:
    schemas = description["components"]["schemas"]
    seen = 0
    for path, methods in description["paths"].items():
        for method in METHODS:
            if method not in methods:
                continue
            seen += 1
            operation = methods[method]
            assert operation["summary"], path
            assert {"200", "default"} <= operation["responses"].keys(), path
            assert "422" not in operation["responses"], path
            (content,) = operation["responses"]["200"]["content"].values()
            name = content["schema"].get("$ref", "").rpartition("/")[2]
            assert "example" in content or schemas[name]["examples"], path
            for parameter in operation.get("parameters", ()):
                assert parameter["description"], (path, parameter["name"])
    assert seen >= 17


def test_only_the_statuses_of_known_codes_are_described(description: dict[str, Any]) -> None:
    known = {str(fault.status) for fault in ERROR_KINDS.values()} | {"200", "304", "default"}
    for methods in description["paths"].values():
        for operation in methods.values():
            assert operation["responses"].keys() <= known


def test_every_topic_has_an_event_that_is_described(description: dict[str, Any]) -> None:
    mapping = description["components"]["schemas"]["FleetEvent"]["discriminator"]["mapping"]
    assert mapping.keys() == set(get_args(Topic))


def test_events_are_as_they_are_described(stack: Stack) -> None:
    with following(stack) as feed:
        stack.machines.set("attic", list_body='{"data": [{"id": "only"}]}')
        feed.until("models", {"provider": "attic", "listed": 1, "appeared": ["only"]})
        stack.machines.set("attic", list_body=None)
        feed.until("models", {"provider": "attic", "vanished": ["only"]})
        stack.chat("attic/qwen3-8b").raise_for_status()
        feed.until("state", {"id": "attic/qwen3-8b", "state": "loaded"})
        stack.machines.set("attic", offline=True)
        feed.until("provider", {"provider": "attic", "status": "offline"})
        stack.machines.set("attic", offline=False)
        version = stack.client.put("/api/favorites/embedding/qwen3-8b").json()["version"]
        feed.until("favorites", {"version": version})
        stack.client.delete("/api/favorites/embedding/qwen3-8b").raise_for_status()
    eventually(lambda: stack.status("attic") == "online")
    with following(stack, "before-1") as old:
        old.until("resync", {})
    shapes = {shape.topic: shape for shape in EVENTS}
    for event in feed.events + old.events:
        assert described(event["data"], shapes[event["event"]])


@pytest.mark.parametrize("examples", [5, pytest.param(40, marks=pytest.mark.slow)])
def test_nothing_that_the_description_allows_or_forbids_surprises_the_api(
    stack: Stack, examples: int
) -> None:
    """schemathesis asks everything but the endless stream of events."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli"),
            *("--config-file", str(Path(__file__).with_name("schemathesis.toml"))),
            *("run", f"{stack.url}/openapi.json", "--exclude-path", "/api/events", "--no-color"),
            *("--max-examples", str(examples)),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        cwd=stack.folder,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert stack.process.poll() is None
    assert "internal_error" not in stack.log
