"""Captured requests: complete, without a credential, and only for those who may read them."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.artifacts import connection, gateway, write_generated
from tests.support.process import GatewayProcess, gateway_process
from tests.support.raw_client import Answer, ask, client, request
from tests.support.raw_server import Peer, RawServer, Script, raw_server, responding
from tests.support.waiting import turn

pytestmark = pytest.mark.anyio

CHAT = "/boochat/v1/chat/completions"
BODY = {"model": "a/m", "messages": [{"role": "user", "content": "the word is xyzzy"}]}
JSON = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
ALL = {"authorization": "Bearer gateway-key-of-all"}
KEYS = {"all": {"env": "ALL"}, "chat": {"env": "CHAT", "surfaces": ("boochat",)}}
ENV = {"ALL": "gateway-key-of-all", "CHAT": "gateway-key-of-chat"}


@asynccontextmanager
async def capturing(
    folder: Path,
    script: Script,
    captures: dict[str, int] | None = {},  # noqa: B006
    env: Mapping[str, str] | None = None,
    machine: Mapping[str, Any] | None = None,
    **settings: Any,
) -> AsyncIterator[tuple[RawServer, GatewayProcess]]:
    async with raw_server(script) as server:
        provider = connection("a", server.url, poll=False, declared={"m": {}}, **(machine or {}))
        write_generated(folder / "generated", gateway(provider, captures=captures, **settings))
        async with gateway_process(folder / "generated", env=env) as served:
            yield server, served


async def capture_of(
    served: GatewayProcess, answer: Answer, headers: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return the capture of the request that got this response."""
    (id,) = answer.header(b"x-request-id")
    found = await ask(served.port, f"/api/activity/{id.decode()}/capture", headers=headers)
    assert found.status == 200, found.body
    capture: dict[str, Any] = found.json()
    return capture


def headers_of(message: Mapping[str, Any]) -> dict[str, str]:
    return dict(message["headers"])


async def test_a_plain_exchange_is_kept_as_it_was_sent_and_received(tmp_path: Path) -> None:
    async with capturing(tmp_path, responding(JSON)) as (server, served):
        await served.said("captures are on: the last 50 requests, prompts included, are in memory")
        assert (await served.fleet())["captures"] == {"keep": 50, "body": 64_000}
        answer = await ask(served.port, CHAT, BODY)
        capture = await capture_of(served, answer)
        (row,) = (await ask(served.port, "/api/activity")).json()["requests"]
        (arrived,) = server.requests
    assert capture["id"] == row["id"]
    sent = json.dumps(BODY)
    message = capture["request"]
    assert message["start"] == f"POST {CHAT} HTTP/1.1"
    assert (message["body"], message["size"], message["truncated"]) == (sent, len(sent), False)
    assert headers_of(message)["host"] == "127.0.0.1"
    assert capture["sent"]["start"] == "POST /v1/chat/completions HTTP/1.1"
    assert capture["sent"]["size"] == len(arrived.body)
    assert capture["received"]["start"] == "HTTP/1.1 200 OK"
    assert (capture["response"]["start"], capture["response"]["body"]) == ("HTTP/1.1 200 OK", "{}")
    assert headers_of(capture["response"])["x-fleet-provider"] == "a"


async def test_a_stream_is_captured_while_it_runs_and_passes_unchanged(tmp_path: Path) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(STREAM + b"8\r\ndata: 1\n\r\n")
        await peer.gone()

    async with capturing(tmp_path, script) as (_, served), client(served.port) as stream:
        await stream.send(request(CHAT, {**BODY, "stream": True}))
        head = await stream.head()
        assert await stream.chunk() == b"data: 1\n"
        running = await capture_of(served, head)
    assert running["response"]["body"] == "data: 1\n"
    assert running["response"]["truncated"] is False


async def test_a_response_that_is_cut_is_kept_as_far_as_it_came(tmp_path: Path) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(STREAM + b"8\r\ndata: 1\n\r\n")

    async with capturing(tmp_path, script) as (_, served):
        answer = await ask(served.port, CHAT, {**BODY, "stream": True})
        assert not answer.ended
        capture = await capture_of(served, answer)
    assert capture["response"]["body"].encode() == answer.body
    assert '"upstream_error"' in capture["response"]["body"]


