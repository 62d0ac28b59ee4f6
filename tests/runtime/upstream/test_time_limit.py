"""A server is not blamed for the time in which the gateway itself stood still."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from fleet_runtime.artifacts.contract import Timeouts
from fleet_runtime.dialects.messages import ProbeRequest
from fleet_runtime.providers.provider import Provider
from fleet_runtime.providers.transport import send_probe_request
from fleet_runtime.upstream import ConnectError, Upstream
from fleet_runtime.upstream.time_limit import TimeLimit
from tests.support.artifacts import connection
from tests.support.raw_server import raw_server, responding

pytestmark = pytest.mark.anyio


def hold_up(seconds: float) -> None:
    """Block the loop in its next turn, when a connection or a request has just begun."""
    asyncio.get_running_loop().call_soon(time.sleep, seconds)


async def test_a_connection_that_was_made_while_the_loop_stood_still_is_used() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        upstream = Upstream(f"http://127.0.0.1:{listener.getsockname()[1]}", timeouts=Timeouts(connect=0.1))
        hold_up(0.3)
        (await upstream.new_connection()).abort()


async def test_a_probe_that_got_a_response_while_the_loop_stood_still_is_a_good_one() -> None:
    async with raw_server(responding(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")) as server:
        provider = Provider(connection("a", server.url), Upstream(server.url), None, None, None)
        hold_up(0.5)
        seen = await send_probe_request(provider, ProbeRequest("/models", api=True), 0.2)
        assert (seen.status, seen.reason) == (200, None)


async def test_what_takes_too_long_in_a_loop_that_runs_is_ended_in_time() -> None:
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        async with TimeLimit(0.05):
            await asyncio.Event().wait()
    assert time.monotonic() - began < 5


async def test_a_loop_that_is_held_up_again_and_again_still_ends_the_wait() -> None:
    loop = asyncio.get_running_loop()
    stumbling = True

    def stumble() -> None:
        if stumbling:
            hold_up(0.05)
            loop.call_soon(stumble)

    stumble()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(20), TimeLimit(0.1):
            await asyncio.Event().wait()
    stumbling = False


async def test_a_server_that_does_not_accept_is_still_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(address)
        with pytest.raises(ConnectError, match=r"no connection within 0.1 s"):
            await Upstream(f"http://127.0.0.1:{address[1]}", timeouts=Timeouts(connect=0.1)).new_connection()
        for each in waiting:
            each.close()
