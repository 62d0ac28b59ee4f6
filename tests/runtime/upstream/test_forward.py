"""A body that is handed on within the call that reads it."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet_runtime.upstream import UpstreamCutError
from fleet_runtime.upstream.response import Response
from tests.runtime.upstream.conftest import Client
from tests.support.raw_server import Peer, raw_server

pytestmark = pytest.mark.anyio

OK = b"HTTP/1.1 200 OK\r\n"


class Taken:
    """A sink that is always ready for more."""

    def __init__(self) -> None:
        self.data = b""

    def __call__(self, piece: bytes) -> bool:
        self.data += piece
        return True


class Line:
    """The connection of a response that nothing comes from but what a test puts there."""

    def resume(self) -> None: ...

    def abort(self) -> None: ...


async def test_a_body_is_handed_on_to_its_proper_end(client: Client) -> None:
    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(OK + b"transfer-encoding: chunked\r\n\r\n1\r\na\r\n")
            await peer.send(b"2\r\nbc\r\n0\r\n\r\n")

    async with raw_server(script) as server:
        upstream = client(server.url)
        for _ in range(2):
            taken = Taken()
            response = await upstream.send(b"GET", b"/", [])
            assert await response.forward(taken)
            assert taken.data == b"abc"
        assert "0 active, 1 idle" in repr(upstream)


async def test_what_came_before_a_cut_is_handed_on_and_then_the_cut_is_told(client: Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK + b"content-length: 9\r\n\r\nabc")
        peer.reset()

    taken = Taken()
    async with raw_server(script) as server:
        response = await client(server.url).send(b"GET", b"/", [])
        with pytest.raises(UpstreamCutError):
            await response.forward(taken)
    assert b"abc".startswith(taken.data)


async def test_cancelling_aborts_the_exchange_and_hands_on_no_more(client: Client) -> None:
    begun = asyncio.Event()
    aborted = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK + b"content-length: 9\r\n\r\nabc")
        await peer.gone()
        aborted.set()

    def sink(piece: bytes) -> bool:
        begun.set()
        return True

    async with raw_server(script) as server, asyncio.timeout(5):
        response = await client(server.url).send(b"GET", b"/", [])
        reader = asyncio.create_task(response.forward(sink))
        await begun.wait()
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        await aborted.wait()


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.binary(min_size=1, max_size=4), st.booleans(), st.booleans()), max_size=12))
def test_every_byte_is_handed_on_once_and_in_order_however_slow_the_sink_is(
    arrivals: list[tuple[bytes, bool, bool]],
) -> None:
    """Each arrival: a piece, whether the sink takes another at once, whether the reader runs in between."""
    answers = [ready for _, ready, _ in arrivals]
    pieces: list[bytes] = []

    def sink(piece: bytes) -> bool:
        pieces.append(piece)
        return answers.pop()

    async def story() -> None:
        response = Response(Line(), "a machine")
        response.status = 200

        async def read() -> None:
            while not await response.forward(sink):
                await asyncio.sleep(0)

        reader = asyncio.create_task(read())
        await asyncio.sleep(0)
        for piece, _, pause in arrivals:
            response._pieces.append(piece)
            response._held += len(piece)
            response._arrived()
            if pause:
                await asyncio.sleep(0)
        response._end(None)
        await reader

    asyncio.run(story())
    assert b"".join(pieces) == b"".join(piece for piece, _, _ in arrivals)
