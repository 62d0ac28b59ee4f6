"""Where a response ends, and invalid responses."""

from __future__ import annotations

import asyncio
import gzip

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fleet_runtime.artifacts.contract import Timeouts
from fleet_runtime.upstream import InvalidResponseError, Response, Upstream, UpstreamCutError
from fleet_runtime.upstream.address import Address
from fleet_runtime.upstream.connection import Connection
from fleet_runtime.upstream.response_heads import ResponseHeads
from fleet_runtime.upstream.response_parser import HEAD_LIMIT
from tests.runtime.upstream.conftest import Client
from tests.support.raw_server import Peer, Script, raw_server, responding
from tests.support.waiting import turn

pytestmark = pytest.mark.anyio

OK = b"HTTP/1.1 200 OK\r\n"
PLAIN = OK + b"content-length: 5\r\n\r\nhello"


async def get(upstream: Upstream, method: bytes = b"GET") -> Response:
    return await upstream.send(method, b"/", [])


def once(answer: bytes) -> Script:
    """Gives one response and closes."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(answer)

    return script


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (PLAIN, b"hello"),
        (OK + b"content-length: 0\r\n\r\n", b""),
        (OK + b"Transfer-Encoding: Chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n", b"hello"),
        (OK + b"transfer-encoding: chunked\r\n\r\n0\r\nx-trailer: 1\r\n\r\n", b""),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 99\r\n\r\n", b""),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + PLAIN, b"hello"),
        (b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" + PLAIN, b"hello"),
        (b"HTTP/1.1 200\r\ncontent-length: 5\r\n\r\nhello", b"hello"),
        (b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 5\r\n\r\nhello", b"hello"),
    ],
)
async def test_a_response_framed_by_itself_leaves_its_connection_fit_for_the_next(
    client: Client, answer: bytes, body: bytes
) -> None:
    async with raw_server(responding(answer)) as server:
        upstream = client(server.url)
        for _ in range(3):
            response = await get(upstream)
            assert await response.read(100) == body
        assert server.connections == 1
        assert repr(upstream).endswith("0 active, 1 idle>")


async def test_fault_11_interim_responses_are_skipped_and_expect_is_not_sent(client: Client) -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"

    async def script(peer: Peer) -> None:
        await peer.head()
        for head in interim:
            await peer.trickle(head)
        await peer.receive(1_000_000)
        await peer.send(PLAIN)

    async with raw_server(script) as server:
        response = await client(server.url).send(b"POST", b"/", [], b"x" * 1_000_000)
        assert (response.status, response.headers) == (200, [(b"content-length", b"5")])
        assert await response.read(100) == b"hello"


@pytest.mark.parametrize("status", [204, 304])
async def test_fault_11_a_response_that_has_no_body_ends_with_its_head(client: Client, status: int) -> None:
    async with raw_server(responding(b"HTTP/1.1 %d X\r\nx: y\r\n\r\n" % status)) as server:
        upstream = client(server.url)
        for _ in range(2):
            assert await (await get(upstream)).read(100) == b""
        assert server.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"\r\nhello",
        OK + b"connection: close\r\n\r\nhello",
        b"HTTP/1.0 200 OK\r\n\r\nhello",
        b"HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello",
        OK + b"connection: close\r\ncontent-length: 5\r\n\r\nhello",
    ],
)
async def test_a_body_that_ends_with_its_connection_is_complete(client: Client, answer: bytes) -> None:
    async with raw_server(once(answer)) as server:
        upstream = client(server.url)
        for _ in range(2):
            assert await (await get(upstream)).read(100) == b"hello"
        assert server.connections == 2
        assert repr(upstream).endswith("0 active, 0 idle>")


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"content-length: 6\r\n\r\nhello",
        OK + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        OK + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
        OK + b"transfer-encoding: chunked\r\n\r\n6\r\nhello",
        OK + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-tr",
    ],
)
async def test_a_body_that_is_shorter_than_it_said_is_cut(client: Client, answer: bytes) -> None:
    async with raw_server(once(answer)) as server:
        response = await get(client(server.url))
        assert await response.chunk() == b"hello"
        with pytest.raises(UpstreamCutError, match=f"127.0.0.1:{server.port}.*in the middle") as cut:
            await response.chunk()
        assert cut.value.head_received
        assert not cut.value.silent


async def test_the_headers_are_as_they_came(client: Client) -> None:
    head = (
        b"X-One: a\r\nset-cookie: 1\r\nSet-Cookie: 2\r\nEmpty:\r\nUtf: \xc3\xa9\r\nContent-Length: 0\r\n\r\n"
    )
    async with raw_server(responding(b"HTTP/1.1 404 Nicht da\r\n" + head)) as server:
        response = await get(client(server.url))
        assert response.status == 404
        assert response.content_length == 0
        assert response.headers == [
            (b"X-One", b"a"),
            (b"set-cookie", b"1"),
            (b"Set-Cookie", b"2"),
            (b"Empty", b""),
            (b"Utf", b"\xc3\xa9"),
            (b"Content-Length", b"0"),
        ]


async def test_trailers_are_not_headers(client: Client) -> None:
    answer = OK + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nauthorization: x\r\n\r\n"
    async with raw_server(responding(answer)) as server:
        upstream = client(server.url)
        for _ in range(2):
            response = await get(upstream)
            assert response.headers == [(b"transfer-encoding", b"chunked")]


async def test_a_head_request_has_no_body(client: Client) -> None:
    async with raw_server(responding(OK + b"content-length: 5\r\n\r\n")) as server:
        upstream = client(server.url)
        for _ in range(2):
            response = await get(upstream, b"HEAD")
            assert response.content_length == 5
            assert await response.chunk() == b""
        assert server.requests[0].header(b"content-length") == []


async def test_a_small_response_is_complete_with_its_head(client: Client) -> None:
    async with raw_server(responding(PLAIN)) as server:
        response = await get(client(server.url))
        assert [await response.chunk() for _ in range(3)] == [b"hello", b"", b""]
        response.abort()
        assert await response.chunk() == b""


async def test_fault_10_a_compressed_body_is_not_touched(client: Client) -> None:
    body = gzip.compress(b"hello" * 1000)
    answer = OK + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(body) + body
    async with raw_server(responding(answer)) as server:
        response = await get(client(server.url))
        assert await response.read(1000) == body


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>hello</html>",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\ncontent-length: 0\n\n",
        b"HTTP/3.7 200 OK\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 099 Odd\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 999 Odd\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\nhello",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\ncontent-length: 5\r\n\r\nhello" + PLAIN,
        OK + b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
        OK + b"content-length: 5\r\ncontent-length: 5\r\n\r\nhello",
        OK + b"content-length: 5, 5\r\n\r\nhello",
        OK + b"content-length: -5\r\n\r\nhello",
        OK + b"content-length: 99999999999999999999999\r\n\r\nhello",
        OK + b"content-length:\r\n\r\nhello",
        OK + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        OK + b"transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        OK + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        OK + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        OK + b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        OK + b"transfer-encoding: identity\r\n\r\nhello",
        OK + b"folded: a\r\n b\r\ncontent-length: 5\r\n\r\nhello",
        OK + b"nul: a\0b\r\ncontent-length: 5\r\n\r\nhello",
        OK + b"na me: a\r\ncontent-length: 5\r\n\r\nhello",
        OK + b"content-length : 5\r\n\r\nhello",
    ],
)
async def test_an_invalid_response_is_rejected_and_its_connection_closed(
    client: Client, answer: bytes
) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(answer)
        await peer.gone()

    async with raw_server(script) as server:
        upstream = client(server.url)
        with pytest.raises(InvalidResponseError, match=f"^127.0.0.1:{server.port} (sent|responded)"):
            await get(upstream)
        await server.until_open(0)
        assert repr(upstream).endswith("0 active, 0 idle>")


@pytest.mark.parametrize(
    "broken", [b"5\r\nhelloX", b"5\r\nhello\r\nzz\r\n", b"5\r\nhello\r\n" + b"f" * 17 + b"\r\n"]
)
async def test_chunks_that_break_are_given_as_far_as_they_were_valid(client: Client, broken: bytes) -> None:
    answer = OK + b"transfer-encoding: chunked\r\n\r\n" + broken
    async with raw_server(responding(answer)) as server:
        response = await get(client(server.url))
        assert await response.chunk() == b"hello"
        with pytest.raises(InvalidResponseError, match="is not HTTP"):
            await response.chunk()


@pytest.mark.parametrize(
    "surplus", [b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", PLAIN, b"garbage", b"\0"]
)
@pytest.mark.parametrize("later", [False, True])
async def test_bytes_after_a_response_never_reach_the_next_one(
    client: Client, surplus: bytes, later: bool
) -> None:
    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(PLAIN if later else PLAIN + surplus)
            if later:
                await peer.send(surplus)

    async with raw_server(script) as server:
        upstream = client(server.url)
        for _ in range(2):
            response = await get(upstream)
            assert response.status == 200
            assert await response.read(100) == b"hello"
            await server.until_open(0)
        assert server.connections == 2


@pytest.mark.parametrize(
    "flood",
    [
        OK + b"x: " + b"a" * HEAD_LIMIT,
        OK + b"x: " + b"a" * HEAD_LIMIT + b"\r\ncontent-length: 5\r\n\r\nhello",
        OK + b"x: y\r\n" * (HEAD_LIMIT // 5),
        b"HTTP/1.1 103 Early Hints\r\n\r\n" * (HEAD_LIMIT // 20),
    ],
)
@pytest.mark.parametrize("size", [1000, 1 << 20])
async def test_a_head_over_64_kb_is_rejected(client: Client, flood: bytes, size: int) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.trickle(flood, size)
        await peer.gone()

    async with raw_server(script) as server:
        with pytest.raises(InvalidResponseError, match="more than 65536 bytes of headers"):
            await get(client(server.url))


async def test_a_head_just_below_64_kb_passes(client: Client) -> None:
    answer = OK + b"x: " + b"a" * (HEAD_LIMIT - 100) + b"\r\ncontent-length: 5\r\n\r\nhello"
    async with raw_server(responding(answer)) as server:
        assert await (await get(client(server.url))).read(100) == b"hello"


@pytest.mark.parametrize(("start", "more"), [(b"0\r\nx: ", b"a"), (b"0\r\n", b"x: y\r\n"), (b"5;", b"a")])
async def test_endless_trailers_and_chunk_extensions_are_rejected(
    client: Client, start: bytes, more: bytes
) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n" + start)
        while True:
            await peer.send(more * 1000)

    async with raw_server(script) as server:
        response = await get(client(server.url))
        assert await response.chunk() == b"hello"
        with pytest.raises(InvalidResponseError, match="more than 65536"):
            await response.chunk()
        await server.until_open(0)


async def test_a_response_beyond_the_readers_limit_is_rejected_and_its_connection_closed(
    client: Client,
) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK + b"\r\n")
        while True:
            await peer.send(b"x" * 10_000)

    async with raw_server(script) as server:
        response = await get(client(server.url))
        with pytest.raises(InvalidResponseError, match="more than 20000 bytes"):
            await response.read(20_000)
        await server.until_open(0)


name = st.from_regex(rb"[A-Za-z][A-Za-z0-9-]{0,20}", fullmatch=True).filter(
    lambda n: n.lower() not in (b"content-length", b"transfer-encoding", b"connection", b"upgrade")
)
value = st.from_regex(rb"([!-~]([ -~]{0,20}[!-~])?)?", fullmatch=True)


@st.composite
def sound_answers(draw: st.DrawFn) -> tuple[bytes, int, list[tuple[bytes, bytes]], bytes]:
    """The bytes of a response with its status, its headers and its body."""
    line = draw(st.sampled_from([b"200 OK", b"200 X", b"201 Created", b"404 Not Found", b"503 X"]))
    status = int(line[:3])
    headers = draw(st.lists(st.tuples(name, value), max_size=5))
    pieces = draw(st.lists(st.binary(min_size=1, max_size=40), max_size=5))
    body = b"".join(pieces)
    if draw(st.booleans()):
        headers.append((b"Content-Length", b"%d" % len(body)))
        sent = body
    else:
        headers.append((b"Transfer-Encoding", b"chunked"))
        sent = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    head = b"".join(b"%b: %b\r\n" % header for header in headers)
    interim = draw(st.sampled_from([b"", b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"]))
    return interim + b"HTTP/1.1 %b\r\n%b\r\n%b" % (line, head, sent), status, headers, body


@given(answer=sound_answers(), cuts=st.lists(st.integers(0, 400), max_size=8), bytewise=st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
async def test_any_split_of_a_response_reads_the_same(
    answer: tuple[bytes, int, list[tuple[bytes, bytes]], bytes], cuts: list[int], bytewise: bool
) -> None:
    """The parts go straight into a connected connection, so that no part is joined to another."""
    data, status, headers, body = answer
    edges = list(range(len(data))) if bytewise else sorted({cut for cut in cuts if 0 < cut < len(data)})
    settled: list[bool] = []
    async with raw_server(Peer.gone) as server:
        address = Address(server.url)
        connection = await address.connect(
            lambda: Connection("peer", lambda _, fit: settled.append(fit), ResponseHeads()), 5
        )
        response = Response("peer")
        response.expect(connection)
        connection.start(b"GET / HTTP/1.1\r\n\r\n", b"", response, Timeouts())
        reading = asyncio.create_task(response.read(1000))
        for start, end in zip([0, *edges], [*edges, len(data)], strict=True):
            connection.data_received(data[start:end])
            await turn()
        assert await reading == body
        assert (response.status, response.headers) == (status, headers)
        assert settled == [True]
        connection.abort()
