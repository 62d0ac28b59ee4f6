"""A client that does not read what was sent to it is let go, and with it what it held."""

from __future__ import annotations

import pytest

from tests.support.gateway import gateway_before
from tests.support.raw_client import Client, client, request
from tests.support.raw_server import Peer, responding
from tests.support.waiting import pace, until

pytestmark = pytest.mark.anyio

CHAT = "/v1/chat/completions"
BODY = {"model": "a/m"}
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNK = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"


async def endless(peer: Peer) -> None:
    await peer.request()
    await peer.send(STREAM)
    while True:
        await peer.send(CHUNK)


def stop_reading(stalled: Client) -> None:
    stalled.writer.transport.pause_reading()  # type: ignore[attr-defined]


async def test_a_client_that_reads_nothing_is_cut_off_and_frees_its_slot() -> None:
    limits = {"stall": 0.3}
    async with gateway_before(endless, max_concurrency=1, limits=limits) as (provider, gateway):
        async with client(gateway.port) as stalled:
            await stalled.send(request(CHAT, BODY))
            await stalled.head()
            stop_reading(stalled)
            await gateway.until_closed()
            await provider.until_open(0)
        assert (await gateway.record()).end_reason == "client_gone"
        assert gateway.fleet.providers["a"].in_flight == {}


async def test_a_client_that_reads_slowly_is_not_cut_off() -> None:
    async with gateway_before(endless, limits={"stall": 1}) as (_, gateway), client(gateway.port) as slow:
        await slow.send(request(CHAT, BODY))
        await slow.head()
        for _ in range(15):
            await slow.reader.readexactly(10_000_000)
            await pace(0.1)  # slower than the provider, quicker than the limit
        assert gateway.edge.connections


async def test_responses_that_are_not_read_outlive_no_limit() -> None:
    body = b"x" * 300_000
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    async with (
        gateway_before(responding(whole), limits={"stall": 0.3}) as (_, gateway),
        client(gateway.port) as stalled,
    ):
        stop_reading(stalled)
        await stalled.send(request(CHAT, BODY) * 50)
        await gateway.until_closed()


async def test_pipelined_requests_of_a_client_that_does_not_read_wait() -> None:
    async with gateway_before(endless) as (_, gateway), client(gateway.port) as stalled:
        stop_reading(stalled)
        await stalled.send(request("/v1/models") * 20_000)
        await until(lambda: len(gateway.records) > 10)
        handled = 0
        while handled != len(gateway.records):
            handled = len(gateway.records)
            await pace(0.2)  # time to handle more of them, if it did
        assert handled < 20_000
