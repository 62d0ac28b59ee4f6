"""A provider's response as Ollama would send it, and never complete if it was not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet_runtime.errors import error_body
from fleet_runtime.ollama.responses import Answer, Shape
from fleet_runtime.ollama.sink import TranslatingSink

STREAM = b"content-type: text/event-stream\r\nx-fleet-provider: a\r\nserver-timing: x\r\n"
PLAIN = b"content-type: application/json\r\ncontent-length: 9\r\netag: x\r\nx-fleet-provider: a\r\n"


class Client:
    """What a client got."""

    def __init__(self) -> None:
        self.status = 0
        self.block = b""
        self.body = b""
        self.end = ""
        self.failures = 0

    def respond(self, status: int, block: bytes, body: bytes) -> None:
        assert not self.end
        self.status, self.block, self.body, self.end = status, block, body, "complete"

    def start(
        self, status: int, block: bytes, length: int | None, data: bytes, ended: bool, *, closes: bool = False
    ) -> None:
        assert length is None
        self.status, self.block = status, block
        self.write(data, ended)

    def write(self, data: bytes, ended: bool) -> None:
        assert not self.end
        self.body += data
        self.end = "complete" if ended else ""

    def cut(self) -> None:
        assert not self.end
        self.end = "cut"

    def close_after(self) -> None: ...

    def failed(self) -> None:
        self.failures += 1

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.body.splitlines()]


def sink(shape: Shape = "chat") -> tuple[Client, TranslatingSink]:
    client = Client()
    translating = TranslatingSink(client, client.failed)
    translating.answer = Answer(shape, "a/m:latest")
    return client, translating


def event(**delta: Any) -> bytes:
    reason = delta.pop("finish_reason", None)
    return (
        b"data: "
        + json.dumps({"choices": [{"delta": delta, "finish_reason": reason}]}, ensure_ascii=False).encode()
        + b"\n\n"
    )


USAGE = b'data: {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}}\n\n'
DONE = b"data: [DONE]\n\n"
WHOLE = (
    b": comment\n\n" + event(role="assistant", reasoning_content="hm") + event(content="a\u2603".replace("\\",
    "")) + event(content="b") + event(finish_reason="length") + USAGE + DONE
)  # fmt: skip


@given(st.lists(st.integers(1, len(WHOLE) - 1), max_size=12), st.booleans())
def test_a_stream_is_the_same_however_it_is_cut_into_reads(cuts: list[int], crlf: bool) -> None:
    whole = WHOLE.replace(b"\n", b"\r\n") if crlf else WHOLE
    client, translating = sink()
    parts = [whole[begin:end] for begin, end in zip([0, *sorted(cuts)], [*sorted(cuts), None], strict=True)]
    translating.start(200, STREAM, None, parts[0], False)
    for part in parts[1:]:
        translating.write(part, False)
    translating.write(b"", True)
    assert client.end == "complete"
    assert client.status == 200
    assert (
        client.block == b"content-type: application/x-ndjson\r\nx-fleet-provider: a\r\nserver-timing: x\r\n"
    )
    thinking, first, second, last = client.lines
    assert thinking["message"] == {"role": "assistant", "content": "", "thinking": "hm"}
    assert (first["message"]["content"], second["message"]["content"]) == ("a☃", "b")
    assert [line["done"] for line in client.lines] == [False, False, False, True]
    assert (last["model"], last["done_reason"]) == ("a/m:latest", "length")
    assert (last["prompt_eval_count"], last["eval_count"]) == (3, 4)
    assert last["total_duration"] >= last["prompt_eval_duration"] >= 0


@pytest.mark.parametrize("at", range(0, len(WHOLE) - len(USAGE + DONE) - 60, 7))
@pytest.mark.parametrize("how", ["cut", "ended"])
def test_a_stream_without_its_end_is_never_done(at: int, how: str) -> None:
    client, translating = sink()
    translating.start(200, STREAM, None, WHOLE[:at], how == "ended")
    if how == "cut":
        translating.cut()
    assert all(not line.get("done") for line in client.lines)
    assert "error" in client.lines[-1]
    assert client.failures == 1
    assert client.end == "cut" if client.status == 200 else client.status == 502
    translating.write(WHOLE, True)
    translating.cut()


@pytest.mark.parametrize(
    "bad",
    [
        b'data: {"error": {"message": "out of memory"}}\n\n',
        b'event: error\ndata: {"error": "out of memory"}\n\n',
        b"data: out of memory\n\n",
    ],
)
def test_an_error_in_a_stream_ends_it_with_that_error(bad: bytes) -> None:
    client, translating = sink("generate")
    translating.start(200, STREAM, None, event(content="a"), False)
    translating.write(bad + event(content="b", finish_reason="stop") + DONE, True)
    assert (client.end, client.lines[0]["response"]) == ("cut", "a")
    assert len(client.lines) == 2
    assert client.lines[1].keys() == {"error"}


def test_a_tool_call_comes_complete() -> None:
    client, translating = sink()
    parts = ({"name": "weather", "arguments": '{"ci'}, {"arguments": 'ty": "x"}'})
    calls = [event(tool_calls=[{"index": 0, "id": "1", "function": part}]) for part in parts]
    stream = b"".join(calls) + event(finish_reason="tool_calls") + DONE
    translating.start(200, STREAM, None, stream, True)
    call, last = client.lines
    assert call["message"]["tool_calls"] == [{"function": {"name": "weather", "arguments": {"city": "x"}}}]
    assert (last["done"], last["done_reason"]) == (True, "stop")


def test_a_plain_response_is_translated_once_it_is_complete() -> None:
    choice = {"message": {"role": "assistant", "content": "hi", "reasoning": "hm"}, "finish_reason": "stop"}
    raw = json.dumps({"choices": [choice], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}).encode()
    client, translating = sink()
    translating.start(200, PLAIN, len(raw), raw[:9], False)
    assert not client.end
    translating.write(raw[9:], True)
    assert client.block == b"content-type: application/json; charset=utf-8\r\nx-fleet-provider: a\r\n"
    (whole,) = client.lines
    assert whole["message"] == {"role": "assistant", "content": "hi", "thinking": "hm"}
    assert (whole["done"], whole["eval_count"]) == (True, 2)


@pytest.mark.parametrize("shape", ["embed", "embeddings"])
def test_embeddings_are_plain_lists(shape: Shape) -> None:
    raw = json.dumps({"data": [{"embedding": [0.1, 2]}], "usage": {"prompt_tokens": 5}}).encode()
    client, translating = sink(shape)
    translating.start(200, PLAIN, len(raw), raw, True)
    (whole,) = client.lines
    assert whole.get("embeddings", [whole.get("embedding")]) == [[0.1, 2]]


@pytest.mark.parametrize(
    "raw",
    [b"", b"<html>", b"[]", b"{}", b'{"choices": []}', b'{"choices": [{"message": {"tool_calls": [1]}}]}'],
)
def test_a_response_that_is_not_one_is_a_502(raw: bytes) -> None:
    client, translating = sink()
    translating.start(200, PLAIN, None, raw, True)
    assert client.status == 502
    assert client.lines[0].keys() == {"error"}


def test_errors_of_provider_and_gateway_keep_their_status_and_message() -> None:
    for raw in (
        b'{"error": {"message": "no"}}',
        b'{"error": "no"}',
        b'{"message": "no"}',
        b"no",
        b'{"detail": "no"}',
    ):
        client, translating = sink()
        translating.start(400, PLAIN, None, raw, True)
        assert (client.status, client.lines) == (400, [{"error": "no"}])
    client, translating = sink()
    translating.respond(404, PLAIN, json.dumps(error_body("model_not_found", "no such model")).encode())
    assert (client.status, client.lines) == (404, [{"error": "no such model"}])
