"""``fleet resolve --json`` prints what ``GET /api/resolve`` returns, name for name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from fleet_runtime.simulator import ServerSpec, SimulatedModel, SimulationThread
from tests.cli.conftest import Fleet
from tests.support.stack import Stack, running_stack

SPECS = (
    ServerSpec(
        "box",
        kind="vllm",
        models=(SimulatedModel("chat"), SimulatedModel("org/chat"), SimulatedModel("secret-chat")),
        sidecar=True,
    ),
    ServerSpec("open", kind="vllm", models=(SimulatedModel("listed"),)),
    ServerSpec("nas", kind="ollama", models=(SimulatedModel("llama3:latest"),)),
)
NAMES = (
    *("box/chat", "box/emb", "chat", "emb", "box/org/chat", "org/chat", "box/secret-chat", "box/hidden"),
    *("old-box/chat", "box/nothing", "nothing", "box/", "", "/", "nowhere/chat", "llama-swap/box/chat"),
    *("open/listed", "open/anything", "nas/llama3", "nas/llama3:latest", "nas/llama3:8b", "off/m", "alias"),
    *("@default", "@task", "@none", "@", "box/ü ☃", "x" * 600),
)


def fleet_yaml(machines: SimulationThread, listen: str) -> str:
    return f"""\
version: 1
default_provider: box
providers:
  box:
    url: "{machines.url("box")}"
    sidecar: "{machines.sidecar_url("box")}"
    formerly: [old-box]
    exclude: ["secret-*"]
    models: {{emb: {{purpose: embedding, context: 512}}, hidden: {{hidden: true}}}}
  open: {{url: "{machines.url("open")}", unlisted: forward}}
  nas: {{url: "{machines.url("nas")}", kind: ollama}}
  off: {{url: http://127.0.0.1:9, enabled: false, models: [m]}}
aliases: {{alias: nas/llama3}}
namespaces: [llama-swap]
roles: {{default: box/chat, task: [off/m, open/listed]}}
surfaces: {{boochat: , narrow: {{providers: [nas]}}}}
gateway: {{listen: "{listen}"}}
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("resolve")
    with running_stack(folder, SPECS, fleet_yaml, online=("box", "open", "nas")) as stack:
        yield stack


@pytest.mark.parametrize("surface", [None, "boochat", "narrow"])
def test_the_command_and_the_api_resolve_every_name_alike(
    stack: Stack, fleet: Fleet, monkeypatch: pytest.MonkeyPatch, surface: str | None
) -> None:
    monkeypatch.chdir(stack.folder)
    option = ["--surface", surface] if surface else []
    for name in NAMES:
        printed: dict[str, Any] = json.loads(fleet("resolve", "--json", *option, "--", name).out)
        query = {"model": name} | ({"surface": surface} if surface else {})
        assert printed == stack.client.get("/api/resolve", params=query).json(), name
