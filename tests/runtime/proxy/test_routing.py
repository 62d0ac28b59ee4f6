"""A model name is resolved once, and an unknown one is reported."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from fleet_runtime.proxy.endpoints import Routes
from fleet_runtime.routing.resolver import ProviderView
from tests.support.artifacts import connection
from tests.support.gateway import gateway_before, models, running_gateway
from tests.support.raw_client import ask
from tests.support.raw_server import Peer, raw_server, responding
from tests.support.waiting import until

pytestmark = pytest.mark.anyio

CHAT = "/v1/chat/completions"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


async def test_fault_26_unknown_names_are_404_and_reach_no_provider() -> None:
    async with raw_server(responding(OK)) as a, raw_server(responding(OK)) as cloud:
        served = (connection("a", a.url), connection("cloud", cloud.url, **{"class": "cloud"}))
        lists = {"a": models("qwen3-8b", "deepseek/x"), "cloud": models("gpt-4o")}
        async with running_gateway(*served, lists=lists) as gateway:
            for name in (
                "a/qwen3-9b",
                "a/",
                "nowhere/qwen3-8b",
                "A/qwen3-8b",
                "a/Qwen3-8B",
                "a/qwen3-8b/",
                " a/qwen3-8b",
                "gpt-4o",
                "cloud/GPT-4o",
                "qwen3-9b",
                "removed/qwen3-8b",
                "@task",
                "a/\u0430",
            ):
                answer = await ask(gateway.port, CHAT, {"model": name})
                assert (answer.status, answer.code) == (404, "model_not_found"), name
                assert answer.json()["error"]["param"] == "model"
            near = (await ask(gateway.port, CHAT, {"model": "a/qwen3-9b"})).json()["error"]["message"]
            assert "'a/qwen3-8b'" in near
            assert near.count("'") <= 2 * (2 + 5)
        assert a.requests == cloud.requests == []


async def test_a_model_that_is_not_listed_gets_one_fresh_probe_before_it_is_rejected() -> None:
    async with gateway_before(responding(OK)) as (machine, gateway):
        gateway.fleet.fresh["a"] = ProviderView("online", {"new": "new"})
        assert (await ask(gateway.port, CHAT, {"model": "a/new"})).status == 200
        assert gateway.fleet.probes == ["a"]
        assert machine.requests[0].body == b'{"model":"new"}'
        assert (await ask(gateway.port, CHAT, {"model": "a/other"})).status == 404
        assert gateway.fleet.probes == ["a", "a"]


@pytest.mark.parametrize(
    ("status", "code"), [("offline", "provider_unreachable"), ("disabled", "provider_disabled")]
)
async def test_a_provider_that_is_offline_is_503_and_named_whatever_the_path(status: str, code: str) -> None:
    async with gateway_before(responding(OK)) as (machine, gateway):
        gateway.fleet.view["a"] = replace(gateway.fleet.view["a"], status=status)  # type: ignore[arg-type]
        for path, body in (
            (CHAT, {"model": "a/m"}),
            (CHAT, {"model": "m"}),
            ("/providers/a/tokenize", {"model": "m"}),
            ("/providers/a/tokenize", {"content": "x"}),
        ):
            answer = await ask(gateway.port, path, body)
            assert (answer.status, answer.code) == (503, code)
            assert "'a'" in answer.json()["error"]["message"]
            assert answer.header(b"x-fleet-provider") == [b"a"]
        assert machine.requests == []


async def test_a_provider_that_a_surface_may_not_use_is_403() -> None:
    async with gateway_before(responding(OK)) as (machine, gateway):
        fleet = gateway.fleet
        table = fleet.tables["/boochat"].model_copy(update={"providers": ()})
        fleet.tables = {**fleet.tables, "/boochat": table}
        fleet.routes = Routes(fleet.tables)
        answer = await ask(gateway.port, f"/boochat{CHAT}", {"model": "a/m"})
        assert (answer.status, answer.code) == (403, "surface_not_allowed")
        assert machine.requests == []


async def test_an_old_bare_id_falls_back_to_the_default_role_where_a_surface_allows_it_and_says_so() -> None:
    async with gateway_before(responding(OK), table={"roles": {"default": ("a/m",)}}) as (machine, gateway):
        answer = await ask(gateway.port, f"/boochat{CHAT}", {"model": "gone"})
        assert answer.status == 200
        assert answer.header(b"x-fleet-fallback") == [b"gone"]
        assert answer.header(b"x-fleet-model") == [b"a/m"]
        assert machine.requests[0].body == b'{"model":"m"}'
        assert (await gateway.record()).fallback
        assert (await ask(gateway.port, "/boochat/v1/embeddings", {"model": "gone"})).status == 404
        assert (await ask(gateway.port, CHAT, {"model": "gone"})).status == 404


async def test_a_provider_gets_no_more_requests_than_its_limit_and_a_full_queue_is_429() -> None:
    release, both = asyncio.Event(), asyncio.Event()
    running = most = 0

    async def script(peer: Peer) -> None:
        nonlocal running, most
        while True:
            await peer.request()
            running += 1
            most = max(most, running)
            if running == 2:
                both.set()
            await release.wait()
            running -= 1
            await peer.send(OK)

    async with raw_server(script) as machine:
        async with running_gateway(connection("a", machine.url, max_concurrency=2)) as gateway:
            asked = [asyncio.ensure_future(ask(gateway.port, CHAT, {"model": "a/m"})) for _ in range(15)]
            done, waiting = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
            while len(done) < 5:
                more, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                done |= more
            for task in done:
                answer = task.result()
                assert (answer.status, answer.code) == (429, "too_many_requests")
                assert answer.header(b"retry-after") == [b"1"]
            held = gateway.fleet.providers["a"]
            assert (held.in_flight, held.waiting) == ({"m": 2}, 8)
            assert "2 in flight, 8 waiting" in repr(held)
            await both.wait()
            release.set()
            assert [answer.status for answer in await asyncio.gather(*waiting)] == [200] * 10
        assert most == 2
        assert (held.in_flight, held.waiting) == ({}, 0)


async def test_a_client_that_disconnects_while_queued_leaves_the_queue() -> None:
    arrived = asyncio.Event()

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            arrived.set()
            await peer.gone()

    async with gateway_before(script, max_concurrency=1) as (_, gateway):
        first = asyncio.ensure_future(ask(gateway.port, CHAT, {"model": "a/m"}))
        await arrived.wait()
        held = gateway.fleet.providers["a"]
        second = asyncio.ensure_future(ask(gateway.port, CHAT, {"model": "a/m"}))
        await until(lambda: held.waiting > 0)
        second.cancel()
        assert (await gateway.record()).end_reason == "client_gone"
        assert (held.in_flight, held.waiting) == ({"m": 1}, 0)
        first.cancel()
        assert (await gateway.record(1)).end_reason == "client_gone"
        assert held.in_flight == {}
