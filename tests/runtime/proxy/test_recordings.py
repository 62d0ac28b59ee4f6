"""Replayed responses of real servers are the same directly and through the gateway, complete or cut."""

from __future__ import annotations

import asyncio
import json

import pytest

from fleet_runtime.artifacts.contract import RoutingTable
from fleet_runtime.proxy.endpoints import Routes
from tests.support import artifacts
from tests.support.gateway import gateway_before
from tests.support.paths import RECORDINGS
from tests.support.raw_client import Answer, ask, client, request
from tests.support.raw_server import Peer, Script
from tests.support.recorded import Recorded, recorded

pytestmark = pytest.mark.anyio

OURS = (b"x-request-id", b"server-timing")
HOP_BY_HOP = (b"connection", b"keep-alive", b"transfer-encoding")
CUT = b" bytes)"


def fleet_table() -> RoutingTable:
    return artifacts.table(artifacts.gateway(artifacts.connection("a")), None)


def replayable() -> list[str]:
    """The recordings of proxied endpoints whose request is one that a client may send, but those of an
    error without output, to which the gateway gives its own."""
    routes = Routes({"": fleet_table()})
    names = []
    for file in sorted(RECORDINGS.glob("*/*.req")):
        name = f"{file.parent.name}/{file.stem}"
        if not file.with_suffix(".http").exists():
            continue
        exchange = recorded(name)
        proxied = routes.proxied(exchange.path.partition("?")[0].encode())
        sound = exchange.request_body.endswith(CUT) or _is_object(exchange.request_body)
        wordless = exchange.status >= 500 and not exchange.body
        if exchange.method == "POST" and proxied and sound and not wordless:
            names.append(name)
    return names


def _is_object(body: bytes) -> bool:
    try:
        return isinstance(json.loads(body), dict)
    except ValueError:
        return False


def request_body(exchange: Recorded) -> bytes:
    """The body that was sent, made again where the recording cut it."""
    if not exchange.request_body.endswith(CUT):
        return exchange.request_body
    words = "word " * 9000
    return json.dumps({"model": "tiny-chat", "messages": [{"role": "user", "content": words}]}).encode()


def wire(name: str) -> bytes:
    """The response as it went over the wire: a body that the recording joined is put in chunks again."""
    raw = (RECORDINGS / f"{name}.http").read_bytes()
    exchange = recorded(name)
    if exchange.lowered.get("transfer-encoding") != "chunked" or "-raw-" in name:
        return raw
    head = raw[: len(raw) - len(exchange.body)]
    pieces = [exchange.body[at : at + 500] for at in range(0, len(exchange.body), 500)]
    return head + b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def replaying(answer: bytes) -> Script:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(answer)

    return script


def end_to_end(answer: Answer) -> list[tuple[bytes, bytes]]:
    """Return the headers that the gateway forwards; CORS is its own matter."""
    return sorted(
        header
        for header in answer.headers
        if header[0] not in HOP_BY_HOP + OURS and not header[0].startswith((b"x-fleet-", b"access-control-"))
    )


@pytest.mark.parametrize("name", replayable())
async def test_a_recorded_response_is_the_same_through_the_gateway_and_direct(name: str) -> None:
    exchange = recorded(name)
    body = request_body(exchange)
    path, base = exchange.path, ""
    sent = json.loads(body)
    if "model" in sent:
        through = json.dumps(sent | {"model": f"a/{sent['model']}"}).encode()
    else:
        through, base = body, "/providers/a"
    async with gateway_before(replaying(wire(name)), lists={"a": {}}) as (machine, gateway):
        direct = await ask(machine.port, path, body, exchange.request_headers)
        answer = await ask(gateway.port, base + path, through, exchange.request_headers)
        assert answer.status == direct.status == exchange.status
        assert (answer.body, answer.ended) == (direct.body, direct.ended)
        added = [(b"retry-after", b"5")] if b"Loading model" in direct.body else []
        assert end_to_end(answer) == sorted(end_to_end(direct) + added)
        assert [header for header, _ in answer.headers].count(b"x-fleet-provider") == 1
        first, second = machine.requests
        assert json.loads(second.body) == json.loads(first.body)
        assert second.target == first.target


def test_the_recordings_cover_the_endpoints_that_clients_use() -> None:
    paths = {recorded(name).path.partition("?")[0] for name in replayable()}
    assert len(replayable()) >= 80
    assert paths >= {
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/embeddings",
        "/v1/messages",
        "/v1/messages/count_tokens",
        "/v1/responses",
        "/v1/rerank",
        "/infill",
    }


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("llama-server-2k/chat-stream-raw-chunked", 3),
        pytest.param("llama-server-2k/chat-stream-raw-chunked", 1, marks=pytest.mark.slow),
        pytest.param("llama-swap/chat-stream-raw", 1, marks=pytest.mark.slow),
        pytest.param("llama-swap/loading-state-raw", 1, marks=pytest.mark.slow),
    ],
)
async def test_fault_07_a_reset_at_any_byte_of_a_recorded_stream_is_never_taken_for_its_end(
    name: str, step: int
) -> None:
    whole = (RECORDINGS / f"{name}.http").read_bytes()
    head = whole.index(b"\r\n\r\n") + 4
    offsets = sorted({*range(0, len(whole), step), *range(len(whole) - 20, len(whole))})
    assert len(offsets) >= 500

    async def script(peer: Peer) -> None:
        while True:
            cut = json.loads((await peer.request()).body)["cut"]
            await peer.send(whole[:cut])
            if cut < len(whole):
                peer.reset() if cut % 2 else peer.close()
                return

    async with gateway_before(script) as (_, gateway):

        async def cut_at(offset: int) -> Answer:
            return await ask(gateway.port, "/v1/chat/completions", {"model": "a/m", "cut": offset})

        events = (await cut_at(len(whole))).body
        assert events.endswith(b"data: [DONE]\n\n")
        for at in range(0, len(offsets), 20):
            batch = offsets[at : at + 20]
            for offset, answer in zip(batch, await asyncio.gather(*map(cut_at, batch)), strict=True):
                if answer.status == 502:
                    assert answer.code == "upstream_error"
                    continue
                assert offset >= head
                assert not answer.ended
                passed, mark, error = answer.body.partition(b'\n\ndata: {"error":')
                assert events.startswith(passed)
                assert len(passed) <= offset - head
                assert error.count(b"data:") == 0
                if mark:
                    assert error.endswith(b"\n\n")
                assert (b"[DONE]" in answer.body) == (b"[DONE]" in passed)


async def test_fault_07_a_stream_reaches_the_client_before_it_is_cut() -> None:
    whole = (RECORDINGS / "llama-server-2k/chat-stream-raw-chunked.http").read_bytes()
    half = whole.index(b"\n\n\r\n") + 4
    seen = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(whole[:half])
        await seen.wait()
        peer.reset()

    async with gateway_before(script) as (_, gateway), client(gateway.port) as browser:
        await browser.send(request("/v1/chat/completions", {"model": "a/m"}))
        await browser.head()
        first = await browser.chunk()
        assert first.startswith(b"data: ")
        assert first.endswith(b"\n\n")
        seen.set()
        rest = await browser.rest()
        assert b'"code":"upstream_error"' in rest
        assert b"[DONE]" not in rest
        assert not rest.endswith(b"0\r\n\r\n")
