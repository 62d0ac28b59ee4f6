"""The limit on a request's body: before anything is read where its length is declared, else as it comes."""

from __future__ import annotations

import asyncio
import json
import resource
from pathlib import Path

import pytest

from tests.support.artifacts import connection
from tests.support.gateway import gateway_before, running_gateway
from tests.support.raw_client import ask, client, request
from tests.support.raw_server import raw_server, responding

pytestmark = pytest.mark.anyio

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
CHUNKED = b"POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
SMALL = {"body": 10_000}


async def test_fault_22_a_declared_body_over_the_limit_is_413_before_it_is_read() -> None:
    async with raw_server(responding(OK)) as machine:
        async with running_gateway(connection("a", machine.url), limits=SMALL) as gateway:
            async with asyncio.timeout(5), client(gateway.port) as browser:
                await browser.send(
                    b"POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10001\r\n"
                    b"Expect: 100-continue\r\n\r\n"
                )
                answer = await browser.answer()
            assert (answer.status, answer.code) == (413, "body_too_large")
            assert (await gateway.record()).end_reason == "refused"
        assert machine.requests == []


async def test_fault_22_a_chunked_body_over_the_limit_is_413_when_it_is_exceeded() -> None:
    async with raw_server(responding(OK)) as machine:
        async with running_gateway(connection("a", machine.url), limits=SMALL) as gateway:
            async with asyncio.timeout(5), client(gateway.port) as browser:
                await browser.send(CHUNKED + b"2711\r\n" + b" " * 10_001)
                answer = await browser.answer()
            assert (answer.status, answer.code) == (413, "body_too_large")
        assert machine.requests == []


async def test_fault_22_a_client_that_sends_all_of_it_first_still_reads_the_413() -> None:
    async with running_gateway(connection("a"), limits=SMALL) as gateway:
        answer = await ask(gateway.port, "/v1/embeddings", b" " * 5_000_000)
        assert (answer.status, answer.code) == (413, "body_too_large")


async def test_fault_22_the_connection_is_good_for_the_next_request_after_a_413() -> None:
    async with gateway_before(responding(OK), limits=SMALL) as (_, gateway), client(gateway.port) as browser:
        await browser.send(request("/v1/embeddings", b" " * 20_000))
        assert (await browser.answer()).status == 413
        await browser.send(request("/v1/embeddings", {"model": "a/m"}))
        assert (await browser.answer()).status == 200


async def test_fault_22_a_body_at_the_limit_passes() -> None:
    async with gateway_before(responding(OK), limits=SMALL) as (_, gateway):
        body = json.dumps({"model": "a/m", "input": ""}).encode()
        body = body.replace(b'""', b'"' + b"x" * (10_000 - len(body)) + b'"')
        assert len(body) == 10_000
        assert (await ask(gateway.port, "/v1/embeddings", body)).status == 200


@pytest.mark.parametrize("size", [3_000_000, 20_000_000])
async def test_fault_22_large_bodies_pass_complete_declared_and_chunked(size: int) -> None:
    async with (
        raw_server(responding(OK)) as machine,
        running_gateway(connection("a", machine.url)) as gateway,
    ):
        body = b'{"model":"a/m","image":"' + b"A" * size + b'"}'
        onward = body.replace(b"a/m", b"m")
        assert (await ask(gateway.port, "/v1/chat/completions", body)).status == 200
        assert machine.requests.pop().body == onward
        async with asyncio.timeout(30), client(gateway.port) as browser:
            await browser.send(CHUNKED)
            for start in range(0, len(body), 1_000_000):
                piece = body[start : start + 1_000_000]
                await browser.send(b"%x\r\n%s\r\n" % (len(piece), piece))
            await browser.send(b"0\r\n\r\n")
            assert (await browser.answer()).status == 200
        assert machine.requests.pop().body == onward


async def test_fault_22_the_memory_of_large_bodies_is_given_back() -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

    async with (
        raw_server(responding(OK)) as machine,
        running_gateway(connection("a", machine.url)) as gateway,
    ):
        body = b'{"model":"a/m","image":"' + b"A" * 20_000_000 + b'"}'

        async def send_some() -> int:
            for _ in range(3):
                assert (await ask(gateway.port, "/v1/chat/completions", body)).status == 200
                machine.requests.clear()
            return resident()

        before = await send_some()
        after = await send_some()
        assert after < before * 1.1 + 5_000_000
