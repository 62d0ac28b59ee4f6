"""SIGTERM lets what runs come to its end, cuts the rest honestly, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import signal
import socket
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.support.artifacts import connection, gateway, write_generated
from tests.support.process import GatewayProcess, gateway_process
from tests.support.raw_client import Answer, Client, client, request
from tests.support.raw_server import Peer, raw_server

pytestmark = pytest.mark.anyio

CHAT = "/v1/chat/completions"
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
FIRST = b"8\r\ndata: 1\n\r\n"
DONE = b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"


class Streams:
    """A provider whose streams begin at once; those that ask for model ``short`` end when `go` is set, the
    others never."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.gone = 0

    async def __call__(self, peer: Peer) -> None:
        short = b'"short"' in (await peer.request()).body
        await peer.send(HEAD + FIRST)
        if short:
            await self.go.wait()
            await peer.send(DONE)
        await peer.gone()
        self.gone += 1


def write(folder: Path, url: str, drain: float) -> Path:
    machine = connection("a", url, poll=False, declared={"short": {}, "long": {}})
    write_generated(folder / "generated", gateway(machine, drain=drain))
    return folder / "generated"


async def begun(port: int, stack: AsyncExitStack, model: str, count: int) -> list[Client]:
    """Streams of which the first chunk has come."""
    streams = [await stack.enter_async_context(client(port)) for _ in range(count)]
    for stream in streams:
        await stream.send(request(CHAT, {"model": f"a/{model}", "stream": True}))
    for stream in streams:
        assert (await stream.head()).status == 200
        assert await stream.chunk() == b"data: 1\n"
    return streams


def assert_nothing_listens(port: int) -> None:
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


async def test_of_100_streams_those_that_end_in_time_are_complete_and_the_others_cut_without_an_end(
    tmp_path: Path,
) -> None:
    machine = Streams()
    async with (
        raw_server(machine) as server,
        gateway_process(write(tmp_path, server.url, drain=1.5)) as served,
        AsyncExitStack() as stack,
    ):
        short = await begun(served.port, stack, "short", 60)
        long = await begun(served.port, stack, "long", 40)
        served.send(signal.SIGTERM)
        await served.said("requests still running: 100")
        assert_nothing_listens(served.port)
        machine.go.set()
        whole = await asyncio.gather(*(stream.rest() for stream in short))
        assert set(whole) == {DONE}
        cut = await asyncio.gather(*(stream.rest() for stream in long))
        assert set(cut) == {b""}, "no last chunk, no [DONE]"
        assert await served.ended() == 0
        await served.said("requests aborted: 40")
        ends = [line for line in served.lines if "INFO request " in line and CHAT in line]
        assert sum("end_reason=ok" in line for line in ends) == 60
        assert sum("end_reason=refused code=gateway_stopping" in line for line in ends) == 40
        assert not any("Traceback" in line for line in served.lines)
        await server.until_open(0)


async def test_a_request_that_is_not_answered_when_the_time_is_over_is_reported_so(
    tmp_path: Path,
) -> None:
    async def silent(peer: Peer) -> None:
        await peer.request()
        asked.set()
        await peer.gone()

    asked = asyncio.Event()
    async with (
        raw_server(silent) as server,
        gateway_process(write(tmp_path, server.url, drain=0.2)) as served,
        client(served.port) as waiting,
    ):
        await waiting.send(request(CHAT, {"model": "a/long"}))
        await asked.wait()
        served.send(signal.SIGTERM)
        answer = await waiting.answer()
        assert (answer.status, answer.code) == (503, "gateway_stopping")
        assert answer.header(b"connection") == [b"close"]
        assert await served.ended() == 0


async def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    machine = Streams()
    async with (
        raw_server(machine) as server,
        gateway_process(write(tmp_path, server.url, drain=600)) as served,
        AsyncExitStack() as stack,
    ):
        [stream] = await begun(served.port, stack, "long", 1)
        served.send(signal.SIGTERM)
        await served.said("requests still running: 1")
        served.send(signal.SIGTERM)
        assert await stream.rest() == b""
        assert await served.ended() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_readers_of_events_and_idle_connections_do_not_hold_the_end(
    tmp_path: Path, number: signal.Signals
) -> None:
    async with (
        raw_server(Streams()) as server,
        gateway_process(write(tmp_path, server.url, drain=600)) as served,
        client(served.port) as events,
        client(served.port) as idle,
    ):
        await events.send(request("/api/events"))
        await events.head()
        assert await events.chunk() == b": connected\n\n"
        await idle.send(request("/v1/models"))
        await idle.answer()
        served.send(number)
        assert await events.chunk() == b"", "the feed comes to its proper end"
        assert await idle.rest() == b""
        assert await served.ended() == 0
        assert_nothing_listens(served.port)
        assert not any("Traceback" in line for line in served.lines)


async def test_a_response_under_way_says_that_its_connection_closes(tmp_path: Path) -> None:
    go = asyncio.Event()
    asked = asyncio.Event()

    async def later(peer: Peer) -> None:
        await peer.request()
        asked.set()
        await go.wait()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")

    async with (
        raw_server(later) as server,
        gateway_process(write(tmp_path, server.url, drain=600)) as served,
        client(served.port) as waiting,
    ):
        await waiting.send(request(CHAT, {"model": "a/long"}))
        await asked.wait()
        served.send(signal.SIGTERM)
        await served.said("requests still running: 1")
        go.set()
        answer: Answer = await waiting.answer()
        assert (answer.status, answer.body, answer.header(b"connection")) == (200, b"{}", [b"close"])
        assert await served.ended() == 0


async def test_a_reader_that_takes_nothing_does_not_hold_the_end_beyond_the_drain(tmp_path: Path) -> None:
    async def flood(peer: Peer) -> None:
        await peer.request()
        await peer.send(HEAD)
        while True:
            await peer.send(b"10000\r\n" + b"x" * 65536 + b"\r\n")

    async with (
        raw_server(flood) as server,
        gateway_process(write(tmp_path, server.url, drain=0.3)) as served,
        client(served.port) as lazy,
    ):
        await lazy.send(request(CHAT, {"model": "a/long", "stream": True}))
        await lazy.head()
        served.send(signal.SIGTERM)
        assert await served.ended(seconds=5) == 0


async def stops(served: GatewayProcess) -> int:
    served.send(signal.SIGTERM)
    return await served.ended()


async def test_it_can_be_started_again_at_once_on_the_same_address(tmp_path: Path) -> None:
    async with raw_server(Streams()) as server:
        generated = write(tmp_path, server.url, drain=1)
        async with gateway_process(generated) as first:
            async with client(first.port) as browser:
                await browser.send(request("/v1/models"))
                await browser.answer()
                assert await stops(first) == 0
            again = f"127.0.0.1:{first.port}"
        async with gateway_process(generated, "--listen", again) as second:
            assert second.port == first.port
            assert await stops(second) == 0
