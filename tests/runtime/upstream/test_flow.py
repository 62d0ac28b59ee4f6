"""Large bodies, both ways."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncGenerator

import pytest

from fleet_runtime.artifacts.contract import Timeouts
from fleet_runtime.upstream import FirstByteTimeoutError, UpstreamCutError
from fleet_runtime.upstream.response import HIGH_WATER
from tests.runtime.upstream.conftest import Client, eventually, until_state
from tests.support.raw_server import Peer, raw_server
from tests.support.waiting import pace, turn

pytestmark = pytest.mark.anyio

OK = b"HTTP/1.1 200 OK\r\n"
PLAIN = OK + b"content-length: 5\r\n\r\nhello"
REFUSAL = b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 4\r\n\r\nbig!"
LARGE = 30_000_000


class Source:
    """A body source of `length` bytes in parts, which says how many bytes were taken from it."""

    def __init__(self, length: int, *, given: int | None = None) -> None:
        self.length = length
        self.given = length if given is None else given
        self.taken = 0
        self.closed = False

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        try:
            while self.taken < self.given:
                piece = b"x" * min(100_000, self.given - self.taken)
                self.taken += len(piece)
                yield piece
        finally:
            self.closed = True


async def test_a_slow_reader_holds_the_upstream_back_and_gets_every_byte(client: Client) -> None:
    sent = 0

    async def script(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        await peer.send(OK + b"content-length: %d\r\n\r\n" % LARGE)
        while sent < LARGE:
            await peer.send(b"x" * 100_000)
            sent += 100_000
        await peer.gone()

    async with raw_server(script) as server:
        upstream = client(server.url)
        response = await upstream.send(b"GET", b"/", [])
        last = -1
        while last != sent:
            last = sent
            for _ in range(50):
                await turn()
        assert sent < LARGE
        assert response.held < HIGH_WATER + (1 << 20)
        received = 0
        while piece := await response.chunk():
            received += len(piece)
        assert received == LARGE
        assert "0 active, 1 idle" in repr(upstream)


async def test_the_idle_limit_does_not_run_while_the_reader_is_slow(client: Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK + b"content-length: %d\r\n\r\n" % LARGE + b"x" * LARGE)
        await peer.gone()

    async with raw_server(script) as server:
        response = await client(server.url).send(b"GET", b"/", [], timeouts=Timeouts(idle=0.05))
        await pace(0.2)
        assert len(await response.read(LARGE)) == LARGE


@pytest.mark.parametrize("body", [b"x" * LARGE, Source(LARGE)], ids=["bytes", "source"])
async def test_a_large_body_arrives_complete_and_leaves_the_connection_fit(
    client: Client, body: bytes | Source
) -> None:
    async def script(peer: Peer) -> None:
        while True:
            assert len((await peer.request()).body) == LARGE
            await peer.send(PLAIN)

    async with raw_server(script) as server:
        upstream = client(server.url)
        for _ in range(2):
            if isinstance(body, Source):
                body.taken = 0
            response = await upstream.send(b"POST", b"/", [], body)
            assert await response.read(100) == b"hello"
        assert server.connections == 1


@pytest.mark.parametrize("body", [b"x" * LARGE, Source(LARGE)], ids=["bytes", "source"])
@pytest.mark.parametrize("closes", [True, False])
async def test_an_early_rejection_is_heard_while_the_body_is_sent(
    client: Client, body: bytes | Source, closes: bool
) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.receive(100_000)
        await peer.send(REFUSAL)
        if not closes:
            await peer.gone()

    async with raw_server(script) as server:
        upstream = client(server.url)
        response = await upstream.send(b"POST", b"/", [], body)
        assert response.status == 413
        assert await response.read(100) == b"big!"
        await server.until_open(0)
        assert repr(upstream).endswith("0 active, 0 idle>")
        if isinstance(body, Source):
            assert body.closed
            assert body.taken < LARGE


@pytest.mark.skipif(sys.platform != "linux", reason="other systems forget what came before a reset")
@pytest.mark.parametrize("size", [1_000_000, LARGE])
async def test_an_early_rejection_is_heard_although_a_reset_follows_it(client: Client, size: int) -> None:
    """The provider runs on its own thread, so that its reset comes between any two writes of the body."""

    def serve() -> None:
        for _ in range(20):
            connection, _ = listener.accept()
            connection.recv(1000)
            connection.sendall(REFUSAL)
            connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(asyncio.to_thread(serve))
        upstream = client(f"http://127.0.0.1:{listener.getsockname()[1]}")
        for _ in range(20):
            response = await upstream.send(b"POST", b"/", [], b"x" * size)
            assert await response.read(100) == b"big!"
        await serving


async def test_an_early_good_response_does_not_stop_the_body(client: Client) -> None:
    received = 0

    async def script(peer: Peer) -> None:
        nonlocal received
        await peer.head()
        await peer.send(OK + b"transfer-encoding: chunked\r\n\r\n5\r\nearly\r\n")
        received = len(await peer.receive(LARGE))
        await peer.send(b"4\r\nlate\r\n0\r\n\r\n")
        await peer.gone()

    async with raw_server(script) as server:
        response = await client(server.url).send(b"POST", b"/", [], Source(LARGE))
        assert await response.chunk() == b"early"
        assert await response.read(100) == b"late"
        assert received == LARGE


async def test_a_provider_that_stops_taking_the_body_ends_at_the_first_byte_limit(client: Client) -> None:
    over = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        await over.wait()

    async with raw_server(script) as server:
        source = Source(LARGE)
        with pytest.raises(FirstByteTimeoutError):
            await client(server.url).send(b"POST", b"/", [], source, timeouts=Timeouts(first_byte=0.1))
        over.set()
        assert source.taken < LARGE
        await eventually(lambda: source.closed)


async def test_a_body_in_progress_suspends_the_first_byte_limit(client: Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        for _ in range(10):
            await peer.receive(LARGE // 10)
            await pace(0.06)
        await peer.send(PLAIN)
        await peer.gone()

    async with raw_server(script) as server:
        response = await client(server.url).send(
            b"POST", b"/", [], Source(LARGE), timeouts=Timeouts(first_byte=0.5)
        )
        assert await response.read(100) == b"hello"


@pytest.mark.parametrize("given", [200_000, 400_000])
async def test_a_source_of_another_length_than_it_said_ends_the_exchange(client: Client, given: int) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.gone()

    async with raw_server(script) as server:
        upstream = client(server.url)
        with pytest.raises(ValueError, match="does not have its declared length"):
            await upstream.send(b"POST", b"/", [], Source(300_000, given=given))
        await server.until_open(0)


async def test_the_failure_of_a_source_ends_the_exchange_and_is_raised(client: Client) -> None:
    class Broken(Source):
        async def __aiter__(self) -> AsyncGenerator[bytes, None]:
            yield b"x" * 100_000
            raise OSError("the disk is gone")

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.gone()

    async with raw_server(script) as server:
        upstream = client(server.url)
        with pytest.raises(OSError, match="the disk is gone"):
            await upstream.send(b"POST", b"/", [], Broken(300_000))
        await until_state(upstream, "0 active, 0 idle")


async def test_a_reset_in_the_upload_is_a_cut(client: Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.receive(100_000)
        peer.reset()

    async with raw_server(script) as server:
        with pytest.raises(UpstreamCutError):
            await client(server.url).send(b"POST", b"/", [], b"x" * LARGE)
