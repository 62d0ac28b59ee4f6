"""A fleet for tests of favorites: three providers, three surfaces, a role and an alias."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from fleet_runtime.simulator import ServerSpec, SimulatedModel, SimulationThread
from tests.support.stack import Stack, running_stack

MACHINES = ("sam-desktop", "embedding", "nas")
GRACE = 0.5
HARD_ID = "nas/org/ü%2F ☃?#:x"


def favorite_fleet(machines: SimulationThread, listen: str) -> str:
    sidecar = machines.sidecar_url("sam-desktop")
    return f"""\
version: 1
default_provider: sam-desktop
providers:
  sam-desktop: {{url: "{machines.url("sam-desktop")}", sidecar: "{sidecar}"}}
  embedding: {{url: "{machines.url("embedding")}"}}
  nas: {{url: "{machines.url("nas")}"}}
  unset: {{url: "{machines.url("nas")}", api_key_env: FLEET_TEST_UNSET_KEY}}
aliases: {{old-qwen: embedding/qwen3-8b}}
namespaces: [llama-swap]
roles: {{task: embedding/qwen3-8b}}
surfaces: {{boochat: , boocoder: , arena: {{providers: [embedding]}}}}
gateway: {{listen: "{listen}"}}
inventory: {{interval: 0.1, timeout: 1, grace: {GRACE}}}
"""


@pytest.fixture(scope="module")
def shared_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with _started(tmp_path_factory.mktemp("fleet")) as stack:
        yield stack


@pytest.fixture
def stack(shared_stack: Stack) -> Stack:
    """A running fleet without favorites, for tests that leave providers and files as they are."""
    emptied = shared_stack.client.put("/api/favorites", json={"favorites": []}, headers={"if-match": "*"})
    assert emptied.status_code == 200, emptied.text
    return shared_stack


@pytest.fixture
def own_stack(tmp_path: Path) -> Iterator[Stack]:
    """A running fleet of one's own."""
    with _started(tmp_path) as stack:
        yield stack


def _started(folder: Path) -> AbstractContextManager[Stack]:
    models = (SimulatedModel("qwen3-8b"), SimulatedModel("qwen3-4b"))
    many = (SimulatedModel("llama3:latest"), SimulatedModel(HARD_ID.removeprefix("nas/")))
    specs = (
        ServerSpec("sam-desktop", models=models, sidecar=True),
        ServerSpec("embedding", models=models),
        ServerSpec("nas", kind="ollama", models=many),
    )
    return running_stack(folder, specs, favorite_fleet, online=MACHINES)
