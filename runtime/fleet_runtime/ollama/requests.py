"""Ollama's requests as requests of OpenAI's API. Pure.

Source: docs/api.md of github.com/ollama/ollama at commit 01e52d24, and Ollama's client for Python, 0.6.3.
Options for loading a model (`keep_alive`, `num_ctx` and other runner options), `template` and `context` are
ignored, because the provider's configuration decides them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import msgspec

from fleet_runtime.errors import request_error
from fleet_runtime.proxy.json_body import describe_invalid

Json: TypeAlias = Mapping[str, Any]

SAME_OPTIONS: Final = ("temperature", "top_p", "seed", "stop", "presence_penalty", "frequency_penalty")
EXTRA_OPTIONS: Final = ("top_k", "min_p", "repeat_penalty")
"""Options of OpenAI's API, and options that only local servers support, with the same names."""
_IMAGES: Final = (("iVBORw0KGgo", "png"), ("/9j/", "jpeg"), ("R0lGOD", "gif"), ("UklGR", "webp"))
"""The first base64 characters of an image, by its type."""


@dataclass(frozen=True, slots=True)
class Translated:
    """A request for the endpoint `path` of ``/v1``; `model` is the name from the client. `body`
    is None if there is nothing to send: Ollama would only load or unload the model."""

    path: str
    model: str
    stream: bool
    body: dict[str, Any] | None
    unloads: bool = False


def parse_body(raw: bytes) -> Json:
    """Return the JSON object of a body; raises `RequestError`."""
    try:
        data = msgspec.json.decode(raw)
    except (ValueError, RecursionError) as error:
        raise request_error("invalid_json", describe_invalid(raw, error)) from None
    if not isinstance(data, dict):
        raise request_error("invalid_json", "the body is not a JSON object")
    return data


def model_name(data: Json) -> str:
    """Return the model of a request, in older clients `name`; raises `RequestError`."""
    model = data.get("model") or data.get("name")
    if not isinstance(model, str):
        raise request_error("model_required", "the request does not name a 'model'", "model")
    return model


def translate_chat(data: Json) -> Translated:
    """Return a request to ``/api/chat``; raises `RequestError`."""
    messages = _sequence(data, "messages")
    if not messages:
        return _load(data, "/v1/chat/completions")
    body = {"messages": list(_messages(messages))}
    if tools := _sequence(data, "tools"):
        body["tools"] = list(tools)
    return _request(data, "/v1/chat/completions", body)


def translate_generate(data: Json) -> Translated:
    """Return a request to ``/api/generate``: a chat with one message, or a plain completion if it is `raw` or
    has a `suffix`; raises `RequestError`."""
    prompt, images = _text(data, "prompt"), _sequence(data, "images")
    if not prompt and not images:
        return _load(data, "/v1/chat/completions")
    suffix = _text(data, "suffix")
    if data.get("raw") or suffix:
        return _request(data, "/v1/completions", {"prompt": prompt} | ({"suffix": suffix} if suffix else {}))
    system = _text(data, "system")
    messages: list[Any] = [{"role": "system", "content": system}] if system else []
    messages.append({"role": "user", "content": _content(prompt, images)})
    return _request(data, "/v1/chat/completions", {"messages": messages})


def translate_embed(data: Json) -> Translated:
    """Return a request to ``/api/embed``, or to the older ``/api/embeddings``; raises `RequestError`."""
    texts = data.get("input", data.get("prompt"))
    if not isinstance(texts, str | list) or not texts:
        raise request_error("invalid_request", "'input' must be a string or a list of strings", "input")
    body: dict[str, Any] = {"input": texts, "encoding_format": "float"}
    if (dimensions := data.get("dimensions")) is not None:
        body["dimensions"] = dimensions
    return Translated("/v1/embeddings", model_name(data), False, body)


def _load(data: Json, path: str) -> Translated:
    return Translated(path, model_name(data), False, None, unloads=data.get("keep_alive") in (0, "0", "0s"))


def _request(data: Json, path: str, body: dict[str, Any]) -> Translated:
    stream = data.get("stream") is not False
    body |= _options(data)
    if (response_format := _response_format(data.get("format"))) is not None:
        body["response_format"] = response_format
    if isinstance(effort := data.get("think"), str):
        body["reasoning_effort"] = effort
    body["stream"] = stream
    if stream:
        body["stream_options"] = {"include_usage": True}
    return Translated(path, model_name(data), stream, body)


def _options(data: Json) -> dict[str, Any]:
    options = data.get("options")
    if options is None:
        return {}
    if not isinstance(options, dict):
        raise request_error("invalid_request", "'options' must be an object", "options")
    known = {name: options[name] for name in (*SAME_OPTIONS, *EXTRA_OPTIONS) if options.get(name) is not None}
    limit = options.get("num_predict")
    if isinstance(limit, int) and limit > 0:  # -1 and -2 mean no limit
        known["max_tokens"] = limit
    return known


def _response_format(wanted: Any) -> dict[str, Any] | None:
    if not wanted:
        return None
    if wanted == "json":
        return {"type": "json_object"}
    if isinstance(wanted, dict):
        return {"type": "json_schema", "json_schema": {"name": "response", "schema": wanted, "strict": True}}
    raise request_error("invalid_request", "'format' must be \"json\" or a JSON schema", "format")


def _messages(messages: Sequence[Any]) -> Iterator[dict[str, Any]]:
    """Yield the messages with generated ids for tool calls, because Ollama's have none: tool responses are
    matched by the tool's name, otherwise by the order of the calls."""
    waiting: list[tuple[str, str]] = []
    count = 0
    for message in messages:
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise request_error("invalid_request", "each message must have a 'role'", "messages")
        role, text = message["role"], message.get("content") or ""
        translated: dict[str, Any] = {"role": role, "content": text}
        if role == "tool":
            name = message.get("tool_name") or message.get("name")
            call = next((each for each in waiting if each[1] == name), waiting[0] if waiting else None)
            if call is not None:
                waiting.remove(call)
            translated["tool_call_id"] = message.get("tool_call_id") or (call[0] if call else "call_0")
        elif calls := message.get("tool_calls"):
            translated["tool_calls"] = []
            for call_ in calls if isinstance(calls, list) else ():
                function = call_.get("function", {}) if isinstance(call_, dict) else {}
                count += 1
                id, name = f"call_{count}", str(function.get("name", ""))
                waiting.append((id, name))
                arguments = msgspec.json.encode(function.get("arguments") or {}).decode()
                entry = {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}
                translated["tool_calls"].append(entry)
        if images := message.get("images"):
            translated["content"] = _content(text, images if isinstance(images, list) else [])
        yield translated


def _content(text: str, images: Sequence[Any]) -> Any:
    """Return a text, or a list of parts if there are images, which Ollama sends as base64."""
    if not images:
        return text
    parts: list[dict[str, Any]] = [{"type": "text", "text": text}] if text else []
    for image in images:
        if not isinstance(image, str):
            raise request_error("invalid_request", "an image must be a base64 string", "images")
        kind = next((kind for begin, kind in _IMAGES if image.startswith(begin)), "png")
        parts.append({"type": "image_url", "image_url": {"url": f"data:image/{kind};base64,{image}"}})
    return parts


def _text(data: Json, name: str) -> str:
    value = data.get(name) or ""
    if not isinstance(value, str):
        raise request_error("invalid_request", f"'{name}' must be a string", name)
    return value


def _sequence(data: Json, name: str) -> Sequence[Any]:
    value = data.get(name) or []
    if not isinstance(value, list):
        raise request_error("invalid_request", f"'{name}' must be a list", name)
    return value
