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


def message(said: Generation) -> bytes:
    content: list[dict[str, Any]] = []
    if said.thinking:
        content.append({"type": "thinking", "thinking": "".join(said.thinking), "signature": ""})
    if said.tool:
        tool = {"type": "tool_use", "id": said.key, "name": said.tool.name, "input": said.tool.decoded}
        content.append(tool)
    else:
        content.append({"type": "text", "text": said.text})
    return compact(
        {
            "id": f"chatcmpl-{said.key}",
            "type": "message",
            "role": "assistant",
            "content": content,
            "model": said.model,
            "stop_reason": _STOP[said.finish],
            "stop_sequence": None,
            "usage": _message_usage(said, said.completion_tokens),
        }
    )


def message_stream(said: Generation) -> list[bytes]:
    opening: dict[str, Any] = {
        "id": f"chatcmpl-{said.key}",
        "type": "message",
        "role": "assistant",
        "content": [],
        "model": said.model,
        "stop_reason": None,
        "stop_sequence": None,
        "usage": _message_usage(said, 0),
    }
    blocks: list[tuple[dict[str, Any], list[dict[str, Any]]]] = []
    if said.thinking:
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in said.thinking]
        blocks.append(({"type": "thinking", "thinking": ""}, deltas))
    if said.tool:
        start = {"type": "tool_use", "id": said.key, "name": said.tool.name}
        blocks.append((start, [{"type": "input_json_delta", "partial_json": said.tool.arguments}]))
    else:
        deltas = [{"type": "text_delta", "text": piece} for piece in said.pieces]
        blocks.append(({"type": "text", "text": ""}, deltas))
    events: list[dict[str, Any]] = [{"type": "message_start", "message": opening}]
    for index, (block, deltas) in enumerate(blocks):
        events.append({"type": "content_block_start", "index": index, "content_block": block})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    closing = {"stop_reason": _STOP[said.finish], "stop_sequence": None}
    spent = {"output_tokens": said.completion_tokens}
    events.append({"type": "message_delta", "delta": closing, "usage": spent})
    events.append({"type": "message_stop"})
    return [named(event) for event in events]


def response(said: Generation) -> bytes:
    return compact({"completed_at": said.created, **_response(said)})


def response_stream(said: Generation) -> list[bytes]:
    """All items begin and grow in turn; only then each is said to be done."""
    begun = {"id": f"resp_{said.key}", "object": "response", "status": "in_progress"}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
    ]
    output = _output(said)
    for item in output:
        events += _item_events(said, item)
    for item in output:
        if item["type"] == "message":
            part, whole = item["content"][0], {"item_id": item["id"], "text": said.text}
            events.append({"type": "response.output_text.done", **whole})
            done = {"item_id": item["id"], "part": part}
            events.append({"type": "response.content_part.done", **done})
        events.append({"type": "response.output_item.done", "item": item})
    completed = {"id": begun["id"], "object": "response", **_response(said)}
    completed = {key: completed[key] for key in _COMPLETED}
    timed = {"response": completed, "timings": timings(said)}
    events.append({"type": "response.completed", **timed})
    return [named(event) for event in events]


def _item_events(said: Generation, item: dict[str, Any]) -> list[dict[str, Any]]:
    item_id = item["id"]
    match item["type"]:
        case "reasoning":
            added = {**item, "content": [], "status": "in_progress"}
            deltas = [
                {"type": "response.reasoning_text.delta", "delta": piece, "item_id": item_id}
                for piece in said.thinking
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
        {"type": "response.output_text.delta", "item_id": item_id, "delta": piece} for piece in said.pieces
    ]
    return [
        {"type": "response.output_item.added", "item": added},
        {"type": "response.content_part.added", **part},
        *deltas,
    ]


def _response(said: Generation) -> dict[str, Any]:
    return {
        "created_at": said.created,
        "id": f"resp_{said.key}",
        "model": said.model,
        "object": "response",
        "output": _output(said),
        "status": "completed",
        "usage": {
            "input_tokens": said.prompt_tokens,
            "output_tokens": said.completion_tokens,
            "total_tokens": said.prompt_tokens + said.completion_tokens,
            "input_tokens_details": {"cached_tokens": 0},
        },
    }


def _output(said: Generation) -> list[dict[str, Any]]:
    output: list[dict[str, Any]] = []
    if said.thinking:
        content = [{"text": "".join(said.thinking), "type": "reasoning_text"}]
        reasoning = {"id": f"rs_{said.key}", "summary": [], "type": "reasoning", "content": content}
        output.append({**reasoning, "encrypted_content": ""})
    if said.tool:
        output.append(
            {
                "id": f"fc_{said.key}",
                "type": "function_call",
                "status": "completed",
                "arguments": said.tool.arguments,
                "call_id": f"call_{said.key}",
                "name": said.tool.name,
            }
        )
        return output
    text = {"type": "output_text", "annotations": [], "logprobs": [], "text": said.text}
    output.append(
        {
            "type": "message",
            "status": "completed",
            "id": f"msg_{said.key}",
            "content": [text],
            "role": "assistant",
        }
    )
    return output


def _message_usage(said: Generation, output: int) -> dict[str, int]:
    return {"cache_read_input_tokens": 0, "input_tokens": said.prompt_tokens, "output_tokens": output}
