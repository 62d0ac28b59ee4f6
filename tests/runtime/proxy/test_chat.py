"""Chat through the gateway: the provider gets what was sent, the client what was answered."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.support.artifacts import connection
from tests.support.gateway import running_gateway
from tests.support.raw_client import ask, client, request
from tests.support.raw_server import Peer, raw_server, responding

pytestmark = pytest.mark.anyio

CHAT = "/v1/chat/completions"
ANSWER = b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


async def test_a_unary_response_is_complete_and_names_its_provider() -> None:
    async with (
        raw_server(responding(ANSWER)) as machine,
        running_gateway(connection("a", machine.url)) as gateway,
    ):
        body = b'{"temperature":  1.50, "model": "a/m", "messages":[{"role":"user","content":"\\u00e9"}]}'
        answer = await ask(gateway.port, CHAT, body)
        assert (answer.status, answer.body, answer.ended) == (200, b"{}", True)
        assert answer.header(b"x-fleet-provider") == [b"a"]
        assert answer.header(b"x-fleet-model") == [b"a/m"]
        assert answer.header(b"x-fleet-via") == [b"direct"]
        assert answer.header(b"content-length") == [b"2"]
        [sent] = machine.requests
        assert sent.target == b"/v1/chat/completions"
        assert (
            sent.body == b'{"temperature":1.50,"model":"m","messages":[{"role":"user","content":"\\u00e9"}]}'
        )


async def test_the_first_chunk_of_a_stream_arrives_before_the_second_is_sent() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        await peer.send(b"6\r\ndata: \r\n")
        await seen.wait()
        await peer.send(b"3\r\n1\n\n\r\n0\r\n\r\n")

    seen = asyncio.Event()
    async with raw_server(script) as machine, running_gateway(connection("a", machine.url)) as gateway:
        async with client(gateway.port) as browser:
            await browser.send(request(CHAT, {"model": "a/m", "stream": True}))
            head = await browser.head()
            assert head.status == 200
            assert await browser.chunk() == b"data: "
            seen.set()
            assert await browser.chunk() == b"1\n\n"
            assert await browser.chunk() == b""
        assert (await gateway.record()).end_reason == "ok"
    assert json.loads(machine.requests[0].body) == {"model": "m", "stream": True}


async def test_parts_of_a_stream_that_arrive_together_leave_together() -> None:
    """The gateway's chunks are its writes: each is one read of the provider's connection."""
    events = [b"data: %d\n\n" % number for number in range(5)]
    chunks = [b"%x\r\n%b\r\n" % (len(event), event) for event in events]

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
            + b"".join(chunks[:2])
        )
        await seen.wait()
        await peer.send(b"".join(chunks[2:]) + b"0\r\n\r\n")

    seen = asyncio.Event()
    async with (
        raw_server(script) as machine,
        running_gateway(connection("a", machine.url)) as gateway,
        client(gateway.port) as browser,
    ):
        await browser.send(request(CHAT, {"model": "a/m", "stream": True}))
        await browser.head()
        assert await browser.chunk() == b"".join(events[:2])
        seen.set()
        assert await browser.chunk() == b"".join(events[2:])
        assert await browser.chunk() == b""
