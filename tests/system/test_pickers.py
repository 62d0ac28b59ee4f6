"""What people choose from: names that tell models apart, and only models that can chat in a picker."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from fleet_runtime.simulator import ServerSpec, SimulatedModel, SimulationThread
from tests.support.stack import Stack, running_stack

SPECS = (
    ServerSpec("desk", kind="vllm", models=(SimulatedModel("qwen3-8b"), SimulatedModel("alone"))),
    ServerSpec("strix", kind="vllm", models=(SimulatedModel("qwen3-8b"),)),
)


def fleet_yaml(machines: SimulationThread, listen: str) -> str:
    return f"""\
version: 1
default_provider: desk
providers:
  desk:
    url: "{machines.url("desk")}"
    models: {{emb: {{purpose: embedding}}, ranker: {{purpose: rerank}}}}
  strix: {{url: "{machines.url("strix")}", label: Strix Halo}}
surfaces: {{chat: , narrow: {{providers: [desk]}}}}
gateway: {{listen: "{listen}"}}
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("pickers")
    with running_stack(folder, SPECS, fleet_yaml, online=("desk", "strix")) as stack:
        for id in ("desk/emb", "desk/alone"):
            stack.client.put(f"/api/favorites/{id}").raise_for_status()
        yield stack


def names(listed: dict[str, Any]) -> dict[str, str]:
    return {model["id"]: model["name"] for provider in listed["providers"] for model in provider["models"]}


def test_names_that_would_be_equal_show_the_provider_in_every_list(stack: Stack) -> None:
    expected = {
        "desk/qwen3-8b": "qwen3-8b (desk)",
        "desk/alone": "alone",
        "strix/qwen3-8b": "qwen3-8b (Strix Halo)",
    }
    picker = names(stack.client.get("/api/picker?surface=chat").json())
    assert picker == expected
    openai = {item["id"]: item["name"] for item in stack.client.get("/chat/v1/models").json()["data"]}
    assert openai == expected | {"desk/emb": "emb", "desk/ranker": "ranker"}
    assert names(stack.client.get("/api/models?surface=chat").json()) == openai
    assert names(stack.client.get("/api/models?surface=narrow").json()).items() <= openai.items()
    for id, name in openai.items():
        assert stack.client.get(f"/v1/models/{id}").json()["name"] == name
        assert stack.client.get(f"/api/models/{id}").json()["name"] == name


def test_the_openai_list_has_the_purpose_of_each_model(stack: Stack) -> None:
    items = stack.client.get("/v1/models").json()["data"]
    assert {item["id"]: item["purpose"] for item in items} == {
        "desk/alone": "chat",
        "desk/emb": "embedding",
        "desk/qwen3-8b": "chat",
        "desk/ranker": "rerank",
        "strix/qwen3-8b": "chat",
    }


def test_a_picker_has_chat_models_only(stack: Stack) -> None:
    picker = stack.client.get("/api/picker").json()
    assert [model["id"] for model in picker["favorites"]] == ["desk/alone"]
    assert {"desk/emb", "desk/ranker"}.isdisjoint(names(picker))


def test_fleet_models_lists_the_same_names(stack: Stack) -> None:
    listed = json.loads(stack.fleet("models", "--json").stdout)
    assert names(listed) == names(stack.client.get("/api/models").json())
