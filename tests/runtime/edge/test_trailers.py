"""Trailers of a chunked request are bounded and dropped; none ever becomes a header (RFC 9110, 6.5.1)."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.artifacts import connection
from tests.support.gateway import gateway_before, running_gateway
from tests.support.raw_client import client
from tests.support.raw_server import responding

pytestmark = pytest.mark.anyio

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
BODY = b'{"model":"a/m"}'
CHUNKS = b"%x\r\n%b\r\n0\r\n" % (len(BODY), BODY)


@pytest.mark.parametrize(
    "trailer",
    [
        b"X-Trailer: leaked",
        b"Host: evil.example",
        b"Origin: http://evil.example",
        b"Authorization: Bearer leaked",
        b"Content-Type: multipart/form-data; boundary=x",
        b"Content-Encoding: gzip",
        b"X-Request-Id: leaked",
        b"Expect: 100-continue",
        b"Connection: close",
        b"Upgrade: websocket",
    ],
)
async def test_a_trailer_is_dropped_and_changes_nothing(trailer: bytes) -> None:
    async with gateway_before(responding(OK)) as (provider, gateway), client(gateway.port) as browser:
        for _ in range(2):
            await browser.send(HEAD + CHUNKS + trailer + b"\r\n\r\n")
            assert (await browser.answer()).status == 200
        for sent in provider.requests:
            assert sent.body == b'{"model":"m"}'
            assert trailer.partition(b": ")[2] not in sent.head
            assert b"x-trailer" not in sent.head.lower()


@pytest.mark.parametrize(
    "trailer", [b"Content-Length: 5", b"Transfer-Encoding: chunked", b"no colon", b" x: y"]
)
async def test_a_trailer_that_would_frame_a_message_or_is_malformed_is_400(trailer: bytes) -> None:
    async with gateway_before(responding(OK)) as (provider, gateway), client(gateway.port) as browser:
        await browser.send(HEAD + CHUNKS + trailer + b"\r\n\r\n")
        answer = await browser.answer()
        assert (answer.status, answer.code) == (400, "bad_request")
        assert provider.requests == []
        assert (await gateway.record()).code == "bad_request"


@pytest.mark.parametrize("line", [b"a: b\r\n", b"a" * 1000], ids=["many", "one without an end"])
@pytest.mark.parametrize("host", [b"localhost", b"evil.example"], ids=["accepted", "after a 403"])
async def test_endless_trailers_end_at_the_limit_of_a_head(line: bytes, host: bytes) -> None:
    async with running_gateway(connection("a"), limits={"head": 4096}) as gateway:
        async with asyncio.timeout(10), client(gateway.port) as flood:
            await flood.send(HEAD.replace(b"localhost", host) + CHUNKS)
            while gateway.edge.connections and not flood.writer.is_closing():
                await flood.send(line * 100)
        await gateway.until_closed()


async def test_endless_chunk_extensions_end_at_the_limit_of_a_head() -> None:
    async with (
        running_gateway(connection("a"), limits={"head": 4096}) as gateway,
        client(gateway.port) as flood,
    ):
        await flood.send(HEAD + b"1;x=" + b"y" * 5000)
        answer = await flood.answer()
        assert (answer.status, answer.code) == (431, "head_too_large")
