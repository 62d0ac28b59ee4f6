"""OpenAI's chat completions and completions, as llama-server writes them (recorded from commit 0c1e570)
and as most others do.

llama-server: the stream's first event has a null content and rides with the second, `timings` are on
the last event, the usage of a chat comes in one more event, and ids of completions begin with "chatcmpl-"
too.
"""

from __future__ import annotations

from typing import Any

from fleet_runtime.simulator.generation import Generation
from fleet_runtime.simulator.reply import compact

DONE = b"data: [DONE]\n\n"


def event(value: Any) -> bytes:
    return b"data: " + compact(value) + b"\n\n"


def chat(generation: Generation, *, llama_cpp: bool) -> bytes:
    message: dict[str, Any] = {"role": "assistant", "content": "" if generation.tool else generation.text}
    if generation.thinking:
        message["reasoning_content"] = "".join(generation.thinking)
    if generation.tool:
        message["tool_calls"] = [_call(generation)]
    if llama_cpp:
        choice: dict[str, Any] = {"finish_reason": generation.finish, "index": 0, "message": message}
        return compact(_llama_cpp_answer(generation, choice, "chat.completion"))
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": generation.finish}
    return compact(
        {
            "id": f"chatcmpl-{generation.key}",
            "object": "chat.completion",
            "created": generation.created,
            "model": generation.model,
            "choices": [choice],
            "usage": usage(generation),
            "system_fingerprint": generation.server,
        }
    )


def chat_stream(generation: Generation, *, llama_cpp: bool, include_usage: bool) -> list[bytes]:
    """Parts of the body, one or two events each."""
    deltas: list[dict[str, Any]] = [{"reasoning_content": piece} for piece in generation.thinking]
    if generation.tool:
        deltas.append({"tool_calls": [{"index": 0, **_call(generation)}]})
    else:
        deltas += [{"content": piece} for piece in generation.pieces]
    opening = {"role": "assistant", "content": None if llama_cpp else ""}
    events = [event(_chunk(generation, delta, None, llama_cpp)) for delta in (opening, *deltas)]
    last = _chunk(generation, {}, generation.finish, llama_cpp)
    if llama_cpp:
        if include_usage:
            tail = [
                event(last),
                event(
                    {
                        **_envelope(generation, llama_cpp),
                        "choices": [],
                        "usage": usage(generation),
                        "timings": timings(generation),
                    }
                ),
            ]
        else:
            tail = [event({**last, "timings": timings(generation)})]
        return [b"".join(events[:2]), *events[2:], *tail, DONE]
    tail = [event(last)]
    if include_usage:
        tail.append(event({**_envelope(generation, llama_cpp), "choices": [], "usage": usage(generation)}))
    return [*events, *tail, DONE]


def completion(generation: Generation, *, llama_cpp: bool) -> bytes:
    choice = {"text": generation.text, "index": 0, "logprobs": None, "finish_reason": generation.finish}
    if llama_cpp:
        return compact(_llama_cpp_answer(generation, choice, "text_completion"))
    return compact(
        {
            "id": f"cmpl-{generation.key}",
            "object": "text_completion",
            "created": generation.created,
            "model": generation.model,
            "choices": [choice],
            "usage": usage(generation),
            "system_fingerprint": generation.server,
        }
    )


def completion_stream(generation: Generation, *, llama_cpp: bool, include_usage: bool) -> list[bytes]:
    """Parts of the body; llama-server puts a completion's usage on the event that finishes it."""

    def chunk(text: str, finish: str | None) -> dict[str, Any]:
        choice = {"text": text, "index": 0, "logprobs": None, "finish_reason": finish}
        identity = "chatcmpl" if llama_cpp else "cmpl"
        return {
            "choices": [choice],
            "created": generation.created,
            "model": generation.model,
            "system_fingerprint": generation.server,
            "object": "text_completion",
            "id": f"{identity}-{generation.key}",
        }

    events = [event(chunk(piece, None)) for piece in generation.pieces]
    last = chunk("", generation.finish)
    if llama_cpp:
        identity = last.pop("id")
        spent = {"usage": usage(generation)} if include_usage else {}
        return [*events, event({**last, **spent, "id": identity, "timings": timings(generation)}), DONE]
    tail = [event(last)]
    if include_usage:
        tail.append(event({**last, "choices": [], "usage": usage(generation)}))
    return [*events, *tail, DONE]


