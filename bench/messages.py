"""The requests and responses of the benchmarks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

MODEL = "qwen3-coder-30b"
MODELS = (MODEL, *(f"model-{number:02}-{number * 7 % 40}b-instruct" for number in range(1, 40)))
"""The models of both providers."""

RESPONSE = json.dumps(
    {
        "id": "chatcmpl-8Qd2w0nVhZ",
        "object": "chat.completion",
        "created": 1790000000,
        "model": MODEL,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "The tide goes out and comes back in. " * 18},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 182, "completion_tokens": 162, "total_tokens": 344},
    }
)
"""A response of about 1 KB."""

MODEL_LIST = json.dumps(
    {
        "object": "list",
        "data": [{"id": model, "object": "model", "owned_by": "bench"} for model in MODELS],
    }
)

SSE_END = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True)
class Target:
    """The destination of a request: a port on 127.0.0.1, a path, the model's name and additional headers."""

    port: int
    path: str
    model: str
    headers: Mapping[str, str]

    def request(self, body: bytes, extra: Mapping[str, str] | None = None) -> bytes:
        """Return the complete request with `extra` headers, as bytes."""
        headers = {
            "host": f"127.0.0.1:{self.port}",
            "content-type": "application/json",
            "content-length": str(len(body)),
            **self.headers,
            **(extra or {}),
        }
        lines = [f"POST {self.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode() + body


def prompt(model: str, size: int) -> bytes:
    """Return the body of a chat request, `size` bytes long."""

    def request(text: str) -> bytes:
        messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}]
        return json.dumps(
            {"model": model, "messages": messages, "temperature": 0.7, "max_tokens": 256}
        ).encode()

    return request("x" * (size - len(request(""))))


def stream_prompt(model: str, stream: int, chunks: int) -> bytes:
    """Return the body of a chat request for which the paced provider sends `chunks` events of the given
    stream."""
    messages = [{"role": "user", "content": "describe the tide"}]
    request = {
        "model": model,
        "messages": messages,
        "stream": True,
        "seed": stream,
        "max_tokens": chunks,
    }
    return json.dumps(request).encode()


def event(stream: int, number: int) -> bytes:
    """Return one event of a stream's response; no two events are the same."""
    chunk = {
        "id": f"chatcmpl-{stream:06}",
        "object": "chat.completion.chunk",
        "created": 1790000000,
        "model": MODEL,
        "choices": [{"index": 0, "delta": {"content": f" word {number} of {stream}"}, "finish_reason": None}],
    }
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"
