"""Every setting of a simulated provider's behaviour has its effect on the wire."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
from typing import get_args
from urllib.parse import urlsplit

import httpx
import pytest

from fleet_runtime.simulator import SimulatedModel, SimulatedServer
from fleet_runtime.simulator.malformed import malform
from fleet_runtime.simulator.shapes.chat import DONE, event
from fleet_runtime.simulator.spec import Malformation
from tests.simulator.servers import CHAT, chat, client, events, machine
from tests.support.waiting import turn

pytestmark = pytest.mark.anyio


async def raw(box: SimulatedServer, request: bytes) -> tuple[bytes, bool]:
    """All bytes of a response until the connection ends, and whether it was reset."""
    reader, writer = await asyncio.open_connection("127.0.0.1", box.port)
    writer.write(request)
    got = b""
    try:
        while piece := await reader.read(65536):
            got += piece
        return got, False
    except ConnectionResetError:
        return got, True
    finally:
        writer.close()


def post(path: str, body: object) -> bytes:
    content = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: box\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(content)}\r\nConnection: close\r\n\r\n".encode() + content


@pytest.mark.parametrize("how", ["fin", "rst"])
@pytest.mark.parametrize("at", [0, 1, 20, 200, 900])
async def test_a_response_is_cut_at_exactly_the_byte_that_is_set(how: str, at: int) -> None:
    async with machine("llama-server") as box:
        whole, _ = await raw(box, post(CHAT, chat(stream=True)))
        await box.apply({"drop_at_byte": at, "drop": how})
        cut, reset = await raw(box, post(CHAT, chat(stream=True)))
        assert (len(cut), reset) == (at, how == "rst")
        assert len(whole) > 900
        assert box.records[-1].ended == "dropped"


async def test_a_hanging_provider_accepts_and_says_nothing_until_the_client_goes() -> None:
    async with machine() as box, client(box) as http:
        await box.apply({"hang": True})
        with pytest.raises(httpx.ReadTimeout):
            await http.get("/v1/models", timeout=httpx.Timeout(10, read=0.05))
        await box.until(lambda box: [record.ended for record in box.records] == ["client_gone"])


async def test_a_scope_spares_the_rest() -> None:
    async with machine() as box, client(box) as http:
        await box.apply({"error_status": 500, "scope": "inference"})
        assert (await http.get("/v1/models")).status_code == 200
        assert (await http.post(CHAT, json=chat())).status_code == 500
        await box.apply({"scope": "other"})
        assert (await http.get("/v1/models")).status_code == 500
        assert (await http.post(CHAT, json=chat())).status_code == 200


async def test_an_error_has_the_shape_of_its_server_or_the_body_that_is_set() -> None:
    async with machine("cloud") as box, client(box) as http:
        await box.apply({"error_status": 429, "retry_after": "7"})
        answer = await http.post(CHAT, json=chat())
        assert answer.json()["error"]["type"] == "rate_limit_error"
        assert answer.headers["retry-after"] == "7"
        await box.apply({"error_status": 502, "error_body": "<html>", "error_type": "text/html"})
        answer = await http.post(CHAT, json=chat())
        assert (answer.text, answer.headers["content-type"]) == ("<html>", "text/html")


async def test_an_error_rate_lets_some_through() -> None:
    async with machine() as box, client(box) as http:
        await box.apply({"error_status": 500, "error_rate": 0.5})
        statuses = [(await http.get("/v1/models")).status_code for _ in range(40)]
        assert set(statuses) == {200, 500}


async def test_a_redirect_leads_to_the_configured_place() -> None:
    async with machine() as box, client(box) as http:
        await box.apply({"redirect_to": "http://127.0.0.1:1/", "redirect_status": 308})
        answer = await http.post(CHAT, json=chat())
        assert (answer.status_code, answer.headers["location"]) == (308, "http://127.0.0.1:1/")


async def test_compressed_responses_say_so_and_hold_the_same() -> None:
    async with machine("llama-server") as box, client(box) as http:
        await box.apply({"gzip": True})
        async with http.stream("POST", CHAT, json=chat()) as answer:
            packed = b"".join([piece async for piece in answer.aiter_raw()])
            assert answer.headers["content-encoding"] == "gzip"
            assert int(answer.headers["content-length"]) == len(packed)
        assert json.loads(gzip.decompress(packed))["object"] == "chat.completion"
        streamed = await http.post(CHAT, json=chat(stream=True))
        assert events(streamed.content)[-1] == "[DONE]"


async def test_held_chunks_come_one_by_one_as_they_are_released() -> None:
    async with machine("llama-server") as box, client(box) as http:
        await box.apply({"hold": True, "chunks": 3})
        async with asyncio.TaskGroup() as tasks:
            answering = tasks.create_task(
                http.send(http.build_request("POST", CHAT, json=chat(stream=True)), stream=True)
            )
            await box.until(lambda box: box.engine.gate.waiting == 1)
            assert not answering.done()
            box.release()
            answer = await answering
            pieces = answer.aiter_raw()
            assert events(await anext(pieces))[0]["choices"][0]["delta"]["role"] == "assistant"
            assert box.records[-1].ended is None
            await box.apply({"hold": False})
            rest = b"".join([piece async for piece in pieces])
            assert events(rest)[-1] == "[DONE]"
        await box.until(lambda box: box.records[-1].ended == "complete")


async def test_the_number_of_content_parts_is_what_is_set() -> None:
    async with machine("llama-server", SimulatedModel("m", reply="a b")) as box, client(box) as http:
        for count in (1, 2, 50):
            await box.apply({"chunks": count})
            got = events((await http.post(CHAT, json=chat(stream=True))).content)
            contents = [event["choices"][0]["delta"].get("content") for event in got[1:-2]]
            assert len(contents) == count
            assert "".join(contents).startswith("[box] m: a b")


async def test_closing_after_a_response_closes() -> None:
    async with machine() as box, client(box) as http:
        await http.get("/v1/models")
        await box.apply({"close_after_response": True})
        await http.get("/v1/models")
        await box.apply({"close_after_response": False})
        await http.get("/v1/models")
        first, second, third = (record.request.connection for record in box.records)
        assert first == second != third


async def test_an_offline_provider_rejects_and_comes_back_at_the_same_port() -> None:
    async with machine(sidecar=True) as box, client(box) as http:
        await http.get("/v1/models")
        port = box.port
        await box.apply({"offline": True})
        with pytest.raises(httpx.TransportError):
            await http.get("/v1/models")
        with pytest.raises(httpx.ConnectError):
            await http.get("/v1/models")
        assert box.connections == 0
        async with httpx.AsyncClient(base_url=box.control_url, trust_env=False, verify=False) as control:
            await control.post("/_sim/behaviour", json={"offline": False})
        assert (await http.get("/v1/models")).status_code == 200
        assert box.port == port


async def test_going_offline_resets_what_is_under_way() -> None:
    async with machine() as box, client(box) as http:
        await box.apply({"hold": True})
        async with asyncio.TaskGroup() as tasks:
            asking = tasks.create_task(_outcome(http))
            await box.until(lambda box: box.engine.gate.waiting == 1)
            await box.apply({"offline": True})
            assert isinstance(await asking, httpx.ReadError)


async def _outcome(http: httpx.AsyncClient) -> httpx.Response | Exception:
    try:
        return await http.post(CHAT, json=chat())
    except httpx.TransportError as error:
        return error


async def test_a_sidecar_goes_away_alone() -> None:
    async with machine(sidecar=True) as box, client(box) as http:
        await box.apply({"sidecar_offline": True})
        with pytest.raises(httpx.ConnectError):
            await http.get(f"{box.sidecar_url}/health")
        assert (await http.get("/v1/models")).status_code == 200


async def test_more_requests_at_once_than_the_provider_takes_are_rejected() -> None:
    async with machine() as box, client(box) as http:
        await box.apply({"max_parallel": 1, "hold": True})
        async with asyncio.TaskGroup() as tasks:
            first = tasks.create_task(http.post(CHAT, json=chat()))
            await box.until(lambda box: box.engine.gate.waiting == 1)
            await box.apply({"max_parallel": 1})
            second = tasks.create_task(http.post(CHAT, json=chat()))
            await box.until(lambda box: len(box.records) == 2)
            box.release(2)
            assert (await first).status_code == 200
            refused = await second
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        assert refused.json()["src"] == "llama-swap"


async def test_a_required_key_is_required() -> None:
    async with machine() as box, client(box) as http:
        await box.apply({"require_key": "k"})
        assert (await http.get("/v1/models")).status_code == 401
        allowed = await http.get("/v1/models", headers={"authorization": "Bearer k"})
        assert allowed.status_code == 200
        assert (await http.get("/health")).status_code == 200


@pytest.mark.parametrize(
    ("changes", "start"),
    [
        ({"list_body": "<!doctype html>", "list_type": "text/html"}, b"<!doctype html>"),
        ({"list_body": '{"data":null}'}, b'{"data":null}'),
        ({"list_body": ""}, b""),
        ({"list_status": 500}, b""),
    ],
)
async def test_a_hostile_list_is_what_is_set(changes: dict[str, object], start: bytes) -> None:
    async with machine() as box, client(box) as http:
        await box.apply(changes)
        answer = await http.get("/v1/models")
        assert (answer.content, answer.status_code) == (start, changes.get("list_status", 200))
        assert (await http.post(CHAT, json=chat())).status_code == 200


async def test_an_endless_list_continues_until_the_client_disconnects() -> None:
    async with machine() as box, client(box) as http:
        await box.apply({"list_endless": True})
        got = 0
        async with http.stream("GET", "/v1/models") as answer:
            async for piece in answer.aiter_raw():
                got += len(piece)
                if got > 3_000_000:
                    break
        await box.until(lambda box: [record.ended for record in box.records] == ["client_gone"])


@pytest.mark.parametrize("how", get_args(Malformation))
def test_fault_17_every_malformation_writes_the_stream_another_way(how: Malformation) -> None:
    clean = [event({"choices": [{"delta": {"content": str(number)}}]}) for number in range(4)]
    assert malform([*clean, DONE], how) != [*clean, DONE]


async def test_a_malformed_stream_is_what_goes_out() -> None:
    async with machine("llama-server") as box, client(box) as http:
        await box.apply({"malformed": "crlf"})
        assert (await http.post(CHAT, json=chat(stream=True))).content.endswith(b"[DONE]\r\n\r\n")
        assert (await http.post(CHAT, json=chat())).json()["object"] == "chat.completion"


async def test_a_loading_llama_server_says_so_on_every_path() -> None:
    async with machine("llama-server") as box, client(box) as http:
        await box.apply({"loading": True})
        for path in ("/health", "/v1/models", "/props"):
            answer = await http.get(path)
            assert answer.status_code == 503
            assert answer.json()["error"]["message"] == "Loading model"


@pytest.mark.parametrize("turns", range(5))
async def test_a_connection_that_comes_while_a_provider_falls_asleep_is_reset(turns: int) -> None:
    async with machine() as box:
        with socket.create_connection(("127.0.0.1", urlsplit(box.url).port or 0)) as connection:
            connection.setblocking(False)
            for _ in range(turns):
                await turn()
            await box.apply({"offline": True})
            with pytest.raises(ConnectionResetError):
                await asyncio.wait_for(asyncio.get_running_loop().sock_recv(connection, 1), 10)


@pytest.mark.parametrize("knob", ["latency_ms", "first_byte_ms"])
async def test_a_delay_delays(knob: str) -> None:
    async with machine() as box, client(box) as http:
        await box.apply({knob: 60_000})
        with pytest.raises(httpx.ReadTimeout):
            await http.post(CHAT, json=chat(), timeout=httpx.Timeout(10, read=0.05))


async def test_a_delay_between_parts_holds_back_only_the_later_ones() -> None:
    async with machine("llama-server") as box, client(box) as http:
        await box.apply({"chunk_ms": 60_000})
        async with http.stream("POST", CHAT, json=chat(stream=True), timeout=10) as answer:
            pieces = answer.aiter_raw()
            assert await anext(pieces)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(pieces), 0.3)


async def test_a_provider_that_records_nothing_still_responds() -> None:
    async with machine() as box, client(box) as http:
        await box.apply({"record": False})
        assert (await http.post(CHAT, json=chat())).status_code == 200
        assert box.records == []
