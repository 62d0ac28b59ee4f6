"""The control plane, the record, the sidecar, and running the simulator as a process or in a thread."""

from __future__ import annotations

import asyncio
import base64
import json
import signal
import sys

import httpx
import pytest

from fleet_runtime.simulator import ServerSpec, SimulatedModel, Simulation, SimulationThread
from tests.simulator.servers import CHAT, chat, client, machine

pytestmark = pytest.mark.anyio


async def test_every_request_is_recorded_complete() -> None:
    async with machine() as box, client(box) as http:
        body = b'{"model": "m",  "messages": [], "x": "\xc5\xbc\\u0000"}'
        await http.post(f"{CHAT}?a=%2Fb", content=body, headers=[("X-Two", "1"), ("X-Two", "2")])
        recorded = (await http.get("/_sim/requests")).json()["requests"]
    assert len(recorded) == 1
    record = recorded[0]
    assert (record["method"], record["target"]) == ("POST", f"{CHAT}?a=%2Fb")
    assert base64.b64decode(record["body"]) == body
    assert [value for name, value in record["headers"] if name == "X-Two"] == ["1", "2"]
    assert (record["machine"], record["sidecar"], record["inference"]) == ("box", False, True)


async def test_inference_requests_are_distinguished_from_the_others() -> None:
    async with machine() as box, client(box) as http:
        await http.get("/v1/models")
        await http.post("/v1/embeddings", json={"model": "m", "input": "x"})
        await http.post("/upstream/m/v1/chat/completions", json=chat())
        only = (await http.get("/_sim/requests?inference=true")).json()["requests"]
        assert [record["target"] for record in only] == [
            "/v1/embeddings",
            "/upstream/m/v1/chat/completions",
        ]


async def test_counters_count_by_model() -> None:
    models = SimulatedModel("a", ttl=60), SimulatedModel("b")
    async with machine("llama-swap", *models) as box, client(box) as http:
        for _ in range(2):
            await http.post(CHAT, json=chat("a"))
        counters = (await http.get("/_sim/counters")).json()
    assert (counters["inference"], counters["loads"], counters["ttl_resets"]) == (2, 1, 1)
    assert counters["models"]["a"] == {"state": "loaded", "inference": 2, "loads": 1, "ttl_resets": 1}
    assert counters["models"]["b"]["state"] == "unloaded"


async def test_a_test_can_wait_for_requests_to_arrive() -> None:
    async with machine() as box, client(box) as http:
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(http.get("/_sim/requests?at_least=1"))
            tasks.create_task(http.get("/health"))
            assert len((await waiting).json()["requests"]) == 1
        assert (await http.get("/_sim/requests?at_least=9&seconds=0.01")).status_code == 408


async def test_a_wrong_change_changes_nothing_and_says_why() -> None:
    async with machine() as box, client(box) as http:
        before = (await http.get("/_sim/behaviour")).json()
        for wrong in ({"hangs": True}, {"hang": "perhaps"}, {"drop": "gently"}):
            answer = await http.post("/_sim/behaviour", json=wrong)
            assert answer.status_code == 400
            assert next(iter(wrong)) in answer.text
        assert (await http.post("/_sim/behaviour", content=b"[")).status_code == 400
        assert (await http.get("/_sim/behaviour")).json() == before
        assert (await http.get("/_sim/nothing")).status_code == 404


async def test_the_control_plane_is_never_disturbed_nor_recorded() -> None:
    async with machine() as box, client(box) as http:
        change = {"hang": True, "error_status": 500, "drop_at_byte": 0, "require_key": "k", "gzip": True}
        assert (await http.post("/_sim/behaviour", json=change)).status_code == 200
        assert (await http.get("/_sim/counters")).json()["requests"] == 0


async def test_parts_are_released_over_http() -> None:
    async with machine("llama-server") as box, client(box) as http:
        await http.post("/_sim/behaviour", json={"hold": True})
        async with asyncio.TaskGroup() as tasks:
            asked = tasks.create_task(http.post(CHAT, json=chat()))
            await box.until(lambda box: box.engine.gate.waiting == 1)
            await http.post("/_sim/release", json={"chunks": 1})
            assert (await asked).status_code == 200


async def test_a_reset_makes_everything_as_it_was() -> None:
    models = (SimulatedModel("a", loaded=True), SimulatedModel("b"))
    async with machine("llama-swap", *models) as box, client(box) as http:
        await http.post(CHAT, json=chat("b"))
        await box.apply({"gzip": True})
        counters = (await http.post("/_sim/reset")).json()
        assert (counters["requests"], counters["loads"]) == (0, 0)
        assert counters["models"]["a"]["state"] == "loaded"
        assert not box.behaviour.gzip


