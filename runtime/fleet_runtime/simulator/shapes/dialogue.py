"""Anthropic's messages and OpenAI's responses, as llama-server writes them (recorded from commit 0c1e570):
streams of named events that end without a [DONE]."""

from __future__ import annotations

from typing import Any

from fleet_runtime.simulator.generation import Generation
from fleet_runtime.simulator.reply import compact

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
    begun = {"id": f"resp_{said.key}", "object": "response", "status": "in_progress"}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
    ]
    output = _output(said)
    for item in output:
        item_id = item["id"]
        pending = {**item, "status": "in_progress"}
        match item["type"]:
            case "reasoning":
                events.append({"type": "response.output_item.added", "item": {**pending, "content": []}})
                events += [
                    {"type": "response.reasoning_text.delta", "delta": piece, "item_id": item_id}
                    for piece in said.thinking
                ]
            case "function_call":
                events.append({"type": "response.output_item.added", "item": {**pending, "arguments": ""}})
                delta = {"delta": item["arguments"], "item_id": item_id}
                events.append({"type": "response.function_call_arguments.delta", **delta})
            case _:
                events.append({"type": "response.output_item.added", "item": {**pending, "content": []}})
                part = {"type": "output_text", "text": ""}
                events.append({"type": "response.content_part.added", "item_id": item_id, "part": part})
                events += [
                    {"type": "response.output_text.delta", "item_id": item_id, "delta": piece}
                    for piece in said.pieces
                ]
                events.append({"type": "response.output_text.done", "item_id": item_id, "text": said.text})
                part = item["content"][0]
                events.append({"type": "response.content_part.done", "item_id": item_id, "part": part})
        events.append({"type": "response.output_item.done", "item": item})
    events.append({"type": "response.completed", "response": _response(said)})
    return [named(event) for event in events]


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
