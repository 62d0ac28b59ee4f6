"""Generate the text of a response, before it gets its wire format."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fleet_runtime.simulator.spec import ScriptedCall, SimulatedModel


@dataclass(frozen=True, slots=True)
class ToolCall:
    name: str
    arguments: str

    @property
    def decoded(self) -> Any:
        return json.loads(self.arguments)


@dataclass(frozen=True, slots=True)
class Generation:
    """`pieces` are the tokens of the response, `thinking` those of the reasoning before it; `tool` replaces
    the text."""

    server: str
    model: str
    pieces: tuple[str, ...]
    thinking: tuple[str, ...]
    tool: ToolCall | None
    finish: str
    prompt_tokens: int
    created: int
    key: str

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    @property
    def completion_tokens(self) -> int:
        return len(self.thinking) + (len(self.pieces) if self.tool is None else 8)


def generate(
    server: str,
    model: SimulatedModel,
    payload: Mapping[str, Any],
    *,
    chunks: int | None,
    call: ScriptedCall | None,
    created: int,
    key: str,
) -> Generation:
    """Return the response to a chat, completion, responses or messages request."""
    prompt = last_words(payload)
    text = prompt if model.reply is None else model.reply
    if model.signed:
        text = f"[{server}] {model.id}: {text}"
    pieces = _tokens(text) if chunks is None else _exactly(_tokens(text), chunks)
    limit = next(
        (
            payload[name]
            for name in ("max_tokens", "max_completion_tokens", "max_output_tokens", "n_predict")
            if isinstance(payload.get(name), int)
            and not isinstance(payload[name], bool)
            and payload[name] > 0
        ),
        len(pieces),
    )
    tool = _tool_call(payload, call) if model.tools else None
    return Generation(
        server=server,
        model=model.id,
        pieces=pieces[:limit],
        thinking=_tokens(model.thinking) if model.thinking else (),
        tool=tool,
        finish="tool_calls" if tool else "length" if limit < len(pieces) else "stop",
        prompt_tokens=prompt_tokens(payload),
        created=created,
        key=key,
    )


def last_words(payload: Mapping[str, Any]) -> str:
    """The text of the last message, prompt or input."""
    messages = payload.get("messages")
    if not isinstance(messages, list):
        messages = payload.get("input")
    if isinstance(messages, list) and messages and isinstance(messages[-1], dict):
        return _text(messages[-1].get("content"))
    return _text(messages if isinstance(messages, str) else payload.get("prompt", payload.get("input", "")))


def prompt_tokens(payload: Mapping[str, Any]) -> int:
    """Estimate the tokens of the prompt: one for each word or five characters."""
    generation = [payload.get(name) for name in ("system", "instructions", "messages", "prompt", "input")]
    text = json.dumps([part for part in generation if part is not None], ensure_ascii=False)
    return max(len(text) // 5, len(text.split()))


def tokens(text: str) -> tuple[str, ...]:
    return _tokens(text)


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return " ".join(
            part if isinstance(part, str) else str(part.get("text", ""))
            for part in content
            if isinstance(part, str | dict)
        )
    return ""


def _tokens(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\s*\S+|\s+\Z", text))


def _exactly(pieces: tuple[str, ...], count: int) -> tuple[str, ...]:
    if count <= len(pieces):
        return (*pieces[: max(0, count - 1)], "".join(pieces[max(0, count - 1) :]))
    return (*pieces, *(f" {number}" for number in range(len(pieces) + 1, count + 1)))


def _tool_call(payload: Mapping[str, Any], call: ScriptedCall | None) -> ToolCall | None:
    """Return the scripted call, otherwise a call of the first tool if the request requires one."""
    offered = {described["name"]: described for described in _offered(payload.get("tools"))}
    if call is not None and call.name in offered and not _holds_result(payload):
        return ToolCall(call.name, json.dumps(call.arguments))
    choice = payload.get("tool_choice")
    if offered and (choice == "required" or isinstance(choice, dict)):
        name, described = next(iter(offered.items()))
        schema = described.get("parameters", described.get("input_schema"))
        return ToolCall(name, json.dumps(_example(schema)))
    return None


def _offered(tools: object) -> Iterator[dict[str, Any]]:
    for tool in tools if isinstance(tools, list) else ():
        described = tool.get("function", tool) if isinstance(tool, dict) else None
        if isinstance(described, dict) and isinstance(described.get("name"), str):
            yield described


def _holds_result(payload: Mapping[str, Any]) -> bool:
    """In OpenAI's chat, Anthropic's messages or OpenAI's responses."""
    messages = payload.get("messages", payload.get("input"))
    return any(map(_is_result, messages)) if isinstance(messages, list) else False


def _is_result(message: Any) -> bool:
    if not isinstance(message, dict):
        return False
    content = message.get("content")
    parts = content if isinstance(content, list) else ()
    return (
        message.get("role") == "tool"
        or message.get("type") == "function_call_output"
        or any(isinstance(part, dict) and part.get("type") == "tool_result" for part in parts)
    )


def _example(schema: Any) -> Any:
    if not isinstance(schema, dict):
        return {}
    if isinstance(schema.get("enum"), list) and schema["enum"]:
        return schema["enum"][0]
    match schema.get("type"):
        case "string":
            return "example"
        case "integer" | "number":
            return 1
        case "boolean":
            return True
        case "array":
            return [_example(schema.get("items"))]
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return {}
    required = schema.get("required")
    names = [name for name in required if name in properties] if isinstance(required, list) else []
    return {name: _example(properties[name]) for name in names}
