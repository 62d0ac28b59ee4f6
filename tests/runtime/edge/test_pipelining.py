"""What a client sends behind a request does nothing to that request."""

from __future__ import annotations

import pytest

from fleet_runtime.edge.interfaces import TimeLimits
from tests.support.gateway import gateway_before
from tests.support.raw_client import client, request
from tests.support.raw_server import Peer
from tests.support.waiting import pace

pytestmark = pytest.mark.anyio

CHAT = "/v1/chat/completions"
BODY = {"model": "a/m", "stream": True}
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "behind",
    [b"", b"\r\n", b"P", b"POST /v1/chat/comp", b"\x16\x03\x01", b"x" * 200_000],
    ids=["nothing", "an empty line", "a byte", "half a line", "no HTTP", "a lot"],
)
async def test_a_stream_is_completed_whatever_follows_its_request(behind: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(STREAM)
        for _ in range(8):
            await pace(0.05)  # longer than every limit for heads, in all
            await peer.send(b"3\r\na\n\n\r\n")
        await peer.send(b"0\r\n\r\n")

    times = TimeLimits(head=0.1, body=0.1, drain=0.1, linger=0.1, idle=0.1)
    async with gateway_before(script, times=times) as (_, gateway), client(gateway.port) as browser:
        await browser.send(request(CHAT, BODY) + behind)
        answer = await browser.answer()
        assert (answer.status, answer.body, answer.ended) == (200, b"a\n\n" * 8, True)
        assert (await gateway.record()).end_reason == "ok"


async def test_what_follows_a_response_is_read_then_and_rejected_if_it_is_not_http() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    async with gateway_before(script) as (_, gateway), client(gateway.port) as browser:
        await browser.send(request(CHAT, BODY) + b"garbage\r\n\r\n")
        assert (await browser.answer()).status == 200
        assert (await browser.answer()).status == 400
        assert await browser.rest() == b""


async def test_a_bad_chunk_in_a_request_that_expects_100_is_a_400_and_no_failure_of_the_gateway(
    caplog: pytest.LogCaptureFixture,
) -> None:
    head = (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )
    async with gateway_before(lambda peer: peer.gone()) as (_, gateway):
        for pieces in ((head + b"zz\r\n",), (head, b"zz\r\n")):
            async with client(gateway.port) as browser:
                for piece in pieces:
                    await browser.send(piece)
                    await pace(0.01)
                answer = await browser.answer()
                assert (answer.status, answer.code) == (400, "bad_request")
        for number in range(2):
            record = await gateway.record(number)
            assert (record.status, record.code, record.end_reason) == (400, "bad_request", "refused")
    assert caplog.records == []


async def test_a_request_that_expects_100_gets_it_once_and_only_if_its_body_is_wanted() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    async with gateway_before(script) as (_, gateway), client(gateway.port) as browser:
        whole = request(CHAT, {"model": "a/m"}, {"expect": "100-continue"})
        at = whole.index(b"\r\n\r\n") + 4
        await browser.send(whole[:at])
        assert (await browser.head()).status == 100
        await browser.send(whole[at:])
        assert (await browser.head()).status == 200
    async with gateway_before(script) as (_, gateway), client(gateway.port) as browser:
        await browser.send(whole[:at].replace(b"host: 127.0.0.1", b"host: evil.example"))
        assert (await browser.head()).status == 403
