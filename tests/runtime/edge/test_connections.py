"""Client connections are kept, and closed on request."""

from __future__ import annotations

import asyncio
import logging

import pytest

from tests.support.gateway import gateway_before
from tests.support.raw_client import client, request
from tests.support.raw_server import Peer, responding
from tests.support.waiting import turn

pytestmark = pytest.mark.anyio

CHAT = "/v1/chat/completions"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


async def test_a_connection_is_kept_for_as_many_requests_as_come() -> None:
    async with gateway_before(responding(OK)) as (machine, gateway), client(gateway.port) as browser:
        for _ in range(50):
            await browser.send(request(CHAT, {"model": "a/m"}))
            assert (await browser.answer()).status == 200
        assert len(gateway.edge.connections) == 1
        assert machine.connections == 1


async def test_a_connection_is_closed_after_the_response_when_the_client_says_so() -> None:
    async with gateway_before(responding(OK)) as (_, gateway), client(gateway.port) as browser:
        await browser.send(request(CHAT, {"model": "a/m"}, {"connection": "close"}))
        answer = await browser.answer()
        assert answer.header(b"connection") == [b"close"]
        async with asyncio.timeout(5):
            assert await browser.rest() == b""


async def test_a_provider_that_closes_its_connection_does_not_close_the_clients() -> None:
    closing = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    async with gateway_before(responding(closing)) as (machine, gateway), client(gateway.port) as browser:
        for _ in range(3):
            await browser.send(request(CHAT, {"model": "a/m"}))
            answer = await browser.answer()
            assert (answer.status, answer.header(b"connection")) == (200, [])
        assert machine.connections == 3


async def test_an_offer_to_upgrade_is_not_taken_and_the_next_request_is_read() -> None:
    offer = {"connection": "Upgrade, HTTP2-Settings", "upgrade": "h2c", "http2-settings": "AAEAAEAA"}
    async with gateway_before(responding(OK)) as (machine, gateway), client(gateway.port) as browser:
        whole = request(CHAT, {"model": "a/m", "n": 1}, offer)
        at = whole.index(b"\r\n\r\n") + 4
        for pieces in ((whole,), (whole[:at], whole[at:]), (whole + whole,)):
            for piece in pieces:
                await browser.send(piece)
                await turn()
            for _ in range(2 if len(pieces[0]) > len(whole) else 1):
                assert (await browser.answer()).status == 200
        assert [sent.body for sent in machine.requests] == [b'{"model":"m","n":1}'] * 4


async def test_a_cut_response_is_not_logged_as_a_failure_of_the_gateway(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{")
        peer.reset()

    with caplog.at_level(logging.INFO):
        async with gateway_before(script) as (_, gateway), client(gateway.port) as browser:
            await browser.send(request(CHAT, {"model": "a/m"}))
            assert not (await browser.answer()).ended
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
