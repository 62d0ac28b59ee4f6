"""A very long JSON body is parsed in a separate process, with the outcome that it has in this one."""

from __future__ import annotations

import gc
import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet_runtime.errors import RequestError
from fleet_runtime.proxy.json_body import JsonBody
from fleet_runtime.proxy.parse_process import VERY_LONG, LongJsonBody, parse, parse_in_process
from tests.support.gateway import gateway_before
from tests.support.json_bodies import bodies
from tests.support.raw_client import ask, client, request
from tests.support.raw_server import responding
from tests.support.waiting import until

pytestmark = pytest.mark.anyio

CHAT = "/v1/chat/completions"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
PADDING = "x" * VERY_LONG

BODIES = [
    '{"model": "a/m", "pad": "PAD"}',
    '{"pad": "PAD", "model":"a/é"}',
    '{"pad": "PAD", "mod\\u0065l": "a/m"}',
    '{"model": "a/m", "pad": "PAD", "inner": {"model": "a/n"}}',
    '{"pad": "PAD"}',
    '{"pad": "PAD", "model":"a/n", "model" : "a/m"}',
]
INVALID = [
    '{"model": "a/m", "pad": "PAD"',
    '{"model": "a/m", "Model": "a/n", "pad": "PAD"}',
    '{"model": 1, "pad": "PAD"}',
    '["PAD"]',
]


def written(body: str, padding: str = PADDING) -> bytes:
    return body.replace("PAD", padding).encode()


def pieces(raw: bytes) -> list[bytes]:
    return [raw[:10], raw[10:12], raw[12:5_000_000], raw[5_000_000:]]


def joined(body: bytes | tuple[bytes | memoryview, ...]) -> bytes:
    return body if isinstance(body, bytes) else b"".join(body)


@pytest.mark.parametrize("body", BODIES)
async def test_a_body_is_read_with_its_model_and_forwarded_with_another(body: str) -> None:
    raw = written(body)
    here, there = JsonBody(raw), await parse_in_process(pieces(raw))
    assert isinstance(there, LongJsonBody)
    assert (there.model, there.streams) == (here.model, here.streams)
    assert json.loads(joined(there.unchanged())) == json.loads(raw)
    assert there.length == len(joined(there.unchanged()))
    if here.model is not None:
        assert json.loads(joined(there.naming("m"))) == json.loads(joined(here.naming("m")))


@pytest.mark.parametrize("body", INVALID)
async def test_a_body_that_is_rejected_is_rejected_with_the_same_words(body: str) -> None:
    raw = written(body)
    with pytest.raises(RequestError) as here:
        JsonBody(raw)
    with pytest.raises(RequestError) as there:
        await parse_in_process(pieces(raw))
    assert there.value.answer == here.value.answer


@given(st.binary(max_size=60) | st.sampled_from([written(body, "x") for body in BODIES + INVALID]) | bodies())
@settings(max_examples=300, deadline=None)
def test_a_body_that_is_parsed_elsewhere_means_what_it_means_here(raw: bytes) -> None:
    parsed, rewritten = parse(raw)
    if parsed.error is not None:
        with pytest.raises(RequestError) as error:
            JsonBody(raw)
        answer = error.value.answer
        assert parsed.error == (answer.code, answer.message, answer.param)
        return
    here = JsonBody(raw)
    there = LongJsonBody([rewritten if parsed.rewritten else raw], parsed)
    assert (there.model, there.streams) == (here.model, here.streams)
    if here.model is not None:
        assert decoded(there.naming("other")) == decoded(here.naming("other"))


def decoded(body: bytes | tuple[bytes | memoryview, ...]) -> dict[str, bytes]:
    """Members and their bytes; no key comes twice."""
    text = joined(body)
    keys = [key for key, _ in json.loads(text, object_pairs_hook=lambda found: found)]
    assert len(keys) == len(set(keys))
    return {
        key: bytes(value) for key, value in msgspec.json.decode(text, type=dict[str, msgspec.Raw]).items()
    }


@pytest.mark.parametrize(
    "first", ['"a"', '"x","model":"a/m"', '"aaaa","model":"evil/m"', "1", '{"model":"evil/m"}']
)
def test_a_key_that_comes_twice_never_hides_where_the_model_is(first: str) -> None:
    raw = f'{{"p":{first},"model":"a/m","p":"a"}}'.encode()
    parsed, rewritten = parse(raw)
    assert parsed.rewritten
    assert decoded(LongJsonBody([rewritten], parsed).naming("m"))["model"] == b'"m"'


async def test_a_very_long_body_reaches_its_provider_with_the_provider_s_own_model_name() -> None:
    async with gateway_before(responding(OK)) as (server, gateway):
        response = await ask(gateway.port, CHAT, {"model": "a/m", "pad": PADDING})
        assert response.status == 200
        assert json.loads(server.requests[0].body) == {"model": "m", "pad": PADDING}


async def test_a_computer_that_can_start_no_process_parses_it_in_a_thread(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    assert (await parse_in_process(pieces(written(BODIES[0])))).model == "a/m"


async def test_a_process_that_fails_is_not_the_request_s_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    failing = tmp_path / "python"
    failing.write_text("#!/bin/sh\ncat > /dev/null\nexit 1\n")
    failing.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(failing))
    assert (await parse_in_process(pieces(written(BODIES[0])))).model == "a/m"


async def test_a_client_that_disconnects_ends_the_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    slow, started = tmp_path / "python", tmp_path / "pid"
    slow.write_text(f"#!/bin/sh\ncat > /dev/null\necho $$ > {started}\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(slow))
    async with gateway_before(responding(OK)) as (server, gateway):
        async with client(gateway.port) as browser:
            await browser.send(request(CHAT, {"model": "a/m", "pad": PADDING}))
            await until(lambda: started.exists() and bool(started.read_text().strip()))
        process = Path("/proc", started.read_text().strip())
        await until(lambda: not process.exists())
        assert (await gateway.record()).end_reason == "client_gone"
        assert server.requests == []


@pytest.mark.parametrize("padding", [1_500_000, VERY_LONG], ids=["in a thread", "in a process"])
async def test_a_rejected_body_is_free_at_once_and_not_at_the_next_garbage_collection(padding: int) -> None:
    raw = written('["PAD"]', "x" * padding)
    async with gateway_before(responding(OK)) as (_, gateway):
        await ask(gateway.port, CHAT, raw)
        gc.collect()
        gc.disable()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            assert (await ask(gateway.port, CHAT, raw)).code == "invalid_json"
            gc.collect()
            cyclic = [each for each in gc.garbage if isinstance(each, RequestError)]
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()
    assert cyclic == []
