"""Whatever JSON is sent, the provider reads the model that was routed, or nothing arrives there."""

from __future__ import annotations

import json
import time

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet_runtime.errors import RequestError
from fleet_runtime.proxy.json_body import LONG, JsonBody
from tests.support.gateway import gateway_before, models
from tests.support.json_bodies import bodies, names
from tests.support.raw_client import ask
from tests.support.raw_server import responding

CHAT = "/v1/chat/completions"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def read(raw: bytes) -> JsonBody | None:
    """The body, or None if it is rejected as a bad request."""
    try:
        return JsonBody(raw)
    except RequestError as refusal:
        answer = refusal.answer
    assert answer.status == 400
    assert json.loads(answer.body())["error"]["message"]
    return None


def joined(parts: bytes | tuple[bytes | memoryview, ...]) -> bytes:
    return parts if isinstance(parts, bytes) else b"".join(parts)


def read_as_pairs(body: bytes) -> list[tuple[str, object]]:
    pairs: list[tuple[str, object]] = json.loads(body, object_pairs_hook=lambda found: found)
    return pairs


@given(bodies(), names)
@settings(max_examples=600, deadline=None)
def test_fault_25_every_reader_reads_the_model_that_was_put_in(raw: bytes, model: str) -> None:
    body = read(raw)
    if body is None:
        return
    onward = joined(body.naming(model))
    assert json.loads(onward)["model"] == model
    candidates = [key for key, _ in read_as_pairs(onward) if key.lower() == "model"]
    assert candidates == ["model"]
    before = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    after = msgspec.json.decode(onward, type=dict[str, msgspec.Raw])
    before.pop("model", None)
    assert msgspec.json.decode(after.pop("model")) == model
    assert {key: bytes(value) for key, value in after.items()} == {
        key: bytes(value) for key, value in before.items()
    }
    if body.model is not None:
        assert json.loads(raw)["model"] == body.model


@given(st.binary(max_size=100))
def test_fault_25_any_bytes_are_an_object_or_rejected(raw: bytes) -> None:
    body = read(raw)
    if body is not None:
        assert isinstance(json.loads(raw), dict)
        assert body.unchanged() == raw


@pytest.mark.anyio
@given(raw=bodies())
@settings(max_examples=120, deadline=None)
async def test_fault_25_the_provider_reads_the_model_that_was_routed_or_nothing_arrives(raw: bytes) -> None:
    async with gateway_before(responding(OK), lists={"a": models("m", "n", "é")}) as (machine, gateway):
        answer = await ask(gateway.port, CHAT, raw)
        if answer.status != 200:
            assert answer.status in (400, 404)
            assert machine.requests == []
            return
        [sent] = machine.requests
        [routed] = answer.header(b"x-fleet-model")
        read = json.loads(sent.body)["model"]
        assert f"a/{read}".encode() in (routed, b"a/\xc3\xa9")
        assert [key for key, _ in read_as_pairs(sent.body) if key.lower() == "model"] == ["model"]


DEEP = 10_000
REFUSED = {
    "empty": b"",
    "white space": b" \n",
    "no object": b'["model"]',
    "a string": b'"a/m"',
    "null": b"null",
    "BOM": b'\xef\xbb\xbf{"model":"a/m"}',
    "UTF-16": '{"model":"a/m"}'.encode("utf-16"),
    "trailing bytes": b'{"model":"a/m"} x',
    "two objects": b'{"model":"a/m"}{"model":"a/n"}',
    "a trailing comma": b'{"model":"a/m",}',
    "a comment": b'{"model":"a/m" /* x */}',
    "single quotes": b"{'model':'a/m'}",
    "NaN": b'{"model":"a/m","x":NaN}',
    "Infinity": b'{"model":"a/m","x":-Infinity}',
    "a lone surrogate": b'{"model":"a/\\ud800"}',
    "a lone surrogate elsewhere": b'{"model":"a/m","x":"\\udc00"}',
    "half a pair": b'{"model":"a/m","x":"\\ud83d\\u0041"}',
    "not UTF-8": b'{"model":"a/\xff"}',
    "not UTF-8 elsewhere": b'{"model":"a/m","x":"\xc3"}',
    "an encoded surrogate": b'{"model":"a/m","x":"\xed\xa0\x80"}',
    "nested too deeply": b'{"model":"a/m","x":' + b"[" * DEEP + b"]" * DEEP + b"}",
    "nested objects": b'{"x":' * DEEP + b"1" + b"}" * DEEP,
    "cut": b'{"model":"a/m","mess',
    "NUL": b'{"model":"a/m\0"}',
    "another case": b'{"model":"a/m","Model":"a/n"}',
    "a model of another case alone": b'{"MODEL":"a/m"}',
}
REFUSED["more members than are taken"] = (
    b'{"model":"a/m"' + b"".join(b',"%d":1' % n for n in range(100_000)) + b"}"
)
REQUIRED = {
    "missing": b"{}",
    "null": b'{"model":null}',
    "empty": b'{"model":""}',
    "a number": b'{"model":1}',
    "an array": b'{"model":["a/m"]}',
    "an object": b'{"model":{"model":"a/m"}}',
    "true": b'{"model":true}',
    "inside another": b'{"x":{"model":"a/m"}}',
    "a string and then a number": b'{"model":"a/m","model":1}',
}
NOT_FOUND = {
    "an emoji": '{"model":"a/\U0001f600"}'.encode(),
    "an escaped NUL": b'{"model":"a/m\\u0000"}',
    "1 MB": b'{"model":"' + b"a" * 1_000_000 + b'"}',
    "the last of two": b'{"model":"a/m","model":"a/none"}',
}


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("raw", "status", "code"),
    [
        pytest.param(raw, status, code, id=f"{code}: {name}")
        for cases, status, code in (
            (REFUSED, 400, "invalid_json"),
            (REQUIRED, 400, "model_required"),
            (NOT_FOUND, 404, "model_not_found"),
        )
        for name, raw in cases.items()
    ],
)
async def test_fault_25_hostile_bodies_are_rejected_at_once_and_reach_no_provider(
    raw: bytes, status: int, code: str
) -> None:
    async with gateway_before(responding(OK)) as (machine, gateway):
        began = time.process_time()
        answer = await ask(gateway.port, CHAT, raw)
        took = time.process_time() - began
        assert (answer.status, answer.code) == (status, code)
        assert machine.requests == []
        assert took < 0.5
        assert (await gateway.record()).end_reason == "refused"


