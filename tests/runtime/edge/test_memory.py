"""The bytes of bodies that are held at one time have a bound over all clients, and are given back."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest

from tests.support.gateway import gateway_before
from tests.support.raw_client import ask, client, request
from tests.support.raw_server import responding
from tests.support.waiting import until

pytestmark = pytest.mark.anyio

CHAT = "/v1/chat/completions"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
LIMITS = {"memory": 100_000}


async def test_a_body_beyond_what_may_be_held_is_503_and_says_when_to_retry() -> None:
    whole = request(CHAT, b'{"model":"a/m","x":"' + b"x" * 60_000 + b'"}')
    async with gateway_before(responding(OK), limits=LIMITS) as (_, gateway), AsyncExitStack() as clients:
        first = await clients.enter_async_context(client(gateway.port))
        await first.send(whole[:-1])
        await until(lambda: gateway.memory.held >= 60_000)
        busy = await ask(gateway.port, CHAT, b'{"model":"a/m","x":"' + b"x" * 60_000 + b'"}')
        assert (busy.status, busy.code) == (503, "gateway_busy")
        assert busy.header(b"retry-after") == [b"1"]
        assert (await ask(gateway.port, CHAT, {"model": "a/m"})).status == 200
        await first.send(whole[-1:])
        assert (await first.answer()).status == 200
        assert (await ask(gateway.port, CHAT, b'{"model":"a/m","x":"' + b"x" * 60_000 + b'"}')).status == 200


async def test_a_client_that_goes_gives_the_bytes_of_its_body_back() -> None:
    async with gateway_before(responding(OK), limits=LIMITS) as (_, gateway):
        async with client(gateway.port) as leaving:
            await leaving.send(request(CHAT, b" " * 60_000)[:-1])
            await until(lambda: gateway.memory.held >= 50_000)
            leaving.reset()
        await gateway.until_closed()
        assert gateway.memory.held == 0
