"""Between a client and a real llama-swap the gateway cannot be seen: the same requests, sent directly and
through it, get the same status, end-to-end headers and bytes, except for what differs between two direct
ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration import tools
from tests.integration.exchanges import Exchange, differences
from tests.integration.llama_swap import Swapped, llama_swap
from tests.support.stack import running_stack

pytestmark = [pytest.mark.integration, pytest.mark.slow]

KEY = "key-of-box"
CHAT, EMBED, RANK = "unsloth/Qwen3-8B:Q4", "nomic-embed", "bge-rerank"
MODELS = [
    Swapped(CHAT),
    Swapped(EMBED, purpose="embedding"),
    Swapped(RANK, purpose="rerank"),
]
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def said(text: Any = "hi") -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}]}


PICTURE = [
    {"type": "text", "text": "what is it?"},
    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
]
CHATS: dict[str, dict[str, Any]] = {
    "plain": said(),
    "unicode": said("grüße, 世界 🚢 \u2028"),
    "long": said("many words " * 300),
    "system": {"messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}]},
    "parts": said([{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]),
    "picture": said(PICTURE),
    "max-tokens": {**said(), "max_tokens": 2},
    "sampling": {**said(), "temperature": 0.1, "top_p": 0.9, "seed": 7, "stop": ["x"]},
    "unknown-member": {
        **said(),
        "reasoning_effort": "high",
        "cache_prompt": True,
        "x-mine": {"a": [1, None]},
    },
    "tools": {**said(), "tools": [TOOL]},
    "tool-required": {**said(), "tools": [TOOL], "tool_choice": "required"},
    "too-long": said("word " * 9000),
    "without-messages": {},
}
STREAMS = {
    name: {**body, "stream": True}
    for name, body in CHATS.items()
    if name not in ("parts", "picture", "sampling", "system")
}
STREAMS["usage"] = {**said(), "stream": True, "stream_options": {"include_usage": True}}

EXCHANGES = [
    *(Exchange(f"chat {name}", CHAT, "/v1/chat/completions", body) for name, body in CHATS.items()),
    *(Exchange(f"stream {name}", CHAT, "/v1/chat/completions", body) for name, body in STREAMS.items()),
    Exchange("messages", CHAT, "/v1/messages", {**said(), "max_tokens": 50}),
    Exchange("messages stream", CHAT, "/v1/messages", {**said(), "max_tokens": 50, "stream": True}),
    Exchange("messages without any", CHAT, "/v1/messages"),
    Exchange("messages too long", CHAT, "/v1/messages", said("word " * 9000)),
    Exchange("count tokens", CHAT, "/v1/messages/count_tokens", said()),
    Exchange("responses", CHAT, "/v1/responses", {"input": "hi"}),
    Exchange("responses stream", CHAT, "/v1/responses", {"input": "hi", "stream": True}),
    Exchange("responses without input", CHAT, "/v1/responses"),
    Exchange("completions", CHAT, "/v1/completions", {"prompt": "once"}),
    Exchange("completions stream", CHAT, "/v1/completions", {"prompt": "once", "stream": True}),
    Exchange("completions without prompt", CHAT, "/v1/completions"),
    Exchange("native completion", CHAT, "/completion", {"prompt": "once", "n_predict": 4}),
    Exchange("native completion stream", CHAT, "/completion", {"prompt": "once", "stream": True}),
    Exchange("infill", CHAT, "/infill", {"input_prefix": "a", "input_suffix": "b"}),
    Exchange("embeddings of a chat model", CHAT, "/v1/embeddings", {"input": "hi"}),
    Exchange("embeddings", EMBED, "/v1/embeddings", {"input": "hi"}),
    Exchange("embeddings of many", EMBED, "/v1/embeddings", {"input": ["a", "b", "ü"]}),
    Exchange("embeddings base64", EMBED, "/v1/embeddings", {"input": "hi", "encoding_format": "base64"}),
    Exchange("rerank", RANK, "/v1/rerank", {"query": "q", "documents": ["a", "b q"]}),
    Exchange("reranking", RANK, "/v1/reranking", {"query": "q", "documents": ["a", "b q"], "top_n": 1}),
    Exchange("rerank without v1", RANK, "/rerank", {"query": "q", "texts": ["a", "b"]}),
    Exchange("speech", CHAT, "/v1/audio/speech", {"input": "hi", "voice": "v"}),
    Exchange("images", CHAT, "/v1/images/generations", {"prompt": "a ship"}),
    Exchange(
        "transcription",
        CHAT,
        "/v1/audio/transcriptions",
        {"language": "en"},
        files={"file": ("a.wav", b"RIFF" + bytes(5000), "audio/wav")},
    ),
    Exchange(
        "image edit",
        CHAT,
        "/v1/images/edits",
        {"prompt": "more ships"},
        files={"image": ("a.png", b"\x89PNG\r\n\x1a\n" + bytes(70000), "image/png")},
    ),
    Exchange("with an origin", CHAT, "/v1/chat/completions", said(), {"Accept": "text/event-stream, */*"}),
    Exchange("any encoding", CHAT, "/v1/chat/completions", said(), {"Accept-Encoding": "gzip, br, zstd"}),
]


@pytest.fixture(scope="module")
def ways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The provider's address, and the gateway's."""
    folder = tmp_path_factory.mktemp("transparent")
    with llama_swap(tools.llama_swap(), Path(folder, "box"), "box", MODELS, key=KEY) as box:
        yaml = f"""\
version: 1
default_provider: box
providers: {{box: {{url: "{box.url}", api_key_env: BOX_KEY}}}}
surfaces: {{boochat: }}
"""
        with running_stack(
            folder,
            (),
            lambda _, listen: f'{yaml}gateway: {{listen: "{listen}"}}\n',
            env={"BOX_KEY": KEY},
            online=["box"],
        ) as stack:
            yield box.url, f"{stack.url}/boochat"


def test_there_are_enough_of_them() -> None:
    assert len(EXCHANGES) >= 40
    assert len({exchange.name for exchange in EXCHANGES}) == len(EXCHANGES)


@pytest.mark.parametrize("exchange", EXCHANGES, ids=lambda exchange: exchange.name)
def test_a_response_is_the_same_directly_and_through_the_gateway(
    ways: tuple[str, str], exchange: Exchange
) -> None:
    direct, gateway = ways
    keyed = Exchange(
        exchange.name,
        exchange.model,
        exchange.path,
        exchange.body,
        {**exchange.headers, "Authorization": f"Bearer {KEY}"},
        exchange.files,
    )
    one = keyed.send(direct, exchange.model)
    through = exchange.send(gateway, f"box/{exchange.model}")
    other = keyed.send(direct, exchange.model)
    assert differences(one, other, through) == []
