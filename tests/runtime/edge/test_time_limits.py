"""Clients that send slowly or not at all do not hold a connection."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

import pytest

from fleet_runtime.edge.interfaces import TimeLimits
from tests.support.artifacts import connection
from tests.support.gateway import gateway_before, running_gateway
from tests.support.raw_client import ask, client, request
from tests.support.raw_server import Peer, raw_server, responding
from tests.support.waiting import pace

pytestmark = pytest.mark.anyio

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


HASTY = TimeLimits(head=0.3, body=0.3, drain=0.3)


def test_fault_21_the_limits_in_force() -> None:
    assert TimeLimits().head <= 10
    assert TimeLimits().body <= 30


async def trickle(port: int, data: bytes) -> float:
    """Send a byte every 20 ms until the server closes; the seconds that took."""
    began = time.monotonic()
    async with asyncio.timeout(10), client(port) as slow:
        closed = asyncio.ensure_future(slow.reader.read())
        for byte in data:
            if closed.done():
                break
            with suppress(ConnectionError):
                await slow.send(bytes((byte,)))
            await asyncio.wait((closed,), timeout=0.02)
        with suppress(ConnectionError):
            await closed
    return time.monotonic() - began


async def test_fault_21_a_head_that_comes_byte_by_byte_is_cut_off() -> None:
    async with running_gateway(connection("a"), times=HASTY) as gateway:
        assert await trickle(gateway.port, b"GET /v1/models HTTP/1.1\r\nX-A: " + b"a" * 500) < 3


async def test_fault_21_a_connection_that_sends_nothing_is_closed() -> None:
    async with running_gateway(connection("a"), times=HASTY) as gateway:
        assert await trickle(gateway.port, b"") < 3


async def test_fault_21_blank_lines_do_not_keep_a_connection() -> None:
    async with running_gateway(connection("a"), times=HASTY) as gateway, client(gateway.port) as slow:
        await slow.send(request("/v1/models"))
        await slow.answer()
        await slow.send(b"\r\n")
        async with asyncio.timeout(5):
            assert await slow.rest() == b""


async def test_fault_21_a_body_that_stops_is_cut_off_and_nothing_is_forwarded() -> None:
    async with raw_server(responding(OK)) as machine:
        async with running_gateway(connection("a", machine.url), times=HASTY) as gateway:
            async with asyncio.timeout(5), client(gateway.port) as slow:
                await slow.send(request("/v1/embeddings", {"model": "a/m"})[:-1])
                assert await slow.rest() == b""
            assert (await gateway.record()).end_reason == "client_gone"
        assert machine.requests == []


async def test_fault_21_a_body_that_keeps_coming_slowly_is_taken() -> None:
    async with gateway_before(responding(OK), times=HASTY) as (_, gateway), client(gateway.port) as slow:
        whole = request("/v1/embeddings", {"model": "a/m", "input": "a" * 20})
        await slow.send(whole[:-30])
        waiting = asyncio.ensure_future(slow.answer())
        for byte in whole[-30:]:
            await asyncio.wait((waiting,), timeout=0.02)
            await slow.send(bytes((byte,)))
        assert (await waiting).status == 200


async def test_fault_21_a_long_response_is_not_cut_off_by_the_limits_for_requests() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await pace(0.8)
        await peer.send(OK)

    async with gateway_before(script, times=HASTY) as (_, gateway):
        assert (await ask(gateway.port, "/v1/embeddings", {"model": "a/m"})).status == 200


async def test_fault_21_200_slow_connections_do_not_slow_the_others_down() -> None:
    async def median(port: int) -> float:
        times = []
        async with client(port) as quick:
            for _ in range(100):
                began = time.perf_counter()
                await quick.send(request("/v1/embeddings", {"model": "a/m"}))
                await quick.answer()
                times.append(time.perf_counter() - began)
        return sorted(times)[50]

    async with (
        raw_server(responding(OK)) as machine,
        running_gateway(connection("a", machine.url)) as gateway,
    ):
        before = await median(gateway.port)
        slow = [await asyncio.open_connection("127.0.0.1", gateway.port) for _ in range(200)]
        for _, writer in slow:
            writer.write(b"POST /v1/embeddings HTTP/1.1\r\nX-A: ")
        during = await median(gateway.port)
        for _, writer in slow:
            writer.transport.abort()
        assert during < 2 * before + 0.005