async def test_errors_of_the_provider_and_of_the_gateway_are_kept(tmp_path: Path) -> None:
    error = b'{"error":{"message":"too long"}}'
    head = b"HTTP/1.1 400 Bad Request\r\ncontent-length: %d\r\n\r\n" % len(error)
    async with capturing(tmp_path, responding(head + error)) as (_, served):
        theirs = await capture_of(served, await ask(served.port, CHAT, BODY))
        ours = await capture_of(served, await ask(served.port, CHAT, {**BODY, "model": "a/none"}))
        invalid = await capture_of(served, await ask(served.port, CHAT, b"{"))
    assert (theirs["response"]["start"], theirs["response"]["body"]) == (
        *("HTTP/1.1 400 Bad Request", error.decode()),
    )
    assert "model_not_found" in ours["response"]["body"]
    assert (ours["sent"], ours["received"]) == (None, None)
    assert (invalid["request"]["body"], invalid["response"]["start"]) == ("{", "HTTP/1.1 400 Bad Request")


async def test_of_a_long_body_the_beginning_is_kept_and_the_size_is_reported(tmp_path: Path) -> None:
    body = "é" * 300
    head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body.encode())
    script = responding(head + body.encode())
    async with capturing(tmp_path, script, {"keep": 2, "body": 101}) as (_, served):
        answer = await ask(served.port, CHAT, BODY | {"x": "y" * 300})
        capture = await capture_of(served, answer)
        assert answer.body == body.encode()
    sent = json.dumps(BODY | {"x": "y" * 300})
    assert (capture["request"]["body"], capture["request"]["size"]) == (sent[:101], len(sent))
    assert (capture["response"]["body"], capture["response"]["size"]) == ("é" * 50, 600)
    assert capture["request"]["truncated"]
    assert capture["response"]["truncated"]
    assert capture["curl"] is None


async def test_of_a_long_stream_the_last_events_are_kept_too(tmp_path: Path) -> None:
    part, usage = (
        b'data: {"n":"%03d"}\n\n',
        b'data: {"usage":{"api_key":"secret-of-all"}}\n\ndata: [DONE]\n\n',
    )
    body = b"".join(part % number for number in range(100)) + usage
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: %d\r\n\r\n" % len(body)
    async with capturing(tmp_path, responding(head + body), {"keep": 2, "body": 400}) as (_, served):
        answer = await ask(served.port, CHAT, BODY | {"stream": True})
        capture = (await capture_of(served, answer))["response"]
        assert answer.body == body
    assert (capture["body"], capture["truncated"]) == (body[:300].decode(), True)
    assert capture["body_end"].startswith('data: {"n":"')
    assert capture["body_end"].endswith((part % 99 + usage).decode().replace("secret-of-all", "***"))


async def test_a_compressed_body_is_shown_as_it_is(tmp_path: Path) -> None:
    packed = gzip.compress(b"{}")
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(packed)
    async with capturing(tmp_path, responding(head + packed)) as (_, served):
        capture = await capture_of(served, await ask(served.port, CHAT, BODY, {"accept-encoding": "gzip"}))
    response = capture["response"]
    assert headers_of(response)["content-encoding"] == "gzip"
    assert (response["body"], base64.b64decode(response["body_base64"])) == (None, packed)


async def test_the_oldest_makes_room_for_the_next(tmp_path: Path) -> None:
    async with capturing(tmp_path, responding(JSON), {"keep": 2}) as (_, served):
        answers = [await ask(served.port, CHAT, BODY) for _ in range(3)]
        (oldest,) = answers[0].header(b"x-request-id")
        gone = await ask(served.port, f"/api/activity/{oldest.decode()}/capture")
        for answer in answers[1:]:
            await capture_of(served, answer)
    assert (gone.status, gone.code) == (404, "not_found")
    assert "the last 2 requests" in gone.json()["error"]["message"]


