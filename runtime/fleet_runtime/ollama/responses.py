"""Translate responses of OpenAI's API to Ollama's. Pure, except that durations are measured.

A response is complete only when the provider gave a finish reason: a stream without one has no last line with
``"done": true``.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

import msgspec

from fleet_runtime.catalog.describe import rfc3339

Json: TypeAlias = Mapping[str, Any]
Shape: TypeAlias = Literal["chat", "generate", "embed", "embeddings"]

_REASONS: Final = {"tool_calls": "stop", "function_call": "stop", "eos": "stop", "max_tokens": "length"}
_BILLION: Final = 1_000_000_000
_MILLION: Final = 1_000_000


class UnreadableResponseError(ValueError):
    """A provider's response is not valid in OpenAI's API."""


@dataclass(slots=True)
class Answer:
    """The state of one response as it arrives. `model` is the name from the client."""

    shape: Shape
    model: str
    began: float = field(default_factory=time.perf_counter)
    first: float | None = None
    reason: str | None = None
    usage: Json = field(default_factory=dict)
    timings: Json = field(default_factory=dict)
    calls: dict[int, dict[str, str]] = field(default_factory=dict)

    def line(self, **parts: Any) -> dict[str, Any]:
        """Return an object with the common members, and `parts`."""
        return {"model": self.model, "created_at": rfc3339(time.time()), **parts}

    def text(self, content: str = "", thinking: str = "", calls: list[Any] | None = None) -> dict[str, Any]:
        """Return the members of an object that contain the text."""
        more = {"thinking": thinking} if thinking else {}
        if self.shape == "generate":
            return {"response": content, **more}
        tools = {"tool_calls": calls} if calls else {}
        return {"message": {"role": "assistant", "content": content, **more, **tools}}

    def end(self) -> dict[str, Any]:
        """Return the additional members of the last object; durations are in nanoseconds."""
        now = time.perf_counter()
        first = now if self.first is None else self.first
        prompt, generated = self.timings.get("prompt_ms"), self.timings.get("predicted_ms")
        return {
            "done": True,
            "done_reason": _REASONS.get(self.reason or "stop", self.reason or "stop"),
            "total_duration": int((now - self.began) * _BILLION),
            "load_duration": 0,
            "prompt_eval_count": _whole(self.usage.get("prompt_tokens")),
            "prompt_eval_duration": _duration(prompt, first - self.began),
            "eval_count": _whole(self.usage.get("completion_tokens")),
            "eval_duration": _duration(generated, now - first),
        }

    def note(self, data: Json) -> None:
        """Keep the metadata of a response, or of a part of it."""
        if isinstance(usage := data.get("usage"), dict):
            self.usage = usage
        if isinstance(timings := data.get("timings"), dict):
            self.timings = timings


def loaded(answer: Answer, *, unloads: bool) -> dict[str, Any]:
    """Return Ollama's response to a request that only loads or unloads; nothing is sent to the provider."""
    return answer.line(**answer.text(), done=True, done_reason="unload" if unloads else "load")


def whole_response(answer: Answer, raw: bytes) -> dict[str, Any]:
    """Return a complete response; raises `UnreadableResponseError`."""
    data = _object(raw)
    answer.note(data)
    if answer.shape in ("embed", "embeddings"):
        return _vectors(answer, data)
    choice = _choice(data)
    if choice is None:
        raise UnreadableResponseError("it has no choices")
    answer.reason = choice.get("finish_reason") or "stop"
    message = choice.get("message")
    if not isinstance(message, dict):
        return answer.line(**answer.text(str(choice.get("text") or "")), **answer.end())
    calls = [_call(each.get("function", {})) for each in message.get("tool_calls") or ()]
    text = answer.text(message.get("content") or "", _thinking(message), calls)
    return answer.line(**text, **answer.end())


def stream_lines(answer: Answer, data: Json) -> Iterator[dict[str, Any]]:
    """Yield the objects for one event of a stream; none for metadata, which is in the last object."""
    answer.note(data)
    choice = _choice(data)
    if choice is None:
        return
    delta = choice.get("delta")
    if not isinstance(delta, dict):
        delta = {"content": choice.get("text")}
    content, thinking = delta.get("content") or "", _thinking(delta)
    if content or thinking:
        if answer.first is None:
            answer.first = time.perf_counter()
        yield answer.line(**answer.text(content, thinking), done=False)
    for call in delta.get("tool_calls") or ():
        _collect(answer.calls, call)
    if reason := choice.get("finish_reason"):
        answer.reason = reason
        if answer.calls:
            calls = [_call(call) for _, call in sorted(answer.calls.items())]
            answer.calls.clear()
            yield answer.line(**answer.text(calls=calls), done=False)


def last_line(answer: Answer) -> dict[str, Any]:
    return answer.line(**answer.text(), **answer.end())


def error_message(raw: bytes) -> str:
    """Return the message of an error in OpenAI's API, in any of the shapes that servers use."""
    try:
        data = msgspec.json.decode(raw)
    except (ValueError, RecursionError):
        return raw[:2000].decode("utf-8", "replace").strip() or "the provider failed"
    error = data.get("error", data) if isinstance(data, dict) else data
    if isinstance(error, dict):
        error = error.get("message") or error.get("detail") or error
    return error if isinstance(error, str) else msgspec.json.encode(error).decode()


def _vectors(answer: Answer, data: Json) -> dict[str, Any]:
    items = data.get("data")
    if not isinstance(items, list):
        raise UnreadableResponseError("it has no data")
    vectors = [item.get("embedding") for item in items if isinstance(item, dict)]
    if answer.shape == "embeddings":
        return {"embedding": vectors[0] if vectors else []}
    return {
        "model": answer.model,
        "embeddings": vectors,
        "total_duration": int((time.perf_counter() - answer.began) * _BILLION),
        "load_duration": 0,
        "prompt_eval_count": _whole(answer.usage.get("prompt_tokens")),
    }


def _collect(calls: dict[int, dict[str, str]], part: Any) -> None:
    """Add a part of a tool call: its name arrives once, its arguments in parts."""
    if not isinstance(part, dict) or not isinstance(function := part.get("function"), dict):
        return
    call = calls.setdefault(part.get("index") or 0, {"name": "", "arguments": ""})
    call["name"] += function.get("name") or ""
    call["arguments"] += function.get("arguments") or ""


def _call(function: Json) -> dict[str, Any]:
    arguments = function.get("arguments") or "{}"
    if isinstance(arguments, str):
        try:
            arguments = msgspec.json.decode(arguments)
        except (ValueError, RecursionError):
            raise UnreadableResponseError("the arguments of a tool call are not JSON") from None
    return {"function": {"name": function.get("name") or "", "arguments": arguments}}


def _thinking(message: Json) -> str:
    return message.get("reasoning_content") or message.get("reasoning") or ""


def _choice(data: Json) -> dict[str, Any] | None:
    choices = data.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    return first if isinstance(first, dict) else None


def _object(raw: bytes) -> dict[str, Any]:
    try:
        data = msgspec.json.decode(raw)
    except (ValueError, RecursionError):
        raise UnreadableResponseError("it is not JSON") from None
    if not isinstance(data, dict):
        raise UnreadableResponseError("it is not a JSON object")
    return data


def _whole(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _duration(milliseconds: Any, seconds: float) -> int:
    """Return nanoseconds, measured by the provider, otherwise by the gateway."""
    measured = milliseconds * _MILLION if isinstance(milliseconds, int | float) else seconds * _BILLION
    return max(0, int(measured))
