"""A provider's fault is reported as what it is, and an aborted response never looks complete."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Callable

import pytest

from fleet_runtime.proxy.request_record import EndReason
from tests.support.artifacts import connection
from tests.support.gateway import gateway_before, running_gateway
from tests.support.raw_client import Answer, ask, client, request
from tests.support.raw_server import Peer, Script, responding
from tests.support.waiting import pace

pytestmark = pytest.mark.anyio

CHAT = "/v1/chat/completions"
BODY = {"model": "a/m", "messages": []}
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def sending(*pieces: bytes | Callable[[Peer], None]) -> Script:
    """Read a request, send the parts, end the connection in the way the last one says."""

    async def script(peer: Peer) -> None:
        await peer.request()
        for piece in pieces:
            if isinstance(piece, bytes):
                await peer.send(piece)
            else:
                piece(peer)

    return script


async def silent(peer: Peer) -> None:
    await peer.request()
    await peer.gone()


def status(line: bytes, body: bytes = b"", *headers: bytes) -> bytes:
    fields = b"".join(header + b"\r\n" for header in headers)
    return b"HTTP/1.1 %s\r\n%sContent-Length: %d\r\n\r\n%s" % (line, fields, len(body), body)


async def told(
    script: Script, path: str = CHAT, timeouts: dict[str, float] | None = None
) -> tuple[Answer, EndReason]:
    async with gateway_before(script, timeouts) as (_, gateway):
        answer = await ask(gateway.port, path, BODY)
        record = await gateway.record()
        assert record.finished_at is not None
        return answer, record.end_reason


async def test_fault_01_a_provider_that_rejects_connections_is_503_and_named() -> None:
    async with running_gateway(connection("a", "http://127.0.0.1:1")) as gateway:
        answer = await ask(gateway.port, CHAT, BODY)
        assert (answer.status, answer.code) == (503, "provider_unreachable")
        assert "'a'" in answer.json()["error"]["message"]
        assert "'m'" in answer.json()["error"]["message"]
        assert answer.header(b"x-fleet-provider") == [b"a"]
        assert (await gateway.record()).end_reason == "connect_failed"


async def test_fault_04_a_provider_that_is_silent_is_504_after_its_first_byte_limit() -> None:
    answer, reason = await told(silent, timeouts={"first_byte": 0.1})
    assert (answer.status, answer.code, reason) == (504, "upstream_timeout", "first_byte_timeout")


@pytest.mark.parametrize("end", [Peer.close, Peer.reset], ids=["fin", "rst"])
@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"HTTP/1.1 200",
        JSON + b"Content-Length: 10\r\n\r\n",
        JSON + b"Transfer-Encoding: chunked\r\n\r\n",
        JSON + b"Transfer-Encoding: chunked\r\n\r\n5\r",
    ],
    ids=["nothing", "half a line", "a head with length", "a head with chunks", "half a chunk size"],
)
async def test_fault_06_an_end_before_the_body_is_502(sent: bytes, end: Callable[[Peer], None]) -> None:
    answer, reason = await told(sending(sent, end))
    assert (answer.status, answer.code) == (502, "upstream_error")
    assert reason == "upstream_cut"


@pytest.mark.parametrize("end", [Peer.close, Peer.reset], ids=["fin", "rst"])
@pytest.mark.parametrize(
    "framing", [b"Content-Length: 9\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n9\r\n"]
)
async def test_fault_06_an_end_within_the_body_aborts_the_response(
    framing: bytes, end: Callable[[Peer], None]
) -> None:
    passed = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(JSON + framing + b'{"a"')
        await passed.wait()
        end(peer)

    async with gateway_before(script) as (_, gateway), client(gateway.port) as browser:
        await browser.send(request(CHAT, BODY))
        head = await browser.head()
        assert head.status == 200
        start = await browser.reader.readuntil(b'{"a"')
        passed.set()
        rest = await browser.rest()
        assert b"0\r\n\r\n" not in start + rest
        assert b"error" not in rest
        assert (await gateway.record()).end_reason == "upstream_cut"


async def test_fault_06_a_response_that_ends_with_its_connection_is_complete() -> None:
    answer, reason = await told(sending(JSON + b"\r\n{}"))
    assert (answer.status, answer.body, answer.ended, reason) == (200, b"{}", True, "ok")


async def test_an_end_that_only_closing_shows_is_forwarded_only_by_closing() -> None:
    events = b'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: {"a":1}\n\ndata: {"a'
    answer, _ = await told(sending(events))
    assert answer.body == b'data: {"a":1}\n\ndata: {"a'
    assert answer.header(b"connection") == [b"close"]
    assert answer.header(b"transfer-encoding") == []


async def test_a_client_of_http_1_0_gets_no_chunks() -> None:
    chunked = JSON + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    async with gateway_before(sending(chunked)) as (_, gateway), client(gateway.port) as browser:
        await browser.send(request(CHAT, BODY).replace(b" HTTP/1.1", b" HTTP/1.0", 1))
        answer = await browser.answer()
        assert (answer.body, answer.header(b"transfer-encoding")) == (b"{}", [])
        assert await browser.rest() == b""


@pytest.mark.parametrize(
    "garbage",
    [b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.1 abc\r\n\r\n", b"\0" * 100, b"<html>", b"HTTP/1.1 101 X\r\n\r\n"],
)
async def test_fault_06_what_is_not_http_is_502(garbage: bytes) -> None:
    answer, reason = await told(sending(garbage))
    assert (answer.status, answer.code) == (502, "upstream_error")
    assert reason in ("upstream_error", "upstream_cut")


@pytest.mark.parametrize("path", [CHAT, "/v1/messages"])
async def test_fault_07_a_cut_stream_ends_with_one_error_event_and_no_end(path: str) -> None:
    answer, reason = await told(sending(STREAM, chunk(b'data: {"a":1}\n\ndata: {"b'), Peer.reset), path)
    assert not answer.ended
    assert answer.body.startswith(b'data: {"a":1}\n\ndata: {"b\n\n')
    event = answer.body.removeprefix(b'data: {"a":1}\n\ndata: {"b\n\n').decode()
    assert event.endswith("\n\n")
    lines = event[:-2].split("\n")
    if path == CHAT:
        [data] = lines
        error = json.loads(data.removeprefix("data: "))["error"]
        assert error["type"] == "server_error"
    else:
        [name, data] = lines
        assert name == "event: error"
        told_error = json.loads(data.removeprefix("data: "))
        assert told_error["type"] == "error"
        error = told_error["error"]
        assert error["type"] == "api_error"
    assert error["code"] == "upstream_error"
    assert "'a'" in error["message"]
    assert reason == "upstream_cut"


async def test_fault_07_a_cut_compressed_stream_gets_no_event() -> None:
    head = STREAM.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")
    answer, _ = await told(sending(head, chunk(b"\x1f\x8b\x08"), Peer.close))
    assert not answer.ended
    assert answer.body == b"\x1f\x8b\x08"


async def test_fault_07_a_cut_stream_of_declared_length_gets_no_event() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 100\r\n\r\n"
    answer, _ = await told(sending(head, b"data: 1\n\n", Peer.close))
    assert not answer.ended
    assert answer.body == b"data: 1\n\n"


async def test_fault_08_a_stream_that_stops_is_ended_by_an_error_event() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(STREAM + chunk(b"data: 1\n\n"))
        await peer.gone()

    answer, reason = await told(script, timeouts={"idle": 0.1})
    assert not answer.ended
    assert b'"code":"upstream_timeout"' in answer.body
    assert reason == "idle_timeout"


async def test_fault_08_comments_count_as_life_and_the_total_is_not_limited() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(STREAM)
        for _ in range(8):
            await pace(0.1)
            await peer.send(chunk(b":\n\n"))
        await peer.send(chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")

    answer, reason = await told(script, timeouts={"idle": 0.4, "first_byte": 0.4})
    assert answer.ended
    assert answer.body == b":\n\n" * 8 + b"data: [DONE]\n\n"
    assert reason == "ok"


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_fault_09_a_redirect_is_not_followed_and_shows_where_it_led(code: int) -> None:
    async with gateway_before(responding(status(b"200 OK"))) as (elsewhere, _):
        away = f"http://127.0.0.1:{elsewhere.port}/".encode()
        script = responding(status(b"%d Go" % code, b"moved", b"Location: " + away))
        async with gateway_before(script, keys={"a": "secret"}) as (machine, gateway):
            answer = await ask(gateway.port, CHAT, BODY)
            assert (answer.status, answer.code) == (502, "upstream_redirect")
            assert away.decode() in answer.json()["error"]["message"]
            assert answer.header(b"location") == []
            assert len(machine.requests) == 1
        assert elsewhere.requests == []


@pytest.mark.parametrize("asked", [None, "gzip, br", "identity"])
@pytest.mark.parametrize("coding", ["gzip", "br", "deflate"])
@pytest.mark.parametrize("chunked", [True, False])
async def test_fault_10_a_compressed_body_passes_unchanged(
    asked: str | None, coding: str, chunked: bool
) -> None:
    data = gzip.compress(b'{"a": 1}' * 100, mtime=0)
    head = JSON + b"Content-Encoding: " + coding.encode() + b"\r\n"
    framed = b"Transfer-Encoding: chunked\r\n\r\n" + chunk(data) + b"0\r\n\r\n"
    script = responding(head + (framed if chunked else b"Content-Length: %d\r\n\r\n%s" % (len(data), data)))
    async with gateway_before(script) as (machine, gateway):
        answer = await ask(gateway.port, CHAT, BODY, {"accept-encoding": asked} if asked else {})
        assert (answer.body, answer.ended) == (data, True)
        assert answer.header(b"content-encoding") == [coding.encode()]
        assert answer.header(b"content-length") == ([] if chunked else [b"%d" % len(data)])
        assert machine.requests[0].header(b"accept-encoding") == [(asked or "identity").encode()]


async def test_fault_11_interim_responses_are_skipped_and_expect_gets_its_response_here() -> None:
    script = sending(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + status(b"200 OK", b"{}")
    )
    async with gateway_before(script) as (machine, gateway), client(gateway.port) as browser:
        head, _, body = request(CHAT, BODY, {"expect": "100-continue"}).partition(b"\r\n\r\n")
        await browser.send(head + b"\r\n\r\n")
        assert await browser.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await browser.send(body)
        answer = await browser.answer()
        assert (answer.status, answer.body) == (200, b"{}")
        assert answer.header(b"link") == []
        assert machine.requests[0].header(b"expect") == []


async def test_fault_11_responses_without_a_body_have_none() -> None:
    for line in (b"204 No Content", b"304 Not Modified"):
        answer, reason = await told(sending(b"HTTP/1.1 " + line + b"\r\nETag: x\r\n\r\n"))
        assert (answer.status, answer.header(b"etag"), reason) == (int(line[:3]), [b"x"], "ok")
        assert answer.header(b"transfer-encoding") == []


LOADING = b'{"error":{"message":"Loading model","type":"unavailable_error","code":503}}'


async def test_fault_12_a_provider_that_loads_its_model_is_passed_on_with_a_time_to_come_back() -> None:
    answer, reason = await told(sending(status(b"503 Service Unavailable", LOADING)))
    assert (answer.status, answer.body, reason) == (503, LOADING, "ok")
    assert int(answer.header(b"retry-after")[0]) > 0
    answer, _ = await told(sending(status(b"503 Service Unavailable", LOADING, b"Retry-After: 77")))
    assert answer.header(b"retry-after") == [b"77"]
    answer, _ = await told(sending(status(b"503 Service Unavailable", b"something else")))
    assert answer.header(b"retry-after") == []


async def test_fault_13_429_and_401_pass_with_their_headers() -> None:
    answer, _ = await told(sending(status(b"429 Too Many", b"slow down", b"Retry-After: 1")))
    assert (answer.status, answer.body, answer.header(b"retry-after")) == (429, b"slow down", [b"1"])
    answer, _ = await told(sending(status(b"401 No", b"key", b'WWW-Authenticate: Basic realm="llama-swap"')))
    assert (answer.status, answer.header(b"www-authenticate")) == (401, [b'Basic realm="llama-swap"'])


@pytest.mark.parametrize("code", [b"500", b"502", b"503", b"504", b"529"])
@pytest.mark.parametrize(
    ("type_", "body"),
    [
        (b"application/json", b'{"error":{"message":"x"}}'),
        (b"text/plain", b"out of memory"),
        (b"text/html", b"<html>bad gateway</html>"),
        (b"application/json", b'{"src":"llama-swap","error":"text"}'),
        (b"application/json", b'{"src":"llama-swap","error":{"message":"m","code":"bad_gateway"}}'),
    ],
)
async def test_fault_14_15_an_error_of_the_provider_keeps_its_status_and_its_words(
    code: bytes, type_: bytes, body: bytes
) -> None:
    answer, reason = await told(sending(status(code + b" X", body, b"Content-Type: " + type_)))
    assert (answer.status, answer.body, answer.header(b"content-type")) == (int(code), body, [type_])
    assert reason == "ok"


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 0\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"\r\n"]
)
async def test_fault_14_an_error_with_an_empty_body_keeps_its_status_and_gets_the_gateways_body(
    framing: bytes,
) -> None:
    answer, reason = await told(sending(b"HTTP/1.1 500 X\r\n" + framing))
    assert (answer.status, answer.code, reason) == (500, "upstream_error", "upstream_error")
    assert "'a'" in answer.json()["error"]["message"]


async def test_fault_14_a_rejection_with_an_empty_body_is_forwarded_unchanged() -> None:
    answer, _ = await told(sending(status(b"404 Nope")))
    assert (answer.status, answer.body) == (404, b"")


async def test_fault_16_an_error_in_the_middle_of_a_stream_passes_and_nothing_is_added() -> None:
    events = b'data: {"choices":[]}\n\n{"src":"llama-swap","error":{"message":"exited prematurely"}}'
    answer, reason = await told(sending(STREAM, chunk(events), b"0\r\n\r\n"))
    assert (answer.body, answer.ended, reason) == (events, True, "ok")


MALFORMED = {
    "CRLF": b"data: 1\r\n\r\ndata: [DONE]\r\n\r\n",
    "no space": b"data:1\n\ndata:[DONE]\n\n",
    "several lines": b"data: a\ndata: b\nid: 1\n\n",
    "no line at the end": b"data: 1\n\ndata: [DONE]",
    "BOM": b"\xef\xbb\xbfdata: 1\n\n",
    "a line of 1 MiB": b"data: " + b"x" * (1 << 20) + b"\n\n",
    "a line without an end": b"x" * (1 << 19),
    "not UTF-8": b"data: \xff\xfe\n\n",
    "two events": b"data: 1\n\ndata: 2\n\n",
    "an event after the end": b"data: [DONE]\n\ndata: 1\n\n",
    "no end": b"data: 1\n\n",
    "NUL": b"data: \0\n\n",
    "empty": b"",
}


@pytest.mark.parametrize("events", MALFORMED.values(), ids=list(MALFORMED))
async def test_fault_17_a_malformed_stream_passes_byte_for_byte(events: bytes) -> None:
    pieces = [chunk(events[at : at + 7]) for at in range(0, min(len(events), 70), 7)]
    pieces += [chunk(events[70:])] if len(events) > 70 else []
    answer, reason = await told(sending(STREAM, *pieces, b"0\r\n\r\n"))
    assert (answer.body, answer.ended, reason) == (events, True, "ok")


async def test_fault_17_a_split_character_is_forwarded_as_it_was_split() -> None:
    seen = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(STREAM + chunk(b"data: \xe2\x82"))
        await seen.wait()
        await peer.send(chunk(b"\xac\n\n") + b"0\r\n\r\n")

    async with gateway_before(script) as (_, gateway), client(gateway.port) as browser:
        await browser.send(request(CHAT, BODY))
        await browser.head()
        assert await browser.chunk() == b"data: \xe2\x82"
        seen.set()
        assert await browser.chunk() == b"\xac\n\n"


async def test_a_dead_sidecar_is_503_and_never_bypassed() -> None:
    from tests.support.raw_server import raw_server

    async with raw_server(responding(status(b"200 OK", b"{}"))) as machine:
        served = connection("a", machine.url, sidecar={"url": "http://127.0.0.1:1"})
        async with running_gateway(served) as gateway:
            for path in (CHAT, "/v1/completions"):
                answer = await ask(gateway.port, path, BODY)
                assert (answer.status, answer.code) == (503, "provider_unreachable")
                assert "sidecar" in answer.json()["error"]["message"]
                assert answer.header(b"x-fleet-via") == [b"sidecar"]
            assert machine.requests == []
            answer = await ask(gateway.port, "/v1/embeddings", BODY)
            assert (answer.status, answer.header(b"x-fleet-via")) == (200, [b"direct"])