@pytest.mark.anyio
@pytest.mark.parametrize(
    "raw",
    [
        b'{"model":"a\\u002fm"}',
        b'{"mod\\u0065l":"a/m"}',
        b'{"model":"a/none","model":"a/m"}',
        b'{"model":1,"mod\\u0065l":"\\u0061/m"}',
        b' \n{ "model" : "a/m" }\r\n',
    ],
)
async def test_fault_25_legal_escapes_and_repeated_keys_are_routed_as_the_provider_reads_them(
    raw: bytes,
) -> None:
    async with gateway_before(responding(OK)) as (machine, gateway):
        assert (await ask(gateway.port, CHAT, raw)).status == 200
        assert machine.requests[0].body == b'{"model":"m"}'


@pytest.mark.anyio
async def test_a_compressed_request_is_rejected_since_it_cannot_be_routed() -> None:
    async with gateway_before(responding(OK)) as (machine, gateway):
        answer = await ask(gateway.port, CHAT, {"model": "a/m"}, {"content-encoding": "gzip"})
        assert (answer.status, answer.code) == (400, "invalid_json")
        assert (
            await ask(gateway.port, CHAT, {"model": "a/m"}, {"content-encoding": "identity"})
        ).status == 200
        assert machine.requests[0].header(b"content-encoding") == []


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "the body is empty"),
        (b" \r\n", "the body is empty"),
        (b"{", "the body is not a JSON object: it ends too early"),
        (b"nul", "the body is not a JSON object: it ends too early"),
        (b'{"model":"\\\\ud800', "the body is not a JSON object: it ends too early"),
        (b'\xef\xbb\xbf{"model":"m"}', "the body begins with a byte order mark: remove it"),
        *(
            (raw, f"the body is not a JSON object: '{half}' at byte {at} is an unpaired surrogate")
            for raw, half, at in (
                (b'{"model":"\\ud800"}', r"\ud800", 10),
                (b'{"x":"\\ud83d\\ude00\\uDC00"}', r"\uDC00", 18),
                (b'{"x":"\\ud800 and so on"}', r"\ud800", 6),
                (b'{"x":"\\\\\\uD83D\\u0041"}', r"\uD83D", 8),
            )
        ),
        (b'{"model":}', "the body is not a JSON object: JSON is malformed: invalid character (byte 9)"),
    ],
)
def test_the_problem_of_a_body_is_a_sentence(raw: bytes, message: str) -> None:
    with pytest.raises(RequestError) as error:
        JsonBody(raw)
    assert error.value.answer.message == message


@given(bodies(), names)
@settings(max_examples=300, deadline=None)
def test_a_long_body_is_forwarded_around_its_model_like_a_short_one(raw: bytes, model: str) -> None:
    """The same body, made long: every reader reads the same members."""
    at = raw.find(b"{") + 1
    long = raw[:at] + b'"padding":"' + b"x" * LONG + b'",' + raw[at:]
    short, body = read(raw[:at] + b'"padding":"",' + raw[at:]), read(long)
    assert (short is None) == (body is None)
    if short is None or body is None:
        return
    written, around = joined(short.naming(model)), joined(body.naming(model))
    assert json.loads(around)["model"] == model
    assert json.loads(around) | {"padding": ""} == json.loads(written)
    assert [key for key, _ in read_as_pairs(around) if key.lower() == "model"] == ["model"]