async def test_a_sidecar_responds_to_chats_as_its_provider_and_marks_them() -> None:
    async with machine(sidecar=True) as box, client(box) as http:
        answer = await http.post(f"{box.sidecar_url}{CHAT}", json=chat(text="hi"))
        assert answer.json()["choices"][0]["message"]["content"] == "[box] m: hi"
        assert answer.headers["x-sidecar"] == "box"
        assert (await http.get(f"{box.sidecar_url}/health")).status_code == 200
        assert (await http.get(f"{box.sidecar_url}/v1/models")).status_code == 404
        assert [record.sidecar for record in box.records] == [True, True, True]


async def test_providers_with_the_same_model_say_who_they_are() -> None:
    specs = [ServerSpec(name, models=(SimulatedModel("m"),)) for name in ("one", "two")]
    async with Simulation(specs) as simulation:
        for name in ("one", "two"):
            async with client(simulation[name]) as http:
                said = (await http.post(CHAT, json=chat(text="hi"))).json()
                assert said["choices"][0]["message"]["content"] == f"[{name}] m: hi"
                assert (said["model"], said["system_fingerprint"]) == ("m", name)


async def test_two_providers_of_one_name_are_rejected() -> None:
    with pytest.raises(ValueError, match="server 'a' already exists"):
        async with Simulation([ServerSpec("a"), ServerSpec("a")]):
            pass


async def test_a_broken_request_gets_a_response_400_and_closed() -> None:
    async with machine() as box:
        reader, writer = await asyncio.open_connection("127.0.0.1", box.port)
        writer.write(b"nonsense\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 400")
        writer.close()


async def test_pipelined_requests_get_responses_in_order() -> None:
    async with machine("llama-server") as box:
        reader, writer = await asyncio.open_connection("127.0.0.1", box.port)
        ask = b"GET %s HTTP/1.1\r\nHost: box\r\n%s\r\n"
        writer.write(ask % (b"/health", b"") + ask % (b"/nowhere", b"Connection: close\r\n"))
        answers = await reader.read()
        writer.close()
    assert answers.index(b"200 OK") < answers.index(b"404 Not Found")


def test_a_thread_runs_providers_for_synchronous_code() -> None:
    with SimulationThread([ServerSpec("a", models=(SimulatedModel("m"),), sidecar=True)]) as machines:
        url = machines.url("a")
        with httpx.Client(base_url=url, trust_env=False, verify=False) as http:
            assert http.post(CHAT, json=chat()).status_code == 200
            machines.set("a", error_status=500)
            assert http.post(CHAT, json=chat()).status_code == 500
            machines.until("a", lambda box: len(box.records) == 2)
            assert [record.json["model"] for record in machines.inference("a")] == ["m", "m"]
            machines.reset("a")
            assert machines.counters("a")["requests"] == 0
            other = machines.add(ServerSpec("b", "cloud", (SimulatedModel("m"),)))
            assert http.get(f"{other}/v1/models").status_code == 200
            machines.set("a", offline=True)
            with pytest.raises(httpx.TransportError):
                http.get("/v1/models")
        assert machines.sidecar_url("a") != machines.control_url("a") != url
        with pytest.raises(LookupError):
            machines.sidecar_url("b")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_runs_as_a_process_and_ends_at_a_signal(number: signal.Signals) -> None:
    specs = [{"name": "a", "kind": "llama-server", "models": [{"id": "m"}], "sidecar": True}]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "fleet_runtime.simulator", "-"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(specs).encode())
    process.stdin.close()
    urls = json.loads(await process.stdout.readline())["a"]
    async with httpx.AsyncClient(trust_env=False, verify=False) as http:
        assert (await http.get(f"{urls['url']}/v1/models")).status_code == 200
        assert (await http.get(f"{urls['control_url']}/_sim/counters")).json()["requests"] == 1
        assert (await http.get(f"{urls['sidecar_url']}/health")).status_code == 200
    process.send_signal(number)
    _, errors = await process.communicate()
    assert (process.returncode, errors) == (0, b"")


@pytest.mark.parametrize("text", ["", "{}", '[{"name": "a", "kind": "abacus"}]', '[{"name": "a", "x": 1}]'])
async def test_a_wrong_spec_is_rejected_in_words(text: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "fleet_runtime.simulator", "-"),
        stdin=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await process.communicate(text.encode())
    assert process.returncode == 1
    assert errors.startswith(b"'-' cannot be simulated")
    assert b"Traceback" not in errors
