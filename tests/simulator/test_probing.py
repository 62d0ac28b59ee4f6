"""Probing a provider never loads, swaps or keeps a model, in whatever state the provider is."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fleet_runtime.dialects.observation import Observation
from fleet_runtime.simulator import SimulatedModel
from fleet_runtime.simulator.kinds import PRODUCTS
from fleet_runtime.simulator.spec import SimulatedKind
from tests.simulator.servers import CHAT, chat, client, machine, probe_server

pytestmark = pytest.mark.anyio

KINDS = tuple(PRODUCTS)
STATES: dict[str, dict[str, Any]] = {
    "cold": {},
    "loaded": {"loaded": True},
    "loaded with ttl": {"loaded": True, "ttl": 600},
    "broken": {"loadable": False},
}
BEHAVIOURS: list[dict[str, Any]] = [
    {},
    {"list_version": "v1"},
    {"list_body": "{}"},
    {"error_status": 500},
    {"loading": True},
    {"offline": True},
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("state", STATES)
async def test_probes_raise_no_counter(kind: SimulatedKind, state: str) -> None:
    others = () if kind == "llama-server" else (SimulatedModel("other"),)
    async with machine(kind, SimulatedModel("m", **STATES[state]), *others) as box:
        for behaviour in BEHAVIOURS:
            await box.reset()
            await box.apply(behaviour)
            seen: Observation | None = None
            for _ in range(3):
                seen = await probe_server(box, previous=seen)
            assert (box.load_count, box.ttl_resets, len(box.inference)) == (0, 0, 0)


async def test_probes_of_a_loading_model_do_not_affect_the_load() -> None:
    async with machine() as box, client(box) as http:
        before = await probe_server(box)
        await box.apply({"hold_loading": True})
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(http.post(CHAT, json=chat()))
            await box.until(lambda box: box.engine.loading_gate.waiting == 1)
            seen = await probe_server(box, previous=before)
            assert dict(seen.states) == {"m": "loading"}
            assert box.load_count == 1
            box.release_loading()


async def test_a_model_unloads_by_itself_while_it_is_probed_repeatedly() -> None:
    async with machine("llama-swap", SimulatedModel("m", loaded=True, ttl=0.2)) as box:
        seen = await probe_server(box)
        while box.engine.memory.state("m") == "loaded":
            seen = await probe_server(box, previous=seen)
        assert (box.load_count, box.ttl_resets) == (0, 0)


async def test_a_running_context_is_known_after_one_request_and_outlives_the_model() -> None:
    model = SimulatedModel("m", context=4096, ttl=600)
    async with machine("llama-swap", model, list_version="v1") as box, client(box) as http:
        cold = await probe_server(box)
        assert cold.models["m"].context is None
        await http.post(CHAT, json=chat())
        ready = await probe_server(box, previous=cold)
        assert (ready.models["m"].context, ready.models["m"].context_source) == (4096, "running")
        again = await probe_server(box, previous=ready)
        await http.get("/unload")
        gone = await probe_server(box, previous=again)
        assert (gone.models["m"].context, gone.states["m"]) == (4096, "unloaded")
        assert (box.load_count, box.ttl_resets) == (1, 1)