async def test_a_request_of_ollamas_api_is_kept_as_its_client_sees_it(tmp_path: Path) -> None:
    done = b'{"choices":[{"message":{"content":"hi"},"finish_reason":"stop"}]}'
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(done)
    async with capturing(tmp_path, responding(head + done)) as (_, served):
        answer = await ask(served.port, "/boochat/ollama/api/chat", {**BODY, "stream": False})
        capture = await capture_of(served, answer)
    assert capture["request"]["start"] == "POST /boochat/ollama/api/chat HTTP/1.1"
    assert json.loads(capture["request"]["body"]) == {**BODY, "stream": False}
    assert capture["sent"]["start"] == "POST /v1/chat/completions HTTP/1.1"
    assert json.loads(capture["response"]["body"])["message"]["content"] == "hi"


CANARY = "canary-7d1f"
CLIENT_SECRETS = {
    "authorization": f"Bearer {CANARY}-bearer",
    "x-api-key": f"{CANARY}-key",
    "api-key": f"{CANARY}-azure",
    "x-goog-api-key": f"{CANARY}-goog",
    "proxy-authorization": "Basic " + base64.b64encode(f"me:{CANARY}-proxy".encode()).decode(),
    "cookie": f"session={CANARY}-session; theme=dark",
    "cf-access-client-id": f"{CANARY}-id",
    "cf-access-client-secret": f"{CANARY}-cf",
    "cf-access-jwt-assertion": f"{CANARY}-jwt",
    "x-amz-security-token": f"{CANARY}-amz",
    "x-forwarded-access-token": f"{CANARY}-forwarded",
    "x-forwarded-client-cert": f"{CANARY}-cert",
    "referer": f"http://me:{CANARY}-user@127.0.0.1/?api_key={CANARY}-referer",
    "x-note": f"as in {CANARY}-bearer",
}
TOOLS = {"tools": [{"type": "mcp", "headers": {"Authorization": f"Bearer {CANARY}-mcp"}}]}
PROVIDER_SECRETS = {
    "PROVIDER_KEY": f"{CANARY}-provider",
    "HEADER": f"{CANARY}-header",
    "PASSWORD": f"{CANARY}-password",
}


async def echo(peer: Peer) -> None:
    """Repeat the request in the headers and the body of the response, and set a cookie."""
    while True:
        got = await peer.request()
        body = got.head + got.body
        lines = [b"x-echo-%d: %s" % (at, value) for at, (_, value) in enumerate(got.headers)]
        lines += [b"set-cookie: sid=" + CANARY.encode() + b"-set; Path=/", b"content-length: %d" % len(body)]
        await peer.send(b"HTTP/1.1 200 OK\r\n" + b"\r\n".join(lines) + b"\r\n\r\n" + body)


@pytest.mark.parametrize(
    "machine",
    [
        {"api_key_env": "PROVIDER_KEY", "headers": {"X-Plain": {"env": "HEADER"}}},
        {"basic_auth": {"user": "fleet", "password": {"env": "PASSWORD"}}},
    ],
    ids=["key and header", "basic authentication"],
)
@pytest.mark.parametrize("limit", [64_000, 300])
async def test_no_credential_of_a_client_or_a_provider_is_in_a_capture(
    tmp_path: Path, machine: dict[str, Any], limit: int
) -> None:
    query = f"?api_key={CANARY}-query&key={CANARY}-q2&%74oken={CANARY}-q3&x=1"
    async with capturing(tmp_path, echo, {"body": limit}, PROVIDER_SECRETS, machine) as (_, served):
        answers = [
            await ask(served.port, path + query, BODY | TOOLS, CLIENT_SECRETS)
            for path in (CHAT, "/v1/messages", "/boochat/v1/embeddings")
        ]
        assert all(CANARY.encode() in answer.body for answer in answers)
        captures = [await capture_of(served, answer) for answer in answers]
    for capture in captures:
        text = json.dumps(capture)
        assert CANARY not in text, text
        assert b64_of(CANARY) not in text
        decoded = [base64.b64decode(message.get("body_base64") or "") for message in messages(capture)]
        assert not any(CANARY.encode() in body for body in decoded)
        assert "xyzzy" in text, "prompts are not masked"
        assert headers_of(capture["request"])["authorization"] == "Bearer ***"
        assert capture["request"]["start"].endswith("?api_key=***&key=***&%74oken=***&x=1 HTTP/1.1")


