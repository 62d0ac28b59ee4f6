"""Token counts are those that servers state: for every recorded exchange, however its bytes come."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet_runtime.proxy.request_record import RequestRecord
from fleet_runtime.telemetry.token_counts import Tokens, read_tokens
from tests.runtime.proxy.test_recordings import replayable, request_body, wire
from tests.support.gateway import gateway_before
from tests.support.raw_client import ask
from tests.support.raw_server import Peer
from tests.support.recorded import recorded
from tests.support.waiting import until


def stated(body: bytes, *, streamed: bool) -> Tokens | None:
    """Read a complete body the long way: parse all of it, the last statement wins."""
    lines = [line[5:] for line in body.splitlines() if line.startswith(b"data:")] if streamed else [body]
    found: dict[str, Any] = {}
    for document in filter(None, map(_object, lines)):
        begun = _member(document, "message")
        usage = _member(document, "usage") or _member(_member(document, "response"), "usage")
        timings = _member(document, "timings")
        if begun:
            found |= _usage(_member(begun, "usage")) | {"response": None}
        found |= {name: value for name, value in _usage(usage).items() if value is not None}
        if timings:
            found.setdefault("cached", timings.get("cache_n"))
            found.setdefault("prompt", timings["prompt_n"] + timings["cache_n"])
            found.setdefault("response", timings["predicted_n"])
            found["per_second"] = timings["predicted_per_second"] or None
        if document.get("tokens_predicted"):
            found |= {"prompt": document["tokens_evaluated"], "response": document["tokens_predicted"]}
    ended = found.get("response") is not None or (found.get("prompt") is not None and not streamed)
    return Tokens(**found) if ended else None


def _usage(usage: dict[str, Any]) -> dict[str, Any]:
    if not usage:
        return {}
    details = _member(usage, "prompt_tokens_details") or _member(usage, "input_tokens_details")
    prompt, cached = usage.get("prompt_tokens", usage.get("input_tokens")), details.get("cached_tokens")
    if "cache_read_input_tokens" in usage:
        cached = usage["cache_read_input_tokens"]
        prompt += cached
    response = usage.get("completion_tokens", usage.get("output_tokens"))
    return {"prompt": prompt, "response": response, "cached": cached}


def _member(document: dict[str, Any], name: str) -> dict[str, Any]:
    value = document.get(name)
    return value if isinstance(value, dict) else {}


def _object(text: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


@pytest.mark.anyio
async def test_tokens_are_what_the_server_stated_in_every_recorded_exchange() -> None:
    names = replayable()
    waiting = iter(names)

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(wire(next(waiting)))

    counted = 0
    async with gateway_before(script, lists={"a": {}}) as (_, gateway):
        for name in names:
            exchange = recorded(name)
            sent = json.loads(request_body(exchange))
            base = "" if "model" in sent else "/providers/a"
            through = json.dumps(sent | ({"model": f"a/{sent['model']}"} if "model" in sent else {})).encode()
            answer = await ask(gateway.port, base + exchange.path, through, exchange.request_headers)
            (id,) = (value.decode() for field, value in answer.headers if field == b"x-request-id")
            await until(lambda id=id: any(each.request_id == id for each in gateway.records))  # type: ignore[misc]
            record = next(each for each in gateway.records if each.request_id == id)
            tokens = read_tokens(record.first_chunk, record.last_chunks, streamed=record.streamed)
            assert tokens == stated(answer.body, streamed=record.streamed), name
            counted += tokens is not None
    assert counted >= 55


def chunks(body: bytes, sizes: Iterator[int]) -> RequestRecord:
    record = RequestRecord("id", None, "/v1/responses")
    while body:
        size = next(sizes)
        record.keep_chunk(body[:size])
        body = body[size:]
    return record


COMPLETED = {"output": [{"text": 'say "usage":{"input_tokens":7} ' * 9_000}], "model": "m"}
USAGE = {"input_tokens": 12, "output_tokens": 34, "input_tokens_details": {"cached_tokens": 5}}
EMBEDDINGS = [{"index": index, "embedding": [0.25] * 512} for index in range(64)]
TOOL = {"content": [{"type": "tool_use", "input": {"usage": {"input_tokens": 1, "output_tokens": 2}}}] * 3}


DONE = b"data: [DONE]\n\n"


def event(**data: Any) -> bytes:
    return b"data: " + json.dumps(data).encode() + b"\n\n"


@pytest.mark.parametrize(
    ("body", "streamed", "expected"),
    [
        (event(type="response.completed", response=COMPLETED | {"usage": USAGE}, n=9), True, (12, 34, 5)),
        (json.dumps({"data": EMBEDDINGS, "usage": {"prompt_tokens": 9}}).encode(), False, (9, None, None)),
        (json.dumps({"usage": {"prompt_tokens": 9}, "data": EMBEDDINGS}).encode(), False, (9, None, None)),
        (json.dumps(TOOL | {"x": "y" * 200_000, "usage": USAGE}).encode(), False, (12, 34, 5)),
        (json.dumps({"usage": USAGE} | TOOL | {"x": "y" * 200_000}).encode(), False, (12, 34, 5)),
    ],
    ids=["a long completed event", "usage after", "usage before", "an argument's name", "the same, before"],
)
@settings(max_examples=20, deadline=None)
@given(size=st.integers(1_500, 90_000))
def test_what_is_kept_of_a_long_response_is_enough(
    body: bytes, streamed: bool, expected: tuple[int | None, ...], size: int
) -> None:
    record = chunks(body, iter([size] * len(body)))
    assert record.kept_bytes <= 3 * 16_384 + 1_024
    tokens = read_tokens(record.first_chunk, record.last_chunks, streamed=streamed)
    assert tokens is not None
    assert (tokens.prompt, tokens.response, tokens.cached) == expected


@pytest.mark.parametrize("write", [lambda event: [event], lambda event: [b"data: ", event[6:-2], b"\n\n"]])
def test_usage_is_found_before_the_short_events_at_the_end_of_a_stream(
    write: Callable[[bytes], list[bytes]],
) -> None:
    record = RequestRecord("id", None, "/v1/chat/completions")
    usage = event(choices=[], usage={"prompt_tokens": 12, "completion_tokens": 34})
    for each in [*[event(choices=[{"delta": {"content": "word"}}]) for _ in range(200)], usage, DONE, DONE]:
        for piece in write(each):
            record.keep_chunk(piece)
    tokens = read_tokens(record.first_chunk, record.last_chunks, streamed=True)
    assert tokens is not None
    assert (tokens.prompt, tokens.response) == (12, 34)


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(TOOL | {"x": "y" * 200_000}).encode(),
        json.dumps({"x": "y" * 200_000} | TOOL).encode(),
        b'{"usage": null}',
        b'{"usage": {"prompt_tokens": true, "completion_tokens": -1}}',
        b'{"usage": {"prompt_tokens": "12"}}',
        b'["usage"]',
        b"",
    ],
)
def test_what_no_server_states_is_not_counted(body: bytes) -> None:
    record = chunks(body, iter([9_000] * len(body)))
    assert read_tokens(record.first_chunk, record.last_chunks, streamed=False) is None


@given(st.binary(max_size=400), st.binary(max_size=3200), st.booleans())
def test_no_bytes_of_a_response_make_reading_them_fail(first: bytes, last: bytes, streamed: bool) -> None:
    read_tokens(first, last, streamed=streamed)
    read_tokens(b'data: {"usage":' + first, last, streamed=streamed)