def native_completion(generation: Generation) -> bytes:
    """llama.cpp's own /completion and /infill."""
    return compact(_native(generation, generation.text))


def native_completion_stream(generation: Generation) -> list[bytes]:
    """The same as events, without a [DONE]."""
    events = [
        event(
            {
                "index": 0,
                "content": piece,
                "tokens": [number],
                "stop": False,
                "id_slot": -1,
                "tokens_predicted": number,
                "tokens_evaluated": generation.prompt_tokens,
            }
        )
        for number, piece in enumerate(generation.pieces, 1)
    ]
    return [*events, event(_native(generation, ""))]


def usage(generation: Generation) -> dict[str, Any]:
    return {
        "completion_tokens": generation.completion_tokens,
        "prompt_tokens": generation.prompt_tokens,
        "total_tokens": generation.completion_tokens + generation.prompt_tokens,
        "prompt_tokens_details": {"cached_tokens": 0},
    }


def timings(generation: Generation) -> dict[str, Any]:
    """As from a server that reads 1 000 and writes 50 tokens a second."""
    return {
        "cache_n": 0,
        "prompt_n": generation.prompt_tokens,
        "prompt_ms": float(generation.prompt_tokens),
        "prompt_per_token_ms": 1.0,
        "prompt_per_second": 1000.0,
        "predicted_n": generation.completion_tokens,
        "predicted_ms": generation.completion_tokens * 20.0,
        "predicted_per_token_ms": 20.0,
        "predicted_per_second": 50.0,
    }


def _native(generation: Generation, content: str) -> dict[str, Any]:
    return {
        "index": 0,
        "content": content,
        "tokens": [],
        "id_slot": 0,
        "stop": True,
        "model": generation.model,
        "tokens_predicted": len(generation.pieces),
        "tokens_evaluated": generation.prompt_tokens,
        "has_new_line": "\n" in generation.text,
        "truncated": False,
        "stop_type": "limit" if generation.finish == "length" else "eos",
        "stopping_word": "",
        "tokens_cached": generation.prompt_tokens + len(generation.pieces),
        "timings": timings(generation),
    }


def _call(generation: Generation) -> dict[str, Any]:
    assert generation.tool is not None
    function = {"name": generation.tool.name, "arguments": generation.tool.arguments}
    return {"type": "function", "function": function, "id": f"call_{generation.key}"}


def _llama_cpp_answer(generation: Generation, choice: dict[str, Any], kind: str) -> dict[str, Any]:
    return {
        "choices": [choice],
        "created": generation.created,
        "model": generation.model,
        "system_fingerprint": generation.server,
        "object": kind,
        "usage": usage(generation),
        "id": f"chatcmpl-{generation.key}",
        "timings": timings(generation),
    }


def _envelope(generation: Generation, llama_cpp: bool) -> dict[str, Any]:
    identity = f"chatcmpl-{generation.key}"
    if llama_cpp:
        return {
            "choices": [],
            "created": generation.created,
            "id": identity,
            "model": generation.model,
            "system_fingerprint": generation.server,
            "object": "chat.completion.chunk",
        }
    return {
        "id": identity,
        "object": "chat.completion.chunk",
        "created": generation.created,
        "model": generation.model,
        "system_fingerprint": generation.server,
        "choices": [],
    }


def _chunk(
    generation: Generation, delta: dict[str, Any], finish: str | None, llama_cpp: bool
) -> dict[str, Any]:
    choice = {"finish_reason": finish, "index": 0, "delta": delta}
    if not llama_cpp:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return {**_envelope(generation, llama_cpp), "choices": [choice]}
