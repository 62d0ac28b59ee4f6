"""Gateways whose providers are each other: no request circles, and no list grows."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.artifacts import connection, gateway, write_generated
from tests.support.ports import free_port
from tests.support.process import GatewayProcess, gateway_process
from tests.support.raw_client import ask
from tests.support.raw_server import RawServer, Request, raw_server, responding
from tests.support.waiting import pace

pytestmark = pytest.mark.anyio

CHAT = "/v1/chat/completions"
LISTED = b'{"object":"list","data":[{"id":"m"}]}'
OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
    len(LISTED),
    LISTED,
)
OLLAMA_CHAT = {"model": "next/ping", "messages": [{"role": "user", "content": "hi"}]}


@contextlib.asynccontextmanager
async def circle(
    folder: Path, names: str, closed: bool = True
) -> AsyncIterator[tuple[list[GatewayProcess], RawServer]]:
    """Run a gateway for each name, each with the provider `box`, which lists a model, and with the gateway
    after it as the provider `next`. Unless the circle is `closed`, nothing listens after the last one."""
    ports = [free_port() for _ in names]
    async with raw_server(responding(OK)) as machine, contextlib.AsyncExitStack() as stack:
        running = []
        for place, name in enumerate(names):
            is_last = place == len(names) - 1 and not closed
            after = f"http://127.0.0.1:{9 if is_last else ports[(place + 1) % len(names)]}"
            providers = connection("box", machine.url), connection("next", after, unlisted="forward")
            write_generated(folder / name / "generated", gateway(*providers))
            listen = ("--listen", f"127.0.0.1:{ports[place]}")
            process = gateway_process(folder / name / "generated", *listen)
            running.append(await stack.enter_async_context(process))
        for served in running if closed else running[:-1]:
            while not (await reached(served)):
                await pace(0.02)
        yield running, machine


async def reached(served: GatewayProcess) -> bool:
    """Return whether the gateway after this one has responded to a probe."""
    providers = (await served.fleet())["providers"]
    return all(each["status"] in ("online", "degraded") for each in providers)


async def ids(served: GatewayProcess) -> list[str]:
    return sorted(model["id"] for model in (await ask(served.port, "/v1/models")).json()["data"])


async def probed() -> None:
    """Let each provider be probed ten times or more: that happens ten times a second."""
    await pace(1.5)


def last_chat(machine: RawServer) -> Request:
    return [asked for asked in machine.requests if asked.target.endswith(b"completions")][-1]


@pytest.mark.parametrize("names", ["a", "ab", "abc"])
async def test_a_request_that_comes_back_ends_with_508(tmp_path: Path, names: str) -> None:
    async with circle(tmp_path, names) as (running, machine):
        model = "next/" * len(names) + "box/m"
        answer = await ask(running[0].port, CHAT, {"model": model})
        assert (answer.status, answer.code) == (508, "loop_detected")
        assert answer.header(b"x-should-retry") == [b"false"]
        assert not [asked for asked in machine.requests if asked.target.endswith(b"completions")]


async def test_a_request_that_ends_in_the_circle_is_served(tmp_path: Path) -> None:
    async with circle(tmp_path, "abc") as (running, _):
        answer = await ask(running[0].port, CHAT, {"model": "next/next/box/m"})
        assert (answer.status, answer.body) == (200, LISTED)


async def test_a_request_of_ollama_s_api_ends_too(tmp_path: Path) -> None:
    async with circle(tmp_path, "ab") as (running, _):
        answer = await ask(running[0].port, "/ollama/api/chat", OLLAMA_CHAT | {"model": "next/next/box/m"})
        assert answer.status == 508
        assert "came back" in answer.json()["error"]


@pytest.mark.parametrize("names", ["ab", "abc"])
async def test_lists_that_lead_to_each_other_do_not_grow(tmp_path: Path, names: str) -> None:
    async with circle(tmp_path, names) as (running, _):
        await probed()
        for served in running:
            assert await ids(served) == ["box/m", "next/box/m"]


async def test_a_gateway_that_is_its_own_provider_lists_nothing_of_itself(tmp_path: Path) -> None:
    async with circle(tmp_path, "a") as ((served,), _):
        await probed()
        assert await ids(served) == ["box/m"]
        (itself,) = [each for each in (await served.fleet())["providers"] if each["name"] == "next"]
        assert itself["status"] == "degraded"
        assert "508" in itself["reason"]


async def test_a_chain_of_gateways_lists_all_models(tmp_path: Path) -> None:
    async with circle(tmp_path, "abc", closed=False) as (running, _):
        await probed()
        assert await ids(running[0]) == ["box/m", "next/box/m", "next/next/box/m"]


async def test_a_client_with_a_token_of_the_gateway_harms_itself_only(tmp_path: Path) -> None:
    async with circle(tmp_path, "ab") as (running, machine):
        await ask(running[0].port, CHAT, {"model": "box/m"})
        (token,) = last_chat(machine).header(b"cdn-loop")
        assert token.startswith(b"fleet-")
        body = json.dumps({"model": "box/m"}).encode()
        refused = await ask(running[0].port, CHAT, body, {"cdn-loop": token.decode()})
        assert (refused.status, refused.code) == (508, "loop_detected")
        served = await ask(running[0].port, CHAT, body, {"cdn-loop": "cloudflare"})
        assert served.status == 200
        assert sorted(last_chat(machine).header(b"cdn-loop")) == [b"cloudflare", token]
