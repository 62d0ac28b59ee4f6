"""Exchanges that end before their response is complete: by the provider, the caller or a limit."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from fleet_runtime.artifacts.contract import Timeouts
from fleet_runtime.upstream import FirstByteTimeoutError, IdleTimeoutError, UpstreamCutError
from tests.runtime.upstream.conftest import Client, eventually, until_state
from tests.support.raw_server import Peer, raw_server, responding
from tests.support.waiting import pace, turn

pytestmark = pytest.mark.anyio

OK = b"HTTP/1.1 200 OK\r\n"
PLAIN = OK + b"content-length: 5\r\n\r\nhello"
STREAM = OK + b"content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def descriptors() -> int:
    return len(list(Path("/dev/fd").iterdir()))


@pytest.mark.parametrize("end", ["reset", "close"])
@pytest.mark.parametrize(
    ("sent", "body"),
    [
        (b"", None),
        (b"HTTP", None),
        (OK + b"content-le", None),
        (OK + b"content-length: 5\r\n\r\n", b""),
        (OK + b"content-length: 5\r\n\r\nhel", b"hel"),
        (STREAM, b""),
        (STREAM + b"5\r\nhello\r\n", b"hello"),
        (STREAM + b"5\r\nhello\r\n0\r\n", b"hello"),
    ],
)
async def test_fault_06_a_connection_that_ends_at_any_stage_is_a_cut(
    client: Client, end: str, sent: bytes, body: bytes | None
) -> None:
    """`body` is what was received of it; None where the head had not come."""
    heard = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(sent)
        if body is not None:
            await heard.wait()
        if end == "reset":
            peer.reset()

    async with raw_server(script) as server:
        upstream = client(server.url)
        received: list[bytes] = []

        async def exchange() -> None:
            response = await upstream.send(b"POST", b"/", [], b"{}")
            heard.set()
            while piece := await response.chunk():
                received.append(piece)

        with pytest.raises(UpstreamCutError, match=f"127.0.0.1:{server.port}") as cut:
            await exchange()
        assert b"".join(received) == (body or b"")
        assert cut.value.head_received is (body is not None)
        assert cut.value.reason == "upstream_cut"
        await until_state(upstream, "0 active, 0 idle")


async def test_a_reset_is_no_proper_end_of_a_body_that_ends_with_its_connection(client: Client) -> None:
    heard = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK + b"\r\nhello")
        await heard.wait()
        peer.reset()

    async with raw_server(script) as server:
        response = await client(server.url).send(b"GET", b"/", [])
        assert await response.chunk() == b"hello"
        heard.set()
        with pytest.raises(UpstreamCutError):
            await response.chunk()


async def test_fault_04_silence_after_the_request_ends_at_the_first_byte_limit(client: Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.gone()

    async with raw_server(script) as server:
        upstream = client(server.url, timeouts=Timeouts(first_byte=0.05))
        with pytest.raises(FirstByteTimeoutError, match=r"127.0.0.1:\d+ did not respond within 0.05 s"):
            await upstream.send(b"POST", b"/", [], b"{}")
        await server.until_open(0)
        assert repr(upstream).endswith("0 active, 0 idle>")


async def test_the_first_byte_limit_holds_on_a_reused_connection_and_is_not_retried(client: Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(PLAIN)
        await peer.request()
        await peer.gone()

    async with raw_server(script) as server:
        upstream = client(server.url)
        await upstream.send(b"GET", b"/", [])
        with pytest.raises(FirstByteTimeoutError):
            await upstream.send(b"GET", b"/", [], timeouts=Timeouts(first_byte=0.05))
        assert server.connections == 1


async def test_a_head_that_drips_does_not_stretch_the_first_byte_limit(client: Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        while True:
            await peer.send(b"x: y\r\n")
            await pace(0.01)

    async with raw_server(script) as server:
        with pytest.raises(FirstByteTimeoutError):
            await client(server.url).send(b"GET", b"/", [], timeouts=Timeouts(first_byte=0.1, idle=5))


async def test_an_interim_response_starts_the_first_byte_limit_again(client: Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        for _ in range(6):
            await pace(0.1)
            await peer.send(b"HTTP/1.1 102 Processing\r\n\r\n")
        await peer.send(PLAIN)

    async with raw_server(script) as server:
        response = await client(server.url).send(b"GET", b"/", [], timeouts=Timeouts(first_byte=0.5))
        assert await response.read(100) == b"hello"


async def test_fault_08_a_stream_that_falls_silent_ends_at_the_idle_limit(client: Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(STREAM + b"5\r\nhello\r\n")
        await peer.gone()

    async with raw_server(script) as server:
        upstream = client(server.url, timeouts=Timeouts(idle=0.05))
        response = await upstream.send(b"GET", b"/", [])
        assert await response.chunk() == b"hello"
        with pytest.raises(IdleTimeoutError, match=r"sent nothing for 0.05 s"):
            await response.chunk()
        await server.until_open(0)


async def test_fault_08_pings_keep_a_stream_alive_for_longer_than_any_limit(client: Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(STREAM)
        for _ in range(10):
            await pace(0.06)
            await peer.send(b"3\r\n:\n\n\r\n")
        await peer.send(b"0\r\n\r\n")

    async with raw_server(script) as server:
        limits = Timeouts(connect=0.5, first_byte=0.5, idle=0.5)
        response = await client(server.url).send(b"GET", b"/", [], timeouts=limits)
        assert await response.read(100) == b":\n\n" * 10


async def test_a_timer_set_for_one_exchange_does_not_end_the_next(client: Client) -> None:
    """The first exchange leaves a timer for a near deadline; the second outlives it."""
    slow = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(PLAIN)
        await peer.request()
        await slow.wait()
        await peer.send(PLAIN)
        await peer.gone()

    async with raw_server(script) as server:
        upstream = client(server.url)
        await upstream.send(b"GET", b"/", [], timeouts=Timeouts(first_byte=0.05, idle=0.05))
        asyncio.get_running_loop().call_later(0.15, slow.set)
        assert await (await upstream.send(b"GET", b"/", [])).read(100) == b"hello"
        assert server.connections == 1


@pytest.mark.parametrize("stage", ["before the head", "in the body", "in the upload"])
async def test_fault_28_cancelling_closes_the_upstream(client: Client, stage: str) -> None:
    reached = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        if stage == "in the body":
            await peer.send(STREAM + b"5\r\nhello\r\n")
        if stage != "in the upload":
            reached.set()
            await peer.gone()
        else:
            await asyncio.Event().wait()

    async def exchange() -> None:
        upload = b"x" * 50_000_000 if stage == "in the upload" else b"{}"
        response = await upstream.send(b"POST", b"/", [], upload)
        await response.read(100)

    async with raw_server(script) as server:
        upstream = client(server.url)
        task = asyncio.create_task(exchange())
        if stage == "in the upload":
            await until_state(upstream, "1 active")
        else:
            await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert repr(upstream).endswith("0 active, 0 idle>")
        if stage != "in the upload":
            await server.until_open(0)


async def test_fault_28_a_hundred_cancelled_exchanges_leak_no_task_and_no_socket(client: Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        if peer.number % 3 == 1:
            await peer.send(STREAM + b"5\r\nhello\r\n")
        await peer.gone()

    async def exchange(number: int) -> None:
        body = b"x" * 1_000_000 if number % 3 == 2 else b"{}"
        await (await upstream.send(b"POST", b"/", [], body)).read(100)

    async with raw_server(script) as server:
        upstream = client(server.url)
        tasks_before, descriptors_before = len(asyncio.all_tasks()), descriptors()
        exchanges = [asyncio.create_task(exchange(number)) for number in range(100)]
        await eventually(lambda: server.connections == 100)
        for task in exchanges:
            task.cancel()
        results = await asyncio.gather(*exchanges, return_exceptions=True)
        assert all(isinstance(result, asyncio.CancelledError) for result in results)
        await server.until_open(0)
        await eventually(lambda: len(asyncio.all_tasks()) <= tasks_before)
        await eventually(lambda: descriptors() <= descriptors_before)
        assert repr(upstream).endswith("0 active, 0 idle>")


async def test_cancelling_while_connecting_leaves_nothing(client: Client) -> None:
    """The server has not accepted the TLS handshake that the client waits for."""
    async with raw_server(Peer.gone) as server:
        upstream = client(server.url.replace("http:", "https:"), verify=False)
        tasks = [asyncio.create_task(upstream.send(b"GET", b"/", [])) for _ in range(10)]
        await eventually(lambda: server.connections == 10)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.until_open(0)
        assert repr(upstream).endswith("0 active, 0 idle>")


async def test_aborting_wakes_a_reader_and_closes_the_connection(client: Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(STREAM)
        await peer.gone()

    async with raw_server(script) as server:
        response = await client(server.url).send(b"GET", b"/", [])
        reader = asyncio.create_task(response.chunk())
        await turn()
        response.abort()
        response.abort()
        with pytest.raises(UpstreamCutError, match="was abandoned"):
            await reader
        await server.until_open(0)


async def test_aborting_a_complete_response_leaves_its_connection_to_the_next(client: Client) -> None:
    async with raw_server(responding(PLAIN)) as server:
        upstream = client(server.url)
        for _ in range(3):
            (await upstream.send(b"GET", b"/", [])).abort()
        assert server.connections == 1
