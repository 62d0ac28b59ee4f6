"""Ambiguous heads are rejected, and a smuggled request reaches no provider."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.artifacts import connection
from tests.support.gateway import running_gateway
from tests.support.raw_client import Answer, client, request
from tests.support.raw_server import raw_server, responding

pytestmark = pytest.mark.anyio

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
TARGET = b"POST /v1/chat/completions HTTP/1.1\r\n"
HOST = b"Host: 127.0.0.1\r\n"
BODY = b'{"model":"a/m"}'
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
CHUNKS = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
SMUGGLED = request("/v1/embeddings", {"model": "a/m", "smuggled": True})

HEADS = {
    "length and chunked": TARGET + HOST + LENGTH + CHUNKED + b"\r\n" + CHUNKS,
    "chunked and length": TARGET + HOST + CHUNKED + LENGTH + b"\r\n" + CHUNKS,
    "the same length twice": TARGET + HOST + LENGTH + LENGTH + b"\r\n" + BODY,
    "two lengths": TARGET + HOST + LENGTH + b"Content-Length: 0\r\n\r\n" + BODY,
    "a list of lengths": TARGET + HOST + b"Content-Length: 15, 15\r\n\r\n" + BODY,
    "a length with a plus": TARGET + HOST + b"Content-Length: +15\r\n\r\n" + BODY,
    "a negative length": TARGET + HOST + b"Content-Length: -1\r\n\r\n" + BODY,
    "a hexadecimal length": TARGET + HOST + b"Content-Length: 0xf\r\n\r\n" + BODY,
    "a length past 64 bits": TARGET + HOST + b"Content-Length: 18446744073709551617\r\n\r\n" + BODY,
    "an empty length": TARGET + HOST + b"Content-Length: \r\n\r\n" + BODY,
    "a length with a space in it": TARGET + HOST + b"Content-Length: 1 5\r\n\r\n" + BODY,
    "a length with an underscore": TARGET + HOST + b"Content-Length: 1_5\r\n\r\n" + BODY,
    "a space before the colon": TARGET + HOST + b"Content-Length : 15\r\n\r\n" + BODY,
    "a folded header": TARGET + HOST + b"X-A: 1\r\n 2\r\n" + LENGTH + b"\r\n" + BODY,
    "a header folded with a tab": TARGET + HOST + b"X-A: 1\r\n\t2\r\n" + LENGTH + b"\r\n" + BODY,
    "a folded transfer encoding": TARGET + HOST + b"Transfer-Encoding:\r\n chunked\r\n\r\n" + CHUNKS,
    "white space before the first header": TARGET + b" " + HOST + LENGTH + b"\r\n" + BODY,
    "chunked, identity": TARGET + HOST + b"Transfer-Encoding: chunked, identity\r\n\r\n" + CHUNKS,
    "identity, chunked": TARGET + HOST + b"Transfer-Encoding: identity, chunked\r\n\r\n" + CHUNKS,
    "gzip, chunked": TARGET + HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + CHUNKS,
    "identity alone": TARGET + HOST + b"Transfer-Encoding: identity\r\n\r\n" + CHUNKS,
    "two transfer encodings": TARGET + HOST + CHUNKED + b"Transfer-Encoding: identity\r\n\r\n" + CHUNKS,
    "chunked twice": TARGET + HOST + CHUNKED + CHUNKED + b"\r\n" + CHUNKS,
    "xchunked": TARGET + HOST + b"Transfer-Encoding: xchunked\r\n\r\n" + CHUNKS,
    "quoted chunked": TARGET + HOST + b'Transfer-Encoding: "chunked"\r\n\r\n' + CHUNKS,
    "chunked after a vertical tab": TARGET + HOST + b"Transfer-Encoding: \x0bchunked\r\n\r\n" + CHUNKS,
    "an empty transfer encoding": TARGET + HOST + b"Transfer-Encoding: \r\n" + LENGTH + b"\r\n" + BODY,
    "chunked on HTTP/1.0": TARGET.replace(b"1.1", b"1.0") + HOST + CHUNKED + b"\r\n" + CHUNKS,
    "NUL in a value": TARGET + HOST + b"X-A: a\0b\r\n" + LENGTH + b"\r\n" + BODY,
    "NUL in a name": TARGET + HOST + b"X\0A: a\r\n" + LENGTH + b"\r\n" + BODY,
    "a control character in a value": TARGET + HOST + b"X-A: a\x01b\r\n" + LENGTH + b"\r\n" + BODY,
    "a bare CR in a value": TARGET + HOST + b"X-A: a\rX-B: b\r\n" + LENGTH + b"\r\n" + BODY,
    "lines that end with LF alone": (TARGET + HOST + LENGTH + b"\r\n").replace(b"\r\n", b"\n") + BODY,
    "one line that ends with LF alone": TARGET + b"Host: 127.0.0.1\n" + LENGTH + b"\r\n" + BODY,
    "CONNECT to a path": b"CONNECT / HTTP/1.1\r\n" + HOST + b"\r\n",
    "CONNECT with a body": b"CONNECT /v1/models HTTP/1.1\r\n" + HOST + LENGTH + b"\r\n" + BODY,
    "a header without a colon": TARGET + HOST + b"X-A\r\n" + LENGTH + b"\r\n" + BODY,
    "a header without a name": TARGET + HOST + b": a\r\n" + LENGTH + b"\r\n" + BODY,
    "a header name with a parenthesis": TARGET + HOST + b"X(A): a\r\n" + LENGTH + b"\r\n" + BODY,
    "no Host": TARGET + LENGTH + b"\r\n" + BODY,
    "no Host on HTTP/1.0": TARGET.replace(b"1.1", b"1.0") + LENGTH + b"\r\n" + BODY,
    "two Hosts": TARGET + HOST + HOST + LENGTH + b"\r\n" + BODY,
    "two different Hosts": TARGET + HOST + b"Host: evil\r\n" + LENGTH + b"\r\n" + BODY,
    "an absolute target": b"POST http://evil/v1/chat/completions HTTP/1.1\r\n"
    + HOST
    + LENGTH
    + b"\r\n"
    + BODY,
    "an asterisk target": b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n",
    "CONNECT": b"CONNECT 127.0.0.1:80 HTTP/1.1\r\n" + HOST + b"\r\n",
    "a space in the target": b"POST /v1/chat /completions HTTP/1.1\r\n" + HOST + LENGTH + b"\r\n" + BODY,
    "a control character in the target": b"POST /v1/\x01 HTTP/1.1\r\n" + HOST + LENGTH + b"\r\n" + BODY,
    "an unknown method": b"SMUGGLE / HTTP/1.1\r\n" + HOST + b"\r\n",
    "a method in lower case": TARGET.replace(b"POST", b"post") + HOST + LENGTH + b"\r\n" + BODY,
    "a tab after the method": TARGET.replace(b"POST ", b"POST\t") + HOST + LENGTH + b"\r\n" + BODY,
    "HTTP/2.0": TARGET.replace(b"1.1", b"2.0") + HOST + LENGTH + b"\r\n" + BODY,
    "HTTP/1.11": TARGET.replace(b"1.1", b"1.11") + HOST + LENGTH + b"\r\n" + BODY,
    "HTTP/1.2": TARGET.replace(b"1.1", b"1.2") + HOST + LENGTH + b"\r\n" + BODY,
    "HTTP/0.9": b"GET /v1/models\r\n\r\n",
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a TLS hello": b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03",
    "a chunk size with a plus": TARGET + HOST + CHUNKED + b"\r\n+" + CHUNKS,
    "a chunk size with 0x": TARGET + HOST + CHUNKED + b"\r\n0x" + CHUNKS,
    "a negative chunk size": TARGET + HOST + CHUNKED + b"\r\n-" + CHUNKS,
    "a chunk size past 64 bits": TARGET + HOST + CHUNKED + b"\r\n1000000000000000f" + CHUNKS[1:],
    "a space after a chunk size": TARGET + HOST + CHUNKED + b"\r\n" + CHUNKS.replace(b"f\r\n", b"f \r\n"),
    "a bare LF in a chunk extension": TARGET
    + HOST
    + CHUNKED
    + b"\r\n"
    + CHUNKS.replace(b"f\r", b"f;a=\nb\r"),
    "chunk lines that end with LF alone": TARGET + HOST + CHUNKED + b"\r\n" + CHUNKS.replace(b"\r\n", b"\n"),
    "a chunk longer than it says": TARGET + HOST + CHUNKED + b"\r\n" + CHUNKS.replace(b"}", b"}}"),
    "a length among the trailers": TARGET + HOST + CHUNKED + b"\r\n" + CHUNKS[:-2] + LENGTH + b"\r\n",
}


async def exchange(port: int, sent: bytes) -> tuple[Answer, bytes]:
    """The first response, and what comes after it until the server closes."""
    async with asyncio.timeout(10), client(port) as connection:
        await connection.send(sent)
        answer = await connection.answer()
        return answer, await connection.rest()


@pytest.mark.parametrize("head", HEADS.values(), ids=list(HEADS))
async def test_fault_23_a_malformed_head_is_rejected_and_what_follows_it_is_not_read(head: bytes) -> None:
    async with (
        raw_server(responding(OK)) as machine,
        running_gateway(connection("a", machine.url)) as gateway,
    ):
        answer, rest = await exchange(gateway.port, head + SMUGGLED)
        assert answer.status == 400
        assert answer.code == "bad_request"
        assert answer.header(b"connection") == [b"close"]
        assert rest == b""
        assert machine.requests == []


HARMLESS = {
    "a header that looks like transfer-encoding": b"Transfer_Encoding: chunked\r\n",
    "a length named by Connection": b"Connection: content-length, host\r\n",
    "an upgrade": b"Connection: upgrade\r\nUpgrade: h2c\r\n",
    "a websocket upgrade": b"Connection: upgrade\r\nUpgrade: websocket\r\n",
    "TE: chunked": b"TE: chunked\r\n",
    "trailers announced": b"Trailer: content-length\r\n",
    "a line break in percent-encoding": b"X-A: a%0d%0aContent-Length: 0\r\n",
}


@pytest.mark.parametrize("extra", HARMLESS.values(), ids=list(HARMLESS))
async def test_fault_23_an_unambiguous_request_is_forwarded_as_exactly_one(extra: bytes) -> None:
    async with (
        raw_server(responding(OK)) as machine,
        running_gateway(connection("a", machine.url)) as gateway,
    ):
        async with client(gateway.port) as browser:
            await browser.send(TARGET + HOST + LENGTH + extra + b"\r\n" + BODY)
            assert (await browser.answer()).status == 200
        [sent] = machine.requests
        assert sent.body == b'{"model":"m"}'
        assert sent.header(b"content-length") == [b"13"]
        for name in (b"transfer-encoding", b"te", b"upgrade", b"trailer"):
            assert sent.header(name) == []


async def test_fault_23_pipelined_requests_get_responses_one_after_the_other() -> None:
    async with (
        raw_server(responding(OK)) as machine,
        running_gateway(connection("a", machine.url)) as gateway,
    ):
        async with client(gateway.port) as browser:
            await browser.send(
                b"".join(request("/v1/embeddings", {"model": "a/m", "n": n}) for n in range(5))
            )
            for _ in range(5):
                assert (await browser.answer()).body == b"{}"
        assert [sent.body for sent in machine.requests] == [b'{"model":"m","n":%d}' % n for n in range(5)]


async def test_fault_23_a_head_over_its_limit_is_431_in_one_parts_or_in_many() -> None:
    async with running_gateway(connection("a")) as gateway:
        whole = b"GET /v1/models HTTP/1.1\r\n" + HOST + b"X-A: " + b"a" * 70_000 + b"\r\n\r\n"
        answer, _ = await exchange(gateway.port, whole)
        assert (answer.status, answer.code) == (431, "head_too_large")
        async with client(gateway.port) as browser:
            await browser.send(b"GET /v1/models HTTP/1.1\r\n" + HOST)
            for _ in range(80):
                await browser.send(b"X-A: " + b"a" * 1000 + b"\r\n")
            answer = await browser.answer()
            assert (answer.status, answer.code) == (431, "head_too_large")


async def test_fault_23_a_head_just_below_its_limit_and_200_headers_pass() -> None:
    async with running_gateway(connection("a")) as gateway:
        many = b"".join(b"X-%d: %s\r\n" % (n, b"a" * 300) for n in range(200))
        async with client(gateway.port) as browser:
            await browser.send(b"GET /v1/models HTTP/1.1\r\n" + HOST + many + b"\r\n")
            assert (await browser.answer()).status == 200
