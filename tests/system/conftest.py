"""A fleet of four providers: one with a sidecar, two without, and a cloud."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from fleet_runtime.simulator import ServerSpec, SimulatedModel, SimulationThread
from tests.support.favorites_fleet import own_stack
from tests.support.stack import Stack, running_stack

__all__ = ["GRACE", "INTERVAL", "LOCAL", "SHARED", "listed", "living_fleet", "own_stack", "stack", "started"]

INTERVAL = 0.2
GRACE = 1.0
LOCAL = ("sam-desktop", "embedding", "attic")
SHARED = ("qwen3-8b", "qwen3-4b", "deepseek-r1-qwen3-8b")


def living_fleet(machines: SimulationThread, listen: str) -> str:
    cloud = ", ".join(f"{model}: {{context: 131072}}" for model in SHARED)
    return f"""\
version: 1
default_provider: sam-desktop
providers:
  sam-desktop: {{url: "{machines.url("sam-desktop")}", sidecar: "{machines.sidecar_url("sam-desktop")}"}}
  embedding: {machines.url("embedding")}
  attic: {machines.url("attic")}
  deepseek:
    url: {machines.url("deepseek")}
    class: cloud
    api_key_env: LIVING_CLOUD_KEY
    models: {{{cloud}}}
roles: {{default: sam-desktop/qwen3-8b, task: [attic/qwen3-4b, embedding/qwen3-4b]}}
surfaces: {{boochat: , boocoder: , arena: }}
gateway: {{listen: "{listen}"}}
inventory: {{interval: {INTERVAL}, timeout: 1, grace: {GRACE}}}
"""


def started(folder: Path) -> AbstractContextManager[Stack]:
    models = tuple(SimulatedModel(model, context=16384) for model in SHARED)
    specs = (
        ServerSpec("sam-desktop", models=models, sidecar=True, max_loaded=len(SHARED)),
        ServerSpec("embedding", models=models, max_loaded=len(SHARED)),
        ServerSpec("attic", models=models, max_loaded=len(SHARED)),
        ServerSpec("deepseek", kind="cloud", models=models, api_key="cloud-secret"),
    )
    return running_stack(folder, specs, living_fleet, {"LIVING_CLOUD_KEY": "cloud-secret"}, online=LOCAL)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One for all tests of a module; each leaves the providers as it found them."""
    with started(tmp_path_factory.mktemp("living")) as stack:
        yield stack


def listed(stack: Stack, base: str = "/boochat") -> list[str]:
    """The ids of `<base>/v1/models`."""
    return [item["id"] for item in stack.client.get(f"{base}/v1/models").json()["data"]]
