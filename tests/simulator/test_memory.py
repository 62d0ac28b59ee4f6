"""Loading, swapping and unloading: what raises which counter, and what waits for what."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from fleet_runtime.simulator import SimulatedModel, SimulatedServer
from tests.simulator.servers import CHAT, chat, client, events, machine

pytestmark = pytest.mark.anyio

A, B = SimulatedModel("a"), SimulatedModel("b")


@asynccontextmanager
async def under_way(
    http: httpx.AsyncClient, box: SimulatedServer, model: str
) -> AsyncIterator[asyncio.Task[httpx.Response]]:
    """A chat with `model` that waits for its first part."""
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(http.post(CHAT, json=chat(model)))
        await box.until(lambda box: box.engine.gate.waiting == 1)
        yield task


async def test_a_cold_model_is_loaded_once_for_all_who_ask() -> None:
    async with machine("llama-swap", A) as box, client(box) as http:
        await box.apply({"hold_loading": True})
        async with asyncio.TaskGroup() as tasks:
            asked = [tasks.create_task(http.post(CHAT, json=chat("a"))) for _ in range(5)]
            await box.until(lambda box: len(box.records) == 5)
            running = (await http.get("/running")).json()["running"]
            assert [(entry["model"], entry["state"]) for entry in running] == [("a", "starting")]
            box.release_loading()
            assert {(await task).status_code for task in asked} == {200}
        running = (await http.get("/running")).json()["running"]
        assert [(entry["model"], entry["state"]) for entry in running] == [("a", "ready")]
        assert box.load_count == 1


async def test_llama_swap_swaps_when_another_model_is_asked_for() -> None:
    async with machine("llama-swap", A, B) as box, client(box) as http:
        for model in ("a", "b", "b", "a"):
            assert (await http.post(CHAT, json=chat(model))).status_code == 200
        assert box.engine.memory.loads == {"a": 2, "b": 1}
        assert box.engine.memory.occupied == {"a": "loaded"}


async def test_a_swap_waits_for_the_running_request() -> None:
    async with machine("llama-swap", A, B) as box, client(box) as http:
        await box.apply({"hold": True})
        async with under_way(http, box, "a") as first, asyncio.TaskGroup() as tasks:
            second = tasks.create_task(http.post(CHAT, json=chat("b")))
            await box.until(lambda box: len(box.records) == 2)
            assert box.engine.memory.occupied == {"a": "loaded"}
            await box.apply({"hold": False})
            assert (await first).status_code == (await second).status_code == 200


async def test_two_models_stay_where_there_is_room_for_two() -> None:
    async with machine("llama-swap", A, B, max_loaded=2) as box, client(box) as http:
        for model in ("a", "b", "a", "b"):
            await http.post(CHAT, json=chat(model))
        assert box.load_count == 2


async def test_an_idle_model_unloads_after_its_time_to_live() -> None:
    short = SimulatedModel("a", ttl=0.02)
    async with machine("llama-swap", short) as box, client(box) as http:
        await http.post(CHAT, json=chat("a"))
        await box.until(lambda box: box.engine.memory.state("a") == "unloaded")
        assert (box.load_count, box.ttl_resets) == (1, 0)


async def test_everything_that_touches_a_loaded_model_with_ttl_is_counted() -> None:
    model = SimulatedModel("a", ttl=600, loaded=True)
    async with machine("llama-swap", model, B) as box, client(box) as http:
        for path in ("/v1/models", "/running", "/health", "/api/version"):
            await http.get(path)
        assert box.ttl_resets == 0
        await http.get("/upstream/a/props")
        await http.get("/props?model=a")
        await http.post(CHAT, json=chat("a"))
        assert (box.ttl_resets, box.load_count) == (3, 0)


async def test_the_properties_of_an_unloaded_model_load_it() -> None:
    async with machine("llama-swap", A) as box, client(box) as http:
        assert (await http.get("/upstream/a/props")).json()["default_generation_settings"]["n_ctx"] == 8192
        assert box.load_count == 1


async def test_a_model_that_cannot_be_loaded_is_an_error_and_stays_unloaded() -> None:
    broken = SimulatedModel("a", loadable=False)
    async with machine("llama-swap", broken) as box, client(box) as http:
        answer = await http.post(CHAT, json=chat("a"))
        assert answer.status_code == 500
        assert "exited prematurely" in answer.json()["error"]["message"]
        assert box.engine.memory.occupied == {}


async def test_an_explicit_unload_ends_a_stream_as_if_it_were_complete() -> None:
    """As recorded: properly framed, without anything that says it is the end."""
    async with machine("llama-swap", A) as box, client(box) as http:
        await box.apply({"hold": True, "chunks": 3})
        async with asyncio.TaskGroup() as tasks:
            asked = tasks.create_task(http.post(CHAT, json=chat("a", stream=True)))
            await box.until(lambda box: box.engine.gate.waiting == 1)
            box.release()
            await box.until(lambda box: box.engine.gate.waiting == 1)
            await http.get("/unload")
            answer = await asked
        assert box.engine.memory.occupied == {}
    assert answer.status_code == 200
    assert answer.text.startswith("data: ")
    assert "[DONE]" not in answer.text
    assert '"finish_reason":"' not in answer.text


async def test_an_explicit_unload_before_the_first_byte_is_an_empty_502() -> None:
    async with machine("llama-swap", A) as box, client(box) as http:
        await box.apply({"hold": True})
        async with asyncio.TaskGroup() as tasks:
            asked = tasks.create_task(http.post(CHAT, json=chat("a", stream=True)))
            await box.until(lambda box: box.engine.gate.waiting == 1)
            await http.get("/unload")
            answer = await asked
    assert (answer.status_code, answer.content) == (502, b"")


async def test_an_unload_while_loading_ends_the_wait() -> None:
    async with machine("llama-swap", A) as box, client(box) as http:
        await box.apply({"hold_loading": True})
        async with asyncio.TaskGroup() as tasks:
            asked = tasks.create_task(http.post(CHAT, json=chat("a")))
            await box.until(lambda box: box.engine.loading_gate.waiting == 1)
            await http.get("/unload")
            assert (await asked).status_code == 500


async def test_the_loading_state_streams_before_the_model_is_there() -> None:
    async with machine("llama-swap", A) as box, client(box) as http:
        await box.apply({"hold_loading": True, "loading_state": True})
        async with http.stream("POST", CHAT, json=chat("a", stream=True)) as answer:
            pieces = answer.aiter_raw()
            first = events(await anext(pieces))
            assert list(first[0]["choices"][0]["delta"]) == ["reasoning_content"]
            assert list(first[0]) == ["choices"]
            box.release_loading()
            rest = events(b"".join([piece async for piece in pieces]))
        assert rest[-1] == "[DONE]"
        assert any("Done!" in str(event) for event in rest)
        assert rest[-2]["object"] == "chat.completion.chunk"


async def test_fault_16_a_failed_load_ends_the_loading_state_with_raw_json() -> None:
    broken = SimulatedModel("a", loadable=False)
    async with machine("llama-swap", broken) as box, client(box) as http:
        await box.apply({"loading_state": True})
        answer = await http.post(CHAT, json=chat("a", stream=True))
        assert answer.status_code == 200
        last = answer.text.strip().split("\n")[-1]
        assert last.startswith('{"src":"llama-swap","error":')
        assert "[DONE]" not in answer.text


async def test_events_show_each_change_of_state() -> None:
    async with machine("llama-swap", A) as box, client(box) as http:
        async with http.stream("GET", "/api/events") as answer:
            lines = answer.aiter_lines()
            states = []
            while "starting" not in states:
                line = await anext(lines)
                if "inflight" in line:
                    asked = asyncio.create_task(http.post(CHAT, json=chat("a")))
                states += [word for word in ("stopped", "starting") if word in line]
        await asked
        assert states[0] == "stopped"


async def test_a_router_loads_and_unloads_on_demand() -> None:
    async with machine("llama-server-router", A, B) as box, client(box) as http:
        assert (await http.get("/props?model=a&autoload=false")).status_code == 400
        assert box.load_count == 0
        assert (await http.post("/models/load", json={"model": "a"})).json() == {"success": True}
        await box.until(lambda box: box.engine.memory.state("a") == "loaded")
        assert (await http.post("/models/load", json={"model": "a"})).status_code == 400
        assert (await http.post("/models/unload", json={"model": "a"})).status_code == 200
        assert box.engine.memory.state("a") == "unloaded"


async def test_a_router_shows_each_change_of_state() -> None:
    async with (
        machine("llama-server-router", A) as box,
        client(box) as http,
        http.stream("GET", "/models/sse") as answer,
    ):
        pieces = answer.aiter_raw()
        await http.post("/models/load", json={"model": "a"})
        told: list[str] = []
        while told[-1:] != ["loaded"]:
            told += [event["data"]["status"] for event in events(await anext(pieces))]
    assert told == ["loading", "loaded"]
