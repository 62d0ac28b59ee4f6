"""Anthropic's messages and OpenAI's responses, as llama-server writes them (recorded from commit 0c1e570):
streams of named events that end without a [DONE]."""

from __future__ import annotations

from typing import Any

from fleet_runtime.simulator.generation import Generation
from fleet_runtime.simulator.reply import compact
from fleet_runtime.simulator.shapes.chat import timings

_COMPLETED = ("id", "object", "created_at", "status", "model", "output", "usage")
_STOP = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}


def named(value: dict[str, Any]) -> bytes:
    return b"event: " + str(value["type"]).encode() + b"\ndata: " + compact(value) + b"\n\n"


def message(generation: Generation) -> bytes:
    content: list[dict[str, Any]] = []
    if generation.thinking:
        content.append({"type": "thinking", "thinking": "".join(generation.thinking), "signature": ""})
    if generation.tool:
        tool = {
            "type": "tool_use",
            "id": generation.key,
            "name": generation.tool.name,
            "input": generation.tool.decoded,
        }
        content.append(tool)
    else:
        content.append({"type": "text", "text": generation.text})
    return compact(
        {
            "id": f"chatcmpl-{generation.key}",
            "type": "message",
            "role": "assistant",
            "content": content,
            "model": generation.model,
            "stop_reason": _STOP[generation.finish],
            "stop_sequence": None,
            "usage": _message_usage(generation, generation.completion_tokens),
        }
    )


def message_stream(generation: Generation) -> list[bytes]:
    opening: dict[str, Any] = {
        "id": f"chatcmpl-{generation.key}",
        "type": "message",
        "role": "assistant",
        "content": [],
        "model": generation.model,
        "stop_reason": None,
        "stop_sequence": None,
        "usage": _message_usage(generation, 0),
    }
    blocks: list[tuple[dict[str, Any], list[dict[str, Any]]]] = []
    if generation.thinking:
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in generation.thinking]
        blocks.append(({"type": "thinking", "thinking": ""}, deltas))
    if generation.tool:
        start = {"type": "tool_use", "id": generation.key, "name": generation.tool.name}
        blocks.append((start, [{"type": "input_json_delta", "partial_json": generation.tool.arguments}]))
    else:
        deltas = [{"type": "text_delta", "text": piece} for piece in generation.pieces]
        blocks.append(({"type": "text", "text": ""}, deltas))
    events: list[dict[str, Any]] = [{"type": "message_start", "message": opening}]
    for index, (block, deltas) in enumerate(blocks):
        events.append({"type": "content_block_start", "index": index, "content_block": block})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    closing = {"stop_reason": _STOP[generation.finish], "stop_sequence": None}
    spent = {"output_tokens": generation.completion_tokens}
    events.append({"type": "message_delta", "delta": closing, "usage": spent})
    events.append({"type": "message_stop"})
    return [named(event) for event in events]


def response(generation: Generation) -> bytes:
    return compact({"completed_at": generation.created, **_response(generation)})


def response_stream(generation: Generation) -> list[bytes]:
    """All items begin and grow in turn; only then is each said to be done."""
    begun = {"id": f"resp_{generation.key}", "object": "response", "status": "in_progress"}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
    ]
    output = _output(generation)
    for item in output:
        events += _item_events(generation, item)
    for item in output:
        if item["type"] == "message":
            part, whole = item["content"][0], {"item_id": item["id"], "text": generation.text}
            events.append({"type": "response.output_text.done", **whole})
            done = {"item_id": item["id"], "part": part}
            events.append({"type": "response.content_part.done", **done})
        events.append({"type": "response.output_item.done", "item": item})
    completed = {"id": begun["id"], "object": "response", **_response(generation)}
    completed = {key: completed[key] for key in _COMPLETED}
    timed = {"response": completed, "timings": timings(generation)}
    events.append({"type": "response.completed", **timed})
    return [named(event) for event in events]


def _item_events(generation: Generation, item: dict[str, Any]) -> list[dict[str, Any]]:
    item_id = item["id"]
    match item["type"]:
        case "reasoning":
            added = {**item, "content": [], "status": "in_progress"}
            deltas = [
                {"type": "response.reasoning_text.delta", "delta": piece, "item_id": item_id}
                for piece in generation.thinking
            ]
            return [{"type": "response.output_item.added", "item": added}, *deltas]
        case "function_call":
            keys = ("id", "arguments", "call_id", "name", "type", "status")
            added = {key: item[key] for key in keys} | {"arguments": "", "status": "in_progress"}
            delta = {"delta": item["arguments"], "item_id": item_id}
            return [
                {"type": "response.output_item.added", "item": added},
                {"type": "response.function_call_arguments.delta", **delta},
            ]
    added = {
        "content": [],
        "id": item_id,
        "role": "assistant",
        "status": "in_progress",
        "type": "message",
    }
    part = {"item_id": item_id, "part": {"type": "output_text", "text": ""}}
    deltas = [
        {"type": "response.output_text.delta", "item_id": item_id, "delta": piece}
        for piece in generation.pieces
    ]
    return [
        {"type": "response.output_item.added", "item": added},
        {"type": "response.content_part.added", **part},
        *deltas,
    ]


def _response(generation: Generation) -> dict[str, Any]:
    return {
        "created_at": generation.created,
        "id": f"resp_{generation.key}",
        "model": generation.model,
        "object": "response",
        "output": _output(generation),
        "status": "completed",
        "usage": {
            "input_tokens": generation.prompt_tokens,
            "output_tokens": generation.completion_tokens,
            "total_tokens": generation.prompt_tokens + generation.completion_tokens,
            "input_tokens_details": {"cached_tokens": 0},
        },
    }


def _output(generation: Generation) -> list[dict[str, Any]]:
    output: list[dict[str, Any]] = []
    if generation.thinking:
        content = [{"text": "".join(generation.thinking), "type": "reasoning_text"}]
        reasoning = {"id": f"rs_{generation.key}", "summary": [], "type": "reasoning", "content": content}
        output.append({**reasoning, "encrypted_content": ""})
    if generation.tool:
        output.append(
            {
                "id": f"fc_{generation.key}",
                "type": "function_call",
                "status": "completed",
                "arguments": generation.tool.arguments,
                "call_id": f"call_{generation.key}",
                "name": generation.tool.name,
            }
        )
        return output
    text = {"type": "output_text", "annotations": [], "logprobs": [], "text": generation.text}
    output.append(
        {
            "type": "message",
            "status": "completed",
            "id": f"msg_{generation.key}",
            "content": [text],
            "role": "assistant",
        }
    )
    return output


def _message_usage(generation: Generation, output: int) -> dict[str, int]:
    return {"cache_read_input_tokens": 0, "input_tokens": generation.prompt_tokens, "output_tokens": output}
