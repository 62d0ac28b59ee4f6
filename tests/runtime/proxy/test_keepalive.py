"""Comments for a client that waits for a stream: when, to whom, and what follows them."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Mapping
from typing import Any

import pytest

from fleet_runtime.edge.interfaces import TimeLimits
from tests.support.gateway import RunningGateway, gateway_before
from tests.support.raw_client import Answer, Client, ask, client, request
from tests.support.raw_server import Peer, RawServer, Script, responding
from tests.support.waiting import pace

pytestmark = pytest.mark.anyio

CHAT = "/boochat/v1/chat/completions"
BODY = {"model": "a/m", "messages": [], "stream": True}
SECONDS = 0.05
COMMENT = b": keepalive\n\n"
STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
EVENTS = b"data: 1\n\ndata: [DONE]\n\n"
END = b"%x\r\n%b\r\n0\r\n\r\n" % (len(EVENTS), EVENTS)


def kept_alive(script: Script, seconds: float = SECONDS, **more: Any) -> Any:
    return gateway_before(script, table={"keepalive": seconds}, **more)


class Slow:
    """A provider that responds with `answer` once `go` is set."""

    def __init__(self, answer: bytes, *, closes: bool = False) -> None:
        self.answer = answer
        self.closes = closes
        self.go = asyncio.Event()

    async def __call__(self, peer: Peer) -> None:
        while True:
            await peer.request()
            await self.go.wait()
            await peer.send(self.answer)
            if self.closes:
                return


async def after_a_comment(slow: Slow, path: str, gateway: RunningGateway) -> Answer:
    """Return the response to a request whose provider waits until a comment has come; the comments are not
    in its body."""
    async with client(gateway.port) as connection:
        await connection.send(request(path, BODY))
        return await rest_after_a_comment(slow, connection)


async def rest_after_a_comment(slow: Slow, connection: Client) -> Answer:
    head = await connection.head()
    assert await connection.chunk() == COMMENT
    slow.go.set()
    body, ended = b"", True
    try:
        while chunk := await connection.chunk():
            body += chunk.replace(COMMENT, b"")
    except asyncio.IncompleteReadError:
        ended = False
    return Answer(head.status, head.headers, body, ended)


def status(line: bytes, body: bytes, *headers: bytes) -> bytes:
    fields = b"".join(header + b"\r\n" for header in headers)
    return b"HTTP/1.1 %b\r\n%bcontent-length: %d\r\n\r\n%b" % (line, fields, len(body), body)


async def test_a_late_stream_continues_after_the_comments() -> None:
    slow = Slow(STREAM + END)
    async with kept_alive(slow) as (server, gateway):
        answer = await after_a_comment(slow, CHAT, gateway)
        record = await gateway.record()
        (sent,) = server.requests
    assert (answer.status, answer.ended, answer.body) == (200, True, EVENTS)
    assert answer.header(b"content-type") == [b"text/event-stream"]
    assert answer.header(b"x-fleet-provider") == [b"a"]
    assert len(answer.header(b"x-request-id")) == 1
    assert (record.status, record.end_reason, record.streamed) == (200, "ok", True)
    assert record.bytes_out == len(EVENTS)
    assert sent.header(b"accept-encoding") == [b"identity"]


async def test_the_connection_serves_the_next_request_after_a_stream_with_comments() -> None:
    slow = Slow(STREAM + END)
    async with kept_alive(slow) as (_, gateway), client(gateway.port) as connection:
        await connection.send(request(CHAT, BODY))
        assert (await rest_after_a_comment(slow, connection)).ended
        await connection.send(request(CHAT, BODY))
        assert (await connection.answer()).body == EVENTS


async def test_a_stream_that_comes_in_time_is_forwarded_as_it_is() -> None:
    plain = gateway_before(responding(STREAM + END))
    async with kept_alive(responding(STREAM + END), 30) as (_, gateway), plain as (_, other):
        here, there = await ask(gateway.port, CHAT, BODY), await ask(other.port, CHAT, BODY)
    assert (here.status, here.body) == (there.status, there.body)
    assert [name for name, _ in here.headers] == [name for name, _ in there.headers]


async def test_comments_end_with_the_headers_of_the_response() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(STREAM + b"8\r\ndata: 1\n\r\n")
        await pace(4 * SECONDS)
        await peer.send(END)

    async with kept_alive(script) as (_, gateway):
        answer = await ask(gateway.port, CHAT, BODY)
    assert answer.body == b"data: 1\n" + EVENTS


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CHAT, {**BODY, "stream": False}),
        (CHAT, {"model": "a/m", "messages": []}),
        (CHAT, {**BODY, "stream": "true"}),
        ("/boochat/v1/embeddings", BODY),
        ("/boochat/v1/messages/count_tokens", BODY),
    ],
)
async def test_other_requests_get_no_comment(path: str, body: Mapping[str, Any]) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await pace(3 * SECONDS)
        await peer.send(status(b"400 Bad Request", b"{}"))

    async with kept_alive(script) as (_, gateway):
        answer = await ask(gateway.port, path, body)
    assert (answer.status, answer.body) == (400, b"{}")


async def test_a_client_of_http_1_0_gets_no_comment() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await pace(3 * SECONDS)
        await peer.send(STREAM + END)

    async with kept_alive(script) as (_, gateway), client(gateway.port) as connection:
        await connection.send(request(CHAT, BODY).replace(b"HTTP/1.1", b"HTTP/1.0", 1))
        raw = await connection.rest()
    assert raw.endswith(b"\r\n\r\n" + EVENTS)


ERROR = b'{"error":{"message":"too long","type":"exceed_context_size_error","code":400,"n_ctx":2048}}'
IN_ANTHROPICS = b'{"type":"error","error":{"type":"overloaded_error","message":"busy"}}'
FIELDS = {"message": "too long", "type": "exceed_context_size_error", "code": 400, "n_ctx": 2048}


@pytest.mark.parametrize(
    ("path", "name", "data"),
    [
        (CHAT, None, {"error": {**FIELDS, "param": None, "status": 400}}),
        ("/boochat/v1/completions", None, {"error": {**FIELDS, "param": None, "status": 400}}),
        (
            "/boochat/v1/messages",
            "error",
            {"type": "error", "error": {**FIELDS, "type": "invalid_request_error", "status": 400}},
        ),
        (
            "/boochat/v1/responses",
            "error",
            {
                "type": "error",
                "code": "400",
                "message": "too long",
                "param": None,
                "sequence_number": 0,
                "error": {**FIELDS, "param": None, "status": 400},
            },
        ),
    ],
)
async def test_a_late_error_of_the_provider_is_one_event_in_the_shape_of_the_api(
    path: str, name: str | None, data: dict[str, Any]
) -> None:
    slow = Slow(status(b"400 Bad Request", ERROR, b"content-type: application/json"))
    async with kept_alive(slow) as (_, gateway):
        answer = await after_a_comment(slow, path, gateway)
        record = await gateway.record()
    assert (answer.status, answer.ended) == (200, False)
    head, _, text = answer.body.rpartition(b"data: ")
    assert head == (b"" if name is None else b"event: " + name.encode() + b"\n")
    assert text.endswith(b"\n\n")
    assert json.loads(text) == data
    assert b"[DONE]" not in answer.body
    assert (record.status, record.end_reason, record.code) == (400, "ok", None)


async def test_the_connection_ends_a_moment_after_the_event() -> None:
    """Some clients, such as opencode, drop what they have not processed when a connection breaks."""
    slow = Slow(status(b"400 Bad Request", ERROR))
    async with kept_alive(slow, times=TimeLimits(cut=60)) as (_, gateway), client(gateway.port) as connection:
        await connection.send(request(CHAT, BODY))
        await connection.head()
        assert await connection.chunk() == COMMENT
        slow.go.set()
        while b"too long" not in await connection.chunk():
            pass
        await gateway.record()
        assert len(gateway.edge.connections) == 1
        connection.reset()
        await gateway.until_closed()


async def test_an_error_of_anthropics_api_keeps_its_type() -> None:
    slow = Slow(status(b"529 Overloaded", IN_ANTHROPICS))
    async with kept_alive(slow) as (_, gateway):
        answer = await after_a_comment(slow, "/boochat/v1/messages", gateway)
        record = await gateway.record()
    name, _, data = answer.body.partition(b"data: ")
    error = {"type": "overloaded_error", "message": "busy", "status": 529}
    assert (name, json.loads(data)) == (b"event: error\n", {"type": "error", "error": error})
    assert record.status == 529


@pytest.mark.parametrize(
    ("response", "expected", "record_status", "code"),
    [
        (
            status(b"502 Bad Gateway", b"<html>no</html>", b"content-type: text/html"),
            {"message": "<html>no</html>", "body": "<html>no</html>", "status": 502, "type": "server_error"},
            502,
            None,
        ),
        (
            status(b"422 Unprocessable", b'{"detail":"no"}'),
            {"message": '{"detail":"no"}', "body": {"detail": "no"}, "status": 422},
            422,
            None,
        ),
        (status(b"404 Not Found", b'{"error":"no such model"}'), {"message": "no such model"}, 404, None),
        (status(b"500 No", b""), {"code": "upstream_error", "status": 500}, 500, "upstream_error"),
        (
            status(b"400 No", gzip.compress(ERROR), b"content-encoding: gzip"),
            {"code": "upstream_error", "status": 400},
            400,
            None,
        ),
        (
            status(b"307 Go", b"", b"location: /elsewhere"),
            {"code": "upstream_redirect", "status": 502},
            502,
            "upstream_redirect",
        ),
        (
            status(b"200 OK", b"{}", b"content-type: application/json"),
            {"code": "upstream_error", "status": 502},
            200,
            "upstream_error",
        ),
        (
            status(
                b"200 OK",
                gzip.compress(EVENTS),
                b"content-type: text/event-stream",
                b"content-encoding: gzip",
            ),
            {"code": "upstream_error", "status": 502},
            200,
            "upstream_error",
        ),
        (b"HTTP/1.1 099 what\r\n\r\n", {"code": "upstream_error", "status": 502}, 502, "upstream_error"),
    ],
    ids=["html", "detail", "text", "empty", "gzip", "redirect", "json", "compressed stream", "no http"],
)
async def test_everything_that_is_not_a_stream_is_an_error_event(
    response: bytes, expected: dict[str, Any], record_status: int, code: str | None
) -> None:
    slow = Slow(response)
    async with kept_alive(slow) as (_, gateway):
        answer = await after_a_comment(slow, CHAT, gateway)
        record = await gateway.record()
    assert not answer.ended
    error = json.loads(answer.body.removeprefix(b"data: "))["error"]
    assert error | expected == error
    assert (record.status, record.code) == (record_status, code)


async def test_a_provider_that_closes_or_is_silent_after_a_comment_is_an_error_event() -> None:
    slow = Slow(b"", closes=True)
    async with kept_alive(slow) as (_, gateway):
        closed = await after_a_comment(slow, CHAT, gateway)
    never = Slow(b"")
    async with kept_alive(never, timeouts={"first_byte": 4 * SECONDS}) as (_, gateway):
        answer = await ask(gateway.port, CHAT, BODY)
        record = await gateway.record()
    assert b'"upstream_error"' in closed.body
    assert (closed.ended, answer.ended) == (False, False)
    assert answer.body.startswith(COMMENT)
    assert b'"upstream_timeout"' in answer.body
    assert (record.status, record.end_reason) == (504, "first_byte_timeout")


async def test_a_stream_that_is_cut_after_the_comments_is_cut_like_any_other() -> None:
    slow = Slow(STREAM + b"9\r\ndata: 1\n\n\r\n", closes=True)
    async with kept_alive(slow) as (_, gateway):
        answer = await after_a_comment(slow, CHAT, gateway)
        record = await gateway.record()
    assert not answer.ended
    assert answer.body.startswith(b"data: 1\n\n\n\ndata: {")
    assert (record.status, record.end_reason) == (200, "upstream_cut")


async def test_a_client_that_leaves_during_the_comments_stops_the_provider() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.gone()

    async with kept_alive(script) as (server, gateway):
        async with client(gateway.port) as connection:
            await connection.send(request(CHAT, BODY))
            await connection.head()
            assert await connection.chunk() == COMMENT
        record = await gateway.record()
        await server.until_open(0)
    assert (record.end_reason, record.status) == ("client_gone", 0)


async def test_waiting_in_the_queue_counts() -> None:
    slow = Slow(STREAM + END)
    async with kept_alive(slow, max_concurrency=1) as (server, gateway), client(gateway.port) as first:
        await first.send(request(CHAT, BODY))
        await first.head()
        async with client(gateway.port) as second:
            await second.send(request(CHAT, BODY))
            await second.head()
            assert await second.chunk() == COMMENT
            assert requests_of(server) == 1
            slow.go.set()
            body = b""
            while chunk := await second.chunk():
                body += chunk
    assert body.replace(COMMENT, b"") == EVENTS


def requests_of(server: RawServer) -> int:
    return len(server.requests)


async def test_what_is_rejected_before_the_first_comment_is_rejected_as_ever() -> None:
    async with kept_alive(responding(STREAM + END)) as (_, gateway):
        unknown = await ask(gateway.port, CHAT, {**BODY, "model": "a/none"})
    assert (unknown.status, unknown.code) == (404, "model_not_found")
