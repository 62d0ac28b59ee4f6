"""A very long JSON body is parsed in a separate process, with the outcome that it has in this one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet_runtime.errors import RequestError
from fleet_runtime.proxy.json_body import JsonBody
from fleet_runtime.proxy.parse_process import VERY_LONG, LongJsonBody, Parsed, parse, parse_in_process
from tests.support.gateway import gateway_before
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
]
INVALID = [
    '{"model": "a/m", "pad": "PAD"',
    '{"model": "a/m", "Model": "a/n", "pad": "PAD"}',
    '{"model": 1, "pad": "PAD"}',
    '["PAD"]',
]


def written(body: str, padding: str = PADDING) -> bytes:
    return body.replace("PAD", padding).encode()


def joined(body: bytes | tuple[bytes | memoryview, ...]) -> bytes:
    return body if isinstance(body, bytes) else b"".join(body)


@pytest.mark.parametrize("body", BODIES)
async def test_a_body_names_the_same_model_and_goes_on_with_another(body: str) -> None:
    raw = written(body)
    here, there = JsonBody(raw), await parse_in_process(raw)
    assert isinstance(there, LongJsonBody)
    assert (there.model, there.length, there.unchanged()) == (here.model, here.length, raw)
    assert json.loads(joined(there.naming("m"))) == json.loads(joined(here.naming("m")))


@pytest.mark.parametrize("body", INVALID)
async def test_a_body_that_is_rejected_is_rejected_with_the_same_words(body: str) -> None:
    raw = written(body)
    with pytest.raises(RequestError) as here:
        JsonBody(raw)
    with pytest.raises(RequestError) as there:
        await parse_in_process(raw)
    assert there.value.answer == here.value.answer


@given(st.binary(max_size=60) | st.sampled_from([written(body, "x") for body in BODIES + INVALID]))
def test_what_is_found_of_any_bytes_is_what_a_body_says_of_itself(raw: bytes) -> None:
    assert parse(raw) == described(raw)


def described(raw: bytes) -> Parsed:
    try:
        body = JsonBody(raw)
    except RequestError as error:
        return Parsed(error=(error.answer.code, error.answer.message, error.answer.param))
    return Parsed(body.model, body.model_span())


async def test_a_very_long_body_reaches_its_provider_with_the_provider_s_own_model_name() -> None:
    async with gateway_before(responding(OK)) as (server, gateway):
        response = await ask(gateway.port, CHAT, {"model": "a/m", "pad": PADDING})
        assert response.status == 200
        assert json.loads(server.requests[0].body) == {"model": "m", "pad": PADDING}


async def test_a_computer_that_can_start_no_process_parses_it_in_a_thread(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    assert (await parse_in_process(written(BODIES[0]))).model == "a/m"


async def test_a_process_that_fails_is_not_the_request_s_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    failing = tmp_path / "python"
    failing.write_text("#!/bin/sh\ncat > /dev/null\nexit 1\n")
    failing.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(failing))
    assert (await parse_in_process(written(BODIES[0]))).model == "a/m"


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
