"""Ollama's requests as OpenAI's."""

from __future__ import annotations

from typing import Any

import pytest

from fleet_runtime.errors import RequestError
from fleet_runtime.ollama.requests import parse_body, translate_chat, translate_embed, translate_generate

PNG = "iVBORw0KGgoAAAANSUhEUg=="
HI = {"role": "user", "content": "hi"}


def test_a_chat_keeps_what_both_apis_have_and_drops_what_loads_a_model() -> None:
    wanted = translate_chat(
        {
            "model": "a/m:latest",
            "messages": [HI],
            "keep_alive": "5m",
            "think": "low",
            "options": {
                "temperature": 0,
                "num_predict": 7,
                "stop": ["x"],
                "top_k": 4,
                "num_ctx": 2048,
                "mirostat": 1,
                "num_gpu": 9,
                "seed": None,
            },
        }
    )
    assert (wanted.path, wanted.model, wanted.stream) == ("/v1/chat/completions", "a/m:latest", True)
    assert wanted.body == {
        "messages": [HI],
        "temperature": 0,
        "stop": ["x"],
        "top_k": 4,
        "max_tokens": 7,
        "reasoning_effort": "low",
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_images_and_tools_are_translated() -> None:
    tools = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
    calls = [{"function": {"name": name, "arguments": {"city": "x"}}} for name in ("weather", "time")]
    wanted = translate_chat(
        {
            "model": "m",
            "stream": False,
            "tools": tools,
            "messages": [
                {"role": "user", "content": "see", "images": [PNG, "/9j/4AAQ"]},
                {"role": "assistant", "content": "", "tool_calls": calls},
                {"role": "tool", "content": "noon", "tool_name": "time"},
                {"role": "tool", "content": "sunny"},
            ],
        }
    )
    assert wanted.body is not None
    seen, called, noon, sunny = wanted.body["messages"]
    assert [part.get("image_url", {}).get("url", "")[:22] for part in seen["content"]] == [
        "",
        "data:image/png;base64,",
        "data:image/jpeg;base64",
    ]
    assert [call["function"]["arguments"] for call in called["tool_calls"]] == ['{"city":"x"}'] * 2
    assert (noon["tool_call_id"], sunny["tool_call_id"]) == ("call_2", "call_1")
    assert wanted.body["tools"] == tools
    assert "stream_options" not in wanted.body


def test_a_prompt_is_a_chat_unless_it_is_raw() -> None:
    wanted = translate_generate(
        {"model": "m", "prompt": "p", "system": "s", "format": "json", "stream": False}
    )
    assert wanted.body is not None
    assert [message["role"] for message in wanted.body["messages"]] == ["system", "user"]
    assert wanted.body["response_format"] == {"type": "json_object"}
    raw = translate_generate({"model": "m", "prompt": "p", "raw": True})
    assert (raw.path, raw.body and raw.body["prompt"]) == ("/v1/completions", "p")
    infill = translate_generate({"model": "m", "prompt": "a", "suffix": "b", "format": {"type": "object"}})
    assert infill.body is not None
    assert infill.body["suffix"] == "b"
    assert infill.body["response_format"]["json_schema"]["schema"] == {"type": "object"}


@pytest.mark.parametrize("data", [{"prompt": ""}, {}, {"messages": []}])
def test_an_empty_request_has_nothing_to_send(data: dict[str, Any]) -> None:
    translate = translate_chat if "messages" in data else translate_generate
    assert translate({"model": "m", **data}).body is None
    assert translate({"model": "m", **data, "keep_alive": 0}).unloads


@pytest.mark.parametrize("data", [{"input": "a"}, {"input": ["a", "b"], "dimensions": 4}, {"prompt": "old"}])
def test_an_embedding_is_one_in_plain_numbers(data: dict[str, Any]) -> None:
    wanted = translate_embed({"name": "m", "truncate": True, "keep_alive": -1, **data})
    assert (wanted.path, wanted.model, wanted.stream) == ("/v1/embeddings", "m", False)
    assert wanted.body is not None
    assert wanted.body == {
        "input": data.get("input", data.get("prompt")),
        "encoding_format": "float",
    } | {key: value for key, value in data.items() if key == "dimensions"}


@pytest.mark.parametrize(
    "data",
    [
        {"messages": [HI]},
        {"model": 1, "messages": [HI]},
        {"model": "m", "messages": "hi"},
        {"model": "m", "messages": ["hi"]},
        {"model": "m", "messages": [{"content": "hi"}]},
        {"model": "m", "messages": [HI], "options": 1},
        {"model": "m", "messages": [HI], "format": 1},
        {"model": "m", "messages": [{**HI, "images": [1]}]},
        {"model": "m", "messages": [HI], "tools": {"a": 1}},
    ],
)
def test_a_request_of_another_shape_is_one_clear_error(data: dict[str, Any]) -> None:
    with pytest.raises(RequestError) as caught:
        translate_chat(data)
    assert caught.value.answer.status == 400


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b"\xff", b'"x"'])
def test_a_body_that_is_not_an_object_is_rejected(raw: bytes) -> None:
    with pytest.raises(RequestError):
        parse_body(raw)
