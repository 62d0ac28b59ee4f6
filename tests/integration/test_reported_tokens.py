"""The tokens of the activity are those that a real llama-server reported, for every API, streamed or not."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from fleet_runtime.child_process import running
from tests.integration.processes import answers
from tests.support.ports import free_port
from tests.support.stack import Stack, running_stack
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration

MODEL = "tiny"
LONG = "the ship sails at dawn and " * 8


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    own = shutil.which("llama-server")
    if own is None:
        pytest.skip("llama-server is not installed: put it on PATH")
    pytest.importorskip("gguf", reason="gguf is not installed: run `make integration`")
    from tests.integration.tiny_model import write_tiny_model

    folder = tmp_path_factory.mktemp("tokens")
    write_tiny_model(folder / "tiny.gguf")
    port = free_port()
    options = (
        f"--alias {MODEL} --ctx-size 1024 --parallel 1 --port {port} --embeddings --pooling mean".split()
    )
    command = [own, "--model", str(folder / "tiny.gguf"), "--host", "127.0.0.1", *options]
    yaml = f'version: 1\ndefault_provider: box\nproviders: {{box: "http://127.0.0.1:{port}"}}\n'
    with running(command, folder / "server.log", dict(os.environ), folder):
        eventually(lambda: answers(f"http://127.0.0.1:{port}/v1/models"), 60)
        with running_stack(
            folder, (), lambda _, listen: f'{yaml}gateway: {{listen: "{listen}"}}\n', online=["box"]
        ) as stack:
            yield stack


def asked(stack: Stack, path: str, body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the text of a response through the gateway, and its row in the activity."""
    response = stack.client.post(
        path, json={"model": f"box/{MODEL}", "temperature": 0, **body}
    ).raise_for_status()
    rows = stack.client.get("/api/activity").json()["requests"]
    return response.text, next(row for row in rows if row["request_id"] == response.headers["x-request-id"])


def counts(row: dict[str, Any]) -> tuple[int | None, int | None, int | None]:
    return row["tokens_in"], row["tokens_out"], row["tokens_cached"]


def events(text: str) -> list[Any]:
    lines = (line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: {"))
    return [json.loads(line) for line in lines]


def openai_counts(usage: dict[str, Any]) -> tuple[int, int, int]:
    cached = usage["prompt_tokens_details"]["cached_tokens"]
    return usage["prompt_tokens"], usage["completion_tokens"], cached


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
@pytest.mark.parametrize("stream", [False, True, "with usage"])
def test_chats_and_completions(stack: Stack, path: str, stream: bool | str) -> None:
    body: dict[str, Any] = {"messages": [{"role": "user", "content": LONG}], "prompt": LONG, "max_tokens": 9}
    if stream:
        body["stream"] = True
    if stream == "with usage":
        body["stream_options"] = {"include_usage": True}
    for _ in range(2):  # of the second, a part of the prompt is cached
        text, row = asked(stack, path, body)
        if not stream:
            whole = json.loads(text)
            reported, timings = openai_counts(whole["usage"]), whole["timings"]
        else:
            timings = next(each["timings"] for each in reversed(events(text)) if "timings" in each)
            total = timings["prompt_n"] + timings["cache_n"]
            reported = total, timings["predicted_n"], timings["cache_n"]
            for usage in (each["usage"] for each in events(text) if each.get("usage")):
                assert openai_counts(usage) == reported
        assert counts(row) == reported
        assert row["tokens_per_second"] == pytest.approx(timings["predicted_per_second"], abs=0.01)
        assert row["stream"] is bool(stream)
    assert row["tokens_cached"] > 0


@pytest.mark.parametrize("stream", [False, True])
def test_responses(stack: Stack, stream: bool) -> None:
    for _ in range(2):
        text, row = asked(stack, "/v1/responses", {"input": LONG, "stream": stream, "max_output_tokens": 9})
        body = events(text)[-1]["response"] if stream else json.loads(text)
        usage = body["usage"]
        cached = usage["input_tokens_details"]["cached_tokens"]
        assert counts(row) == (usage["input_tokens"], usage["output_tokens"], cached)
    assert row["tokens_cached"] > 0


@pytest.mark.parametrize("stream", [False, True])
def test_messages(stack: Stack, stream: bool) -> None:
    """`input_tokens` of Anthropic's API are those that were not cached."""
    messages = [{"role": "user", "content": LONG}]
    for _ in range(2):
        body = {"messages": messages, "stream": stream, "max_tokens": 9}
        text, row = asked(stack, "/v1/messages", body)
        if stream:
            found = {event["type"]: event for event in events(text)}
            usage = found["message_start"]["message"]["usage"] | found["message_delta"]["usage"]
        else:
            usage = json.loads(text)["usage"]
        cached = usage["cache_read_input_tokens"]
        assert counts(row) == (usage["input_tokens"] + cached, usage["output_tokens"], cached)
    assert row["tokens_cached"] > 0


def test_embeddings(stack: Stack) -> None:
    text, row = asked(stack, "/v1/embeddings", {"input": LONG})
    assert (row["tokens_in"], row["tokens_out"]) == (json.loads(text)["usage"]["prompt_tokens"], None)


def test_the_totals_are_in_the_series_and_the_metrics(stack: Stack) -> None:
    def tokens_in() -> int:
        points = stack.client.get("/api/fleet/box/series").json()["points"]
        return sum(point["tokens_in"] for point in points)

    rows = stack.client.get("/api/activity?limit=1000").json()["requests"]
    total = sum(row["tokens_in"] for row in rows)
    eventually(lambda: tokens_in() == total, 30)
    metrics = stack.client.get("/metrics").text
    line = next(
        line for line in metrics.splitlines() if 'provider="box"' in line and 'direction="in"' in line
    )
    assert float(line.split()[-1]) == total
