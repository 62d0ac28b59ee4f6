"""The requests that a real llama.cpp server gets directly and through the gateway.

They fit a context of 512 tokens, and some rightly do not. A server that lacks an endpoint says so in the same
way on both ways, which is compared as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.integration.exchanges import Exchange

MODEL = "tiny"
ONE = {"temperature": 0, "seed": 1, "max_tokens": 8}
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "the weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def said(*texts: Any, **more: Any) -> dict[str, Any]:
    roles = ("user", "assistant")
    messages = [{"role": roles[place % 2], "content": text} for place, text in enumerate(texts)]
    return {"messages": messages, **ONE, **more}


CHATS: dict[str, dict[str, Any]] = {
    "plain": said("the ship"),
    "unicode": said("grüße, 世界 🚢 \u2028"),
    "escapes": said('"quoted" \\ back\tslash\nline'),
    "empty text": said(""),
    "system": {"messages": [{"role": "system", "content": "be brief"}, *said("a")["messages"]], **ONE},
    "history": said("the", "ship", "sails"),
    "parts": said([{"type": "text", "text": "the"}, {"type": "text", "text": "ship"}]),
    "one token": said("the ship", max_tokens=1),
    "many tokens": said("the ship", max_tokens=40),
    "completion tokens": {**said("the ship"), "max_completion_tokens": 4},
    "stop": said("the ship", stop=["a"]),
    "stops": said("the ship", stop=["a", "e", "\n"]),
    "sampling": said("the ship", top_p=0.5, top_k=3, min_p=0.1),
    "penalties": said("the ship", presence_penalty=0.5, frequency_penalty=0.5, repeat_penalty=1.1),
    "logit bias": said("the ship", logit_bias={"5": 1}),
    "logprobs": said("the ship", logprobs=True, top_logprobs=2),
    "unknown member": said("the ship", **{"x-mine": {"a": [1, None]}}),
    "user": said("the ship", user="someone"),
    "tools": said("the ship", tools=[TOOL]),
    "no tool": said("the ship", tools=[TOOL], tool_choice="none"),
    "json": said("the ship", response_format={"type": "json_object"}),
    "too long": said("xyz " * 400),
    "no messages": {},
    "wrong messages": {"messages": "hi"},
    "wrong temperature": said("the ship", temperature="hot"),
    "wrong role": {"messages": [{"role": "pirate", "content": "a"}], **ONE},
    "null content": {"messages": [{"role": "user", "content": None}], **ONE},
}
COMPLETIONS: dict[str, dict[str, Any]] = {
    "plain": {"prompt": "the ship", **ONE},
    "unicode": {"prompt": "grüße 🚢", **ONE},
    "one token": {"prompt": "the ship", **ONE, "max_tokens": 1},
    "stop": {"prompt": "the ship", **ONE, "stop": "a"},
    "echo": {"prompt": "the ship", **ONE, "echo": True},
    "many prompts": {"prompt": ["the", "ship"], **ONE},
    "too long": {"prompt": "xyz " * 400, **ONE},
    "no prompt": {**ONE},
}
ONE_RESPONSE = {"temperature": 0, "seed": 1, "max_output_tokens": 8}
RESPONSES: dict[str, dict[str, Any]] = {
    "text": {"input": "the ship", **ONE_RESPONSE},
    "messages": {"input": said("the ship")["messages"], **ONE_RESPONSE},
    "instructions": {"instructions": "be brief", "input": "the ship", **ONE_RESPONSE},
    "nothing": {},
}
EMBEDDINGS: dict[str, dict[str, Any]] = {
    "text": {"input": "the ship"},
    "many": {"input": ["a", "dawn", "ü"]},
    "tokens": {"input": [3, 4, 5]},
    "base64": {"input": "the ship", "encoding_format": "base64"},
    "empty": {"input": ""},
    "none": {},
}
NATIVE: dict[str, dict[str, Any]] = {
    "/completion": {"prompt": "the ship", "n_predict": 4, "temperature": 0, "seed": 1},
    "/infill": {
        "input_prefix": "the",
        "input_suffix": "dawn",
        "n_predict": 4,
        "temperature": 0,
        "seed": 1,
    },
    "/tokenize": {"content": "the ship"},
    "/detokenize": {"tokens": [3, 4, 5]},
    "/apply-template": said("the ship"),
    "/rerank": {"query": "the", "documents": ["ship", "dawn"]},
    "/v1/rerank": {"query": "the", "documents": ["ship", "dawn"]},
    "/v1/messages/count_tokens": said("the ship"),
}
PLAIN_HEADERS = {
    "no encoding": {"Accept-Encoding": "identity"},
    "any encoding": {"Accept-Encoding": "gzip, br, zstd"},
    "any type": {"Accept": "text/event-stream, */*"},
    "charset": {"Content-Type": "application/json; charset=utf-8"},
}


def _streams(path: str, name: str, bodies: dict[str, dict[str, Any]]) -> Iterator[Exchange]:
    for kind, body in bodies.items():
        yield Exchange(f"{name}, {kind}", MODEL, path, body)
        yield Exchange(f"{name}, {kind}, stream", MODEL, path, {**body, "stream": True})


EXCHANGES = [
    *_streams("/v1/chat/completions", "chat", CHATS),
    *_streams("/v1/completions", "completion", COMPLETIONS),
    *_streams("/v1/responses", "response", RESPONSES),
    *_streams(
        "/v1/messages", "message", {"plain": said("the ship"), "too long": said("xyz " * 400), "none": {}}
    ),
    *(Exchange(f"embeddings, {kind}", MODEL, "/v1/embeddings", body) for kind, body in EMBEDDINGS.items()),
    *(Exchange(f"native {path}", MODEL, path, body) for path, body in NATIVE.items()),
    *(
        Exchange(f"chat, {kind}", MODEL, "/v1/chat/completions", said("the ship"), headers)
        for kind, headers in PLAIN_HEADERS.items()
    ),
    Exchange(
        "chat, usage of a stream",
        MODEL,
        "/v1/chat/completions",
        said("the ship", stream=True, stream_options={"include_usage": True}),
    ),
]
