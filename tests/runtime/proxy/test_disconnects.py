"""A client that disconnects ends its request at the provider within a second, at any time."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.support.artifacts import connection
from tests.support.gateway import gateway_before, running_gateway
from tests.support.raw_client import Client, ask, client, request
from tests.support.raw_server import Peer, Script, raw_server, responding
from tests.support.waiting import pace, until

pytestmark = pytest.mark.anyio

CHAT = "/v1/chat/completions"
BODY = {"model": "a/m", "stream": True}
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def until_gone(*pieces: bytes) -> Script:
    """Send the parts, then wait for the other side to go."""

    async def script(peer: Peer) -> None:
        await peer.request()
        for piece in pieces:
            await peer.send(piece)
        await peer.gone()

    return script


def leave(browser: Client, how: str) -> None:
    if how == "rst":
        browser.reset()
    else:
        browser.writer.close()


@pytest.mark.parametrize("how", ["fin", "rst"])
async def test_fault_28_a_client_that_goes_in_mid_stream_frees_the_provider(how: str) -> None:
    async with gateway_before(until_gone(STREAM, b"3\r\na\n\n\r\n")) as (machine, gateway):
        async with client(gateway.port) as browser:
            await browser.send(request(CHAT, BODY))
            await browser.head()
            await browser.chunk()
            leave(browser, how)
        await machine.until_open(0)
        assert (await gateway.record()).end_reason == "client_gone"


@pytest.mark.parametrize("how", ["fin", "rst"])
async def test_fault_28_a_client_that_goes_before_the_response_frees_the_provider(how: str) -> None:
    arrived = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        arrived.set()
        await peer.gone()

    async with gateway_before(script) as (machine, gateway):
        async with client(gateway.port) as browser:
            await browser.send(request(CHAT, BODY))
            await arrived.wait()
            leave(browser, how)
        await machine.until_open(0)
        record = await gateway.record()
        assert (record.end_reason, record.status) == ("client_gone", 0)


async def test_fault_28_a_client_that_goes_with_requests_in_the_pipeline_frees_the_provider() -> None:
    arrived = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(STREAM)
        arrived.set()
        while True:
            await peer.send(b"3\r\na\n\n\r\n")
            await pace(0.01)

    async with gateway_before(script) as (machine, gateway):
        async with client(gateway.port) as browser:
            await browser.send(request(CHAT, BODY) + request(CHAT, BODY))
            await arrived.wait()
            browser.reset()
        await machine.until_open(0)
        assert (await gateway.record()).end_reason == "client_gone"


async def test_fault_28_a_client_that_goes_while_it_does_not_read_frees_the_provider() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(STREAM)
        while True:
            await peer.send(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")

    async with gateway_before(script) as (machine, gateway):
        async with client(gateway.port) as browser:
            await browser.send(request(CHAT, BODY))
            await browser.head()
            browser.writer.transport.pause_reading()  # type: ignore[attr-defined]
            browser.reset()
        await machine.until_open(0)
        assert (await gateway.record()).end_reason == "client_gone"


async def test_fault_28_100_disconnects_leak_no_task_connection_or_descriptor() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        if peer.number % 2:
            await peer.send(STREAM + b"3\r\na\n\n\r\n")
        await peer.gone()

    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    async def come_and_go(port: int, number: int) -> None:
        async with client(port) as browser:
            await browser.send(request(CHAT, BODY))
            if number % 3 == 0:
                await asyncio.wait((asyncio.ensure_future(browser.reader.read(1)),), timeout=0.05)
            leave(browser, "rst" if number % 2 else "fin")

    async with gateway_before(script) as (machine, gateway):
        await come_and_go(gateway.port, 0)
        await machine.until_open(0)
        await gateway.record()
        tasks, before = len(asyncio.all_tasks()), descriptors()
        await asyncio.gather(*(come_and_go(gateway.port, number) for number in range(100)))
        await machine.until_open(0)
        await gateway.until_idle()
        await until(lambda: not gateway.edge.connections and len(asyncio.all_tasks()) <= tasks)
        assert "0 active" in repr(gateway.fleet.providers["a"].upstream)
        assert descriptors() <= before


async def test_fault_29_one_faulty_provider_leaves_the_streams_of_the_others_alone() -> None:
    async def well(peer: Peer) -> None:
        await peer.request()
        await peer.send(STREAM)
        for number in range(20):
            await peer.send(b"8\r\ndata: %02d\r\n" % number)
            await pace(0.005)
        await peer.send(b"0\r\n\r\n")

    async def ill(peer: Peer) -> None:
        await peer.request()
        if peer.number % 2:
            await peer.send(STREAM + b"8\r\ndata")
            peer.reset()
        else:
            await peer.gone()

    whole = b"".join(b"data: %02d" % number for number in range(20))
    async with raw_server(well) as a, raw_server(well) as b, raw_server(well) as c, raw_server(ill) as d:
        names = {"a": a, "b": b, "c": c, "d": d}
        served = [connection(name, machine.url) for name, machine in names.items()]
        async with running_gateway(*served) as gateway:
            streams = [
                (name, ask(gateway.port, CHAT, {"model": f"{name}/m"})) for name in "abc" for _ in range(20)
            ]
            faulty = [asyncio.ensure_future(ask(gateway.port, CHAT, {"model": "d/m"})) for _ in range(20)]
            answers = await asyncio.gather(*(stream for _, stream in streams))
            assert all(answer.body == whole and answer.ended for answer in answers)
            for task in faulty:
                task.cancel()
            await asyncio.gather(*faulty, return_exceptions=True)
            await d.until_open(0)


async def test_fault_05_1000_posts_to_a_provider_that_closes_kept_connections_do_not_fail() -> None:
    async def script(peer: Peer) -> None:
        for _ in range(1 + peer.number % 3):
            await peer.request()
            await peer.send(OK)

    async with gateway_before(script) as (machine, gateway):

        async def some(worker: int) -> list[int]:
            statuses = []
            async with client(gateway.port) as browser:
                for number in range(50):
                    await browser.send(
                        request("/v1/embeddings", {"model": "a/m", "input": f"{worker}-{number}"})
                    )
                    statuses.append((await browser.answer()).status)
            return statuses

        statuses = await asyncio.gather(*(some(worker) for worker in range(20)))
        assert [status for some_statuses in statuses for status in some_statuses] == [200] * 1000
        assert len({sent.body for sent in machine.requests}) == 1000


async def test_the_provider_is_read_no_faster_than_the_client_reads() -> None:
    sent = 0
    full = asyncio.Event()

    async def script(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        await peer.send(STREAM)
        for _ in range(2000):
            try:
                async with asyncio.timeout(0.5):
                    await peer.send(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
            except TimeoutError:
                full.set()
                await peer.gone()
                return
            sent += 0x10000

    async with gateway_before(script) as (_, gateway), client(gateway.port) as browser:
        browser.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await browser.send(request(CHAT, BODY))
        async with asyncio.timeout(10):
            await full.wait()
        assert sent < 64_000_000


async def test_responses_of_the_gateway_need_no_provider() -> None:
    async with gateway_before(responding(OK)) as (machine, gateway):
        assert (await ask(gateway.port, CHAT, b"{")).status == 400
        assert machine.connections == 0