def b64_of(text: str) -> str:
    """Return what base64 makes of the middle of `me:text` and `fleet:text`, whatever is around it."""
    return base64.b64encode(f"me:{text}-proxy".encode()).decode()[4:12]


def messages(capture: Mapping[str, Any]) -> list[Any]:
    return [message for message in capture.values() if isinstance(message, dict)]


async def test_the_command_repeats_the_request_with_a_reference_to_the_key(tmp_path: Path) -> None:
    async with capturing(tmp_path, responding(JSON), env=ENV, keys=KEYS) as (_, served):
        body = {**BODY, "user": "it's $HOME and `ls` \\"}
        answer = await ask(served.port, CHAT, body, {**ALL, "cookie": "a=b", "x-trace": "1"})
        capture = await capture_of(served, answer, ALL)
        assert "gateway-key" not in json.dumps(capture)
        command = capture["curl"].replace("http://127.0.0.1/", f"http://127.0.0.1:{served.port}/")
        assert await run_in_shell(command, {"FLEET_KEY": "gateway-key-of-all"}) == b"{}"
        rows = (await ask(served.port, "/api/activity", headers=ALL)).json()["requests"]
        again = (await ask(served.port, f"/api/activity/{rows[0]['id']}/capture", headers=ALL)).json()
    assert '-H "authorization: Bearer $FLEET_KEY"' in capture["curl"]
    assert again["request"]["body"] == capture["request"]["body"] == json.dumps(body)
    assert headers_of(again["request"])["x-trace"] == "1"
    assert "cookie" not in headers_of(again["request"])


async def run_in_shell(command: str, env: Mapping[str, str]) -> bytes:
    shell = await asyncio.create_subprocess_exec("sh", "-c", command, env=env, stdout=subprocess.PIPE)
    output, _ = await shell.communicate()
    return output


async def test_only_a_key_without_surfaces_reads_a_capture(tmp_path: Path) -> None:
    limited = {"authorization": "Bearer gateway-key-of-chat"}
    async with capturing(tmp_path, responding(JSON), env=ENV, keys=KEYS) as (_, served):
        answer = await ask(served.port, CHAT, BODY, limited)
        (id,) = answer.header(b"x-request-id")
        path = f"/api/activity/{id.decode()}/capture"
        statuses = [
            (await ask(served.port, path, headers=headers)).status
            for headers in ({}, limited, ALL, {**ALL, "origin": "http://evil.example"})
        ]
        of_surface = await ask(served.port, f"{path}?surface=boochat", headers=limited)
        rejected = await ask(served.port, CHAT, BODY)
        (stranger,) = rejected.header(b"x-request-id")
        none = await ask(served.port, f"/api/activity/{stranger.decode()}/capture", headers=ALL)
    assert statuses == [401, 403, 200, 403]
    assert of_surface.status == 403
    assert (rejected.status, none.status) == (401, 404)


async def test_without_captures_the_remedy_is_reported_and_a_reload_drops_what_was_kept(
    tmp_path: Path,
) -> None:
    async with capturing(tmp_path, responding(JSON), {"keep": 3}) as (server, served):
        answer = await ask(served.port, CHAT, BODY)
        await capture_of(served, answer)
        kept = connection("a", server.url, poll=False, declared={"m": {}})

        async def build(**settings: Any) -> None:
            write_generated(tmp_path / "generated", gateway(kept, **settings))
            assert (await served.reload()).status == 200

        await build(captures={"keep": 3}, drain=7)
        await served.said("captures are on: the last 3 requests", times=2)
        await capture_of(served, answer)
        await build(captures=None)
        (id,) = answer.header(b"x-request-id")
        off = await ask(served.port, f"/api/activity/{id.decode()}/capture")
        assert (await served.fleet())["captures"] is None
        await build(captures={"keep": 3})
        gone = await ask(served.port, f"/api/activity/{id.decode()}/capture")
        await turn()
    assert (off.status, off.code) == (404, "not_found")
    assert "write `captures: {}` below `gateway:`" in off.json()["error"]["message"]
    assert gone.status == 404
