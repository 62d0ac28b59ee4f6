"""Which connection a request gets, and when it is sent a second time."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator

import pytest

from fleet_runtime.upstream import Upstream, UpstreamCutError
from tests.runtime.upstream.conftest import Client, until_state
from tests.support.raw_server import Peer, raw_server, responding

pytestmark = pytest.mark.anyio

PLAIN = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
HEADERS = [(b"content-type", b"application/json"), (b"x-two", b"1"), (b"x-two", b"2")]


async def post(upstream: Upstream, body: bytes = b"{}") -> bytes:
    return await (await upstream.send(b"POST", b"/v1/x", HEADERS, body)).read(100)


async def test_a_request_says_what_it_was_given_and_host_and_length(client: Client) -> None:
    async with raw_server(responding(PLAIN)) as server:
        upstream = client(server.url + "/prefix/")
        await post(upstream, b"body")
        await upstream.send(b"GET", b"/v1/models", [])
        await upstream.send(b"POST", b"/v1/x", [])
        host = b"host: 127.0.0.1:%d\r\n" % server.port
        heads = [request.head for request in server.requests]
        assert heads == [
            b"POST /v1/x HTTP/1.1\r\n" + host + b"content-type: application/json\r\n"
            b"x-two: 1\r\nx-two: 2\r\ncontent-length: 4\r\n\r\n",
            b"GET /v1/models HTTP/1.1\r\n" + host + b"\r\n",
            b"POST /v1/x HTTP/1.1\r\n" + host + b"content-length: 0\r\n\r\n",
        ]
        assert server.requests[0].body == b"body"
        assert upstream.prefix == "/prefix"


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        (b"/ HTTP/1.1\r\nx: y", []),
        (b"/a b", []),
        (b"/", [(b"x", b"1\r\ny: 2")]),
        (b"/", [(b"x\r\ny", b"1")]),
        (b"/", [(b"x", b"1\n")]),
        (b"/", [(b"x", b"1\ry: 2")]),
    ],
)
async def test_a_head_that_would_hold_another_line_is_not_sent(
    client: Client, target: bytes, headers: list[tuple[bytes, bytes]]
) -> None:
    async with raw_server(responding(PLAIN)) as server:
        with pytest.raises(ValueError, match="characters that are not allowed"):
            await client(server.url).send(b"GET", target, headers)
        assert server.connections == 0


async def test_it_knows_when_it_last_completed_a_response(client: Client) -> None:
    async def cut(peer: Peer) -> None:
        await peer.request()
        await peer.send(PLAIN[:-2])

    async with raw_server(responding(PLAIN)) as server, raw_server(cut) as cutting:
        upstream, other = client(server.url), client(cutting.url)
        began = time.monotonic()
        assert upstream.heard_at < began
        await post(upstream)
        assert upstream.heard_at >= began
        with pytest.raises(UpstreamCutError):
            await post(other)
        assert other.heard_at < began


async def test_the_last_used_connection_is_used_next(client: Client) -> None:
    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n%d" % peer.number)

    async with raw_server(script) as server:
        upstream = client(server.url)
        first = await asyncio.gather(*(post(upstream) for _ in range(4)))
        assert sorted(first) == [b"0", b"1", b"2", b"3"]
        assert repr(upstream) == f"<Upstream {server.url}: 0 active, 4 idle>"
        assert len({await post(upstream) for _ in range(20)}) == 1


async def test_no_more_than_max_idle_connections_are_kept(client: Client) -> None:
    async with raw_server(responding(PLAIN)) as server:
        upstream = client(server.url, max_idle=2)
        await asyncio.gather(*(post(upstream) for _ in range(6)))
        await server.until_open(2)
        assert repr(upstream).endswith("0 active, 2 idle>")


async def test_an_idle_connection_is_closed_after_its_time(client: Client) -> None:
    async with raw_server(responding(PLAIN)) as server:
        upstream = client(server.url, idle_seconds=0.05)
        await post(upstream)
        await server.until_open(0)
        assert repr(upstream).endswith("0 active, 0 idle>")


async def test_an_idle_connection_that_the_provider_closes_is_dropped_at_once(client: Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(PLAIN)

    async with raw_server(script) as server:
        upstream = client(server.url)
        for _ in range(3):
            response = await upstream.send(b"POST", b"/", [])
            assert not response.retried
            await until_state(upstream, "0 active, 0 idle")
        assert server.connections == 3


async def test_after_close_running_responses_end_and_new_requests_still_pass(client: Client) -> None:
    go_on = asyncio.Event()

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(PLAIN[:-2])
            await go_on.wait()
            await peer.send(PLAIN[-2:])

    async with raw_server(script) as server:
        upstream = client(server.url)
        running = await upstream.send(b"GET", b"/", [])
        await upstream.close()
        go_on.set()
        assert await running.read(100) == b"hello"
        assert await post(upstream) == b"hello"
        await upstream.close()
        await server.until_open(0)
        assert repr(upstream).endswith("0 active, 0 idle>")


async def stale(peer: Peer, how: str) -> None:
    """The first connection serves one request and closes during the next; the second one works."""
    while True:
        await peer.request()
        if peer.number == 0 and len(peer.server.requests) == 2:
            return peer.reset() if how == "reset" else peer.close()
        await peer.send(PLAIN)


class Twice:
    """A body source that counts its iterations."""

    length = 300_000

    def __init__(self) -> None:
        self.iterations = 0

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        self.iterations += 1
        for letter in b"abc":
            yield bytes([letter]) * 100_000


@pytest.mark.parametrize("how", ["reset", "close"])
@pytest.mark.parametrize(
    "body", [b"", b"{}", b"x" * 1_000_000, Twice()], ids=["none", "small", "large", "source"]
)
async def test_fault_05_a_stale_connection_costs_one_retry_with_the_same_bytes(
    client: Client, how: str, body: bytes | Twice
) -> None:
    async with raw_server(lambda peer: stale(peer, how)) as server:
        upstream = client(server.url)
        assert await post(upstream) == b"hello"
        response = await upstream.send(b"POST", b"/v1/x", HEADERS, body)
        assert response.retried
        assert await response.read(100) == b"hello"
        _, lost, again = server.requests
        assert (lost.head, lost.body) == (again.head, again.body)
        assert again.body == (body if isinstance(body, bytes) else b"".join([p async for p in body]))
        assert server.connections == 2


async def test_a_new_connection_that_dies_is_not_retried(client: Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()

    async with raw_server(script) as server:
        with pytest.raises(UpstreamCutError, match="before its response") as cut:
            await post(client(server.url))
        assert cut.value.silent
        assert not cut.value.head_received
        assert server.connections == 1


async def test_a_request_is_retried_once_and_no_more(client: Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        if peer.number == 0:
            await peer.send(PLAIN)
            await peer.request()

    async with raw_server(script) as server:
        upstream = client(server.url)
        await post(upstream)
        with pytest.raises(UpstreamCutError):
            await post(upstream)
        assert server.connections == 2
        assert len(server.requests) == 3


@pytest.mark.parametrize("first", [b"H", b"HTTP/1.1 200 OK\r\nx: y", b"HTTP/1.1 103 Early Hints\r\n\r\n"])
async def test_a_reused_connection_that_dies_after_a_byte_is_not_retried(
    client: Client, first: bytes
) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(PLAIN)
        await peer.request()
        await peer.send(first)

    async with raw_server(script) as server:
        upstream = client(server.url)
        await post(upstream)
        with pytest.raises(UpstreamCutError) as cut:
            await post(upstream)
        assert not cut.value.head_received
        assert not cut.value.silent
        assert server.connections == 1


async def test_fault_05_a_thousand_posts_over_keep_alives_that_close_at_random_all_pass(
    client: Client,
) -> None:
    chance = random.Random(5)

    async def script(peer: Peer) -> None:
        answered = 0
        while True:
            request = await peer.request()
            if answered and chance.random() < 0.2:
                return peer.reset() if chance.random() < 0.5 else None
            await peer.send(
                b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(request.body) + request.body
            )
            answered += 1
            if chance.random() < 0.2:
                return peer.reset() if chance.random() < 0.5 else None

    async def worker(upstream: Upstream, number: int) -> int:
        bodies = [b'{"request": %d}' % n for n in range(number * 100, number * 100 + 100)]
        return sum([await post(upstream, body) == body for body in bodies])

    async with raw_server(script) as server:
        upstream = client(server.url)
        assert sum(await asyncio.gather(*(worker(upstream, n) for n in range(10)))) == 1000
        assert 100 < server.connections < 900
        assert " 0 active" in repr(upstream)
