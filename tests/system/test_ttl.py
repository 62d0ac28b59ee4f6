"""Probing a provider never loads a model, and never keeps one from unloading."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fleet_runtime.simulator import ServerSpec, SimulatedModel, SimulationThread
from fleet_runtime.simulator.kinds import PRODUCTS
from fleet_runtime.simulator.spec import SimulatedKind
from tests.support.event_reader import following
from tests.support.stack import Stack, running_stack
from tests.support.waiting import eventually

TTL = 1.5
FAST_LOOKS = 15
KINDS = tuple(PRODUCTS)


def often_asked(machines: SimulationThread, listen: str) -> str:
    providers = "\n".join(
        f"  {kind}: {{url: '{machines.url(kind)}', poll: 0.1, sidecar: '{machines.sidecar_url(kind)}'}}"
        for kind in KINDS
    )
    return f"""\
version: 1
default_provider: llama-swap
providers:
{providers}
surfaces: {{boochat: }}
gateway: {{listen: "{listen}"}}
inventory: {{interval: 0.1, timeout: 1, grace: 1}}
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A provider of every kind, each with a model that unloads by itself and one that nobody uses."""
    models = (SimulatedModel("short", ttl=TTL, context=4096), SimulatedModel("unused", ttl=TTL))
    specs = [ServerSpec(kind, kind=kind, models=models, sidecar=True) for kind in KINDS]
    folder = tmp_path_factory.mktemp("ttl")
    with running_stack(folder, specs, often_asked, online=KINDS) as stack:
        yield stack


def state(stack: Stack, kind: str) -> str:
    return str(stack.client.get(f"/api/models/{kind}/short").json()["state"])


def looks(stack: Stack, kind: str) -> int:
    paths = ("/v1/models", "/models", "/api/v0/models", "/api/tags")
    return sum(record.path in paths for record in stack.machines.records(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_a_constantly_probed_provider_loads_nothing(stack: Stack, kind: SimulatedKind) -> None:
    before = looks(stack, kind)
    eventually(lambda: looks(stack, kind) > before + FAST_LOOKS)
    unused = stack.machines.counters(kind)["models"]["unused"]
    assert (unused["loads"], unused["ttl_resets"], unused["inference"]) == (0, 0, 0)


@pytest.mark.parametrize("kind", ["llama-swap", "llama-server-router"])
def test_a_model_with_a_short_life_unloads_while_it_is_watched(stack: Stack, kind: SimulatedKind) -> None:
    """One question for its properties is allowed, after it was seen to become ready: llama-swap counts it."""
    with following(stack) as feed:
        assert stack.chat(f"{kind}/short").status_code == 200
        feed.until("state", {"id": f"{kind}/short", "state": "loaded"})
        asked = looks(stack, kind)
        feed.until("state", {"id": f"{kind}/short", "state": "unloaded"}, 2 * TTL + 5)
        assert looks(stack, kind) >= asked + 2
    counters = stack.machines.counters(kind)["models"]["short"]
    assert counters["loads"] == 1
    assert counters["ttl_resets"] <= 1
    model = stack.client.get(f"/api/models/{kind}/short").json()
    assert (model["state"], model["context"], model["context_source"]) == ("unloaded", 4096, "running")
    records = stack.machines.records(kind)
    assert (
        sum("props" in record.request.target and "short" in record.request.target for record in records) <= 1
    )
