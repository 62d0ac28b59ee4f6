"""What a response's headers tell of the gateway: its own time, the provider's, the model's state, an id."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fleet_runtime.simulator import ServerSpec, SimulatedModel, Simulation
from tests.support import artifacts
from tests.support.artifacts import connection, write_generated
from tests.support.gateway import gateway_before, running_gateway
from tests.support.process import gateway_process
from tests.support.raw_client import ask
from tests.support.raw_server import Peer
from tests.support.waiting import pace

pytestmark = pytest.mark.anyio

CHAT = "/v1/chat/completions"
HELD_SECONDS = 0.2


async def slow(peer: Peer) -> None:
    while True:
        await peer.request()
        await pace(HELD_SECONDS)  # the provider's time, which is what is measured
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n")
        await pace(HELD_SECONDS)
        await peer.send(b"{}")


def timing(answer_header: list[bytes]) -> dict[str, float]:
    [header] = answer_header
    return {name: float(value) for name, value in re.findall(r"(\w+);dur=([0-9.]+)", header.decode())}


async def test_the_providers_time_is_not_counted_as_the_gateways() -> None:
    async with gateway_before(slow) as (_, gateway):
        answer = await ask(gateway.port, CHAT, {"model": "a/m"})
        told = timing(answer.header(b"server-timing"))
        assert told.keys() == {"gateway", "machine"}
        assert told["machine"] >= 2 * HELD_SECONDS * 1000 * 0.95
        assert 0 < told["gateway"] < told["machine"]
        record = await gateway.record()
        assert record.gateway_seconds is not None
        assert record.gateway_seconds == pytest.approx(told["gateway"] / 1000, abs=1e-5)
        assert record.finished_at is not None
        assert record.gateway_seconds < record.finished_at - record.started_at


async def test_a_rejected_request_has_only_the_gateways_time() -> None:
    async with gateway_before(slow) as (machine, gateway):
        answer = await ask(gateway.port, CHAT, {"model": "a/nothing"})
        assert answer.status == 404
        assert timing(answer.header(b"server-timing")).keys() == {"gateway"}
        assert machine.requests == []


async def test_the_wait_for_an_unreachable_provider_is_the_providers_time() -> None:
    async with running_gateway(connection("a", "http://127.0.0.1:1")) as gateway:
        answer = await ask(gateway.port, CHAT, {"model": "a/m"})
        assert answer.status == 503
        assert timing(answer.header(b"server-timing")).keys() == {"gateway", "machine"}


async def test_the_state_of_the_model_is_the_one_known_when_the_request_was_sent() -> None:
    async with gateway_before(slow) as (_, gateway):
        answer = await ask(gateway.port, CHAT, {"model": "a/m"})
        assert answer.header(b"x-fleet-state") == [b"loaded"]
        refused = await ask(gateway.port, CHAT, {"model": "a/nothing"})
        assert refused.header(b"x-fleet-state") == []


@pytest.mark.parametrize("path", ["/v1/models", "/nowhere"])
async def test_a_request_id_comes_back_on_every_response(path: str) -> None:
    async with running_gateway(connection("a")) as gateway:
        answer = await ask(gateway.port, path, headers={"x-request-id": "mine-1"})
        assert answer.header(b"x-request-id") == [b"mine-1"]
        made = await ask(gateway.port, path)
        assert re.fullmatch(rb"[0-9a-f]{32}", made.header(b"x-request-id")[0])


async def test_every_request_is_reported_when_it_is_over() -> None:
    async with running_gateway(connection("a")) as gateway:
        await ask(gateway.port, "/v1/models")
        await ask(gateway.port, CHAT, {"model": "a/nothing"}, {"host": "evil.example"})
        await ask(gateway.port, "/nowhere")
        first, second, third = [await gateway.record(number) for number in range(3)]
        assert (first.endpoint, first.inference, first.status, first.end_reason) == (
            "/v1/models",
            False,
            200,
            "ok",
        )
        assert (second.endpoint, second.inference) == ("/v1/chat/completions", True)
        assert (second.status, second.code, second.end_reason) == (403, "forbidden_host", "refused")
        assert (third.endpoint, third.status, third.code) == ("/nowhere", 404, "not_found")


async def test_loaded_and_unloaded_models_are_distinguished_as_the_provider_says(tmp_path: Path) -> None:
    models = (SimulatedModel("warm", loaded=True), SimulatedModel("cold"))
    async with Simulation([ServerSpec("a", models=models, max_loaded=2)]) as machines:
        write_generated(tmp_path / "generated", artifacts.gateway(connection("a", machines["a"].url)))
        async with gateway_process(tmp_path / "generated") as served:
            await served.said("provider 'a' is online")
            warm = await ask(served.port, CHAT, {"model": "a/warm", "messages": []})
            cold = await ask(served.port, CHAT, {"model": "a/cold", "messages": []})
    assert [warm.header(b"x-fleet-state"), cold.header(b"x-fleet-state")] == [[b"loaded"], [b"unloaded"]]
