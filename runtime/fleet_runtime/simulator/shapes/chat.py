"""OpenAI's chat completions and completions, as llama-server writes them (recorded from commit 0c1e570)
and as most others do.

llama-server: the stream's first event has a null content and rides with the second, `timings` stand on
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


def chat(said: Generation, *, llama_cpp: bool) -> bytes:
    message: dict[str, Any] = {"role": "assistant", "content": "" if said.tool else said.text}
    if said.thinking:
        message["reasoning_content"] = "".join(said.thinking)
    if said.tool:
        message["tool_calls"] = [_call(said)]
    if llama_cpp:
        choice: dict[str, Any] = {"finish_reason": said.finish, "index": 0, "message": message}
        return compact(_llama_cpp_answer(said, choice, "chat.completion"))
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": said.finish}
    return compact(
        {
            "id": f"chatcmpl-{said.key}",
            "object": "chat.completion",
            "created": said.created,
            "model": said.model,
            "choices": [choice],
            "usage": usage(said),
            "system_fingerprint": said.machine,
        }
    )


def chat_stream(said: Generation, *, llama_cpp: bool, include_usage: bool) -> list[bytes]:
    """Pieces of the body, one or two events each."""
    deltas: list[dict[str, Any]] = [{"reasoning_content": piece} for piece in said.thinking]
    if said.tool:
        deltas.append({"tool_calls": [{"index": 0, **_call(said)}]})
    else:
        deltas += [{"content": piece} for piece in said.pieces]
    opening = {"role": "assistant", "content": None if llama_cpp else ""}
    events = [event(_chunk(said, delta, None, llama_cpp)) for delta in (opening, *deltas)]
    last = _chunk(said, {}, said.finish, llama_cpp)
    if llama_cpp:
        if include_usage:
            tail = [
                event(last),
                event(
                    {
                        **_envelope(said, llama_cpp),
                        "choices": [],
                        "usage": usage(said),
                        "timings": timings(said),
                    }
                ),
            ]
        else:
            tail = [event({**last, "timings": timings(said)})]
        return [b"".join(events[:2]), *events[2:], *tail, DONE]
    tail = [event(last)]
    if include_usage:
        tail.append(event({**_envelope(said, llama_cpp), "choices": [], "usage": usage(said)}))
    return [*events, *tail, DONE]


def completion(said: Generation, *, llama_cpp: bool) -> bytes:
    choice = {"text": said.text, "index": 0, "logprobs": None, "finish_reason": said.finish}
    if llama_cpp:
        return compact(_llama_cpp_answer(said, choice, "text_completion"))
    return compact(
        {
            "id": f"cmpl-{said.key}",
            "object": "text_completion",
            "created": said.created,
            "model": said.model,
            "choices": [choice],
            "usage": usage(said),
            "system_fingerprint": said.machine,
        }
    )


def completion_stream(said: Generation, *, llama_cpp: bool, include_usage: bool) -> list[bytes]:
    """Pieces of the body; llama-server puts a completion's usage on the event that finishes it."""

    def chunk(text: str, finish: str | None) -> dict[str, Any]:
        choice = {"text": text, "index": 0, "logprobs": None, "finish_reason": finish}
        identity = "chatcmpl" if llama_cpp else "cmpl"
        return {
            "choices": [choice],
            "created": said.created,
            "model": said.model,
            "system_fingerprint": said.machine,
            "object": "text_completion",
            "id": f"{identity}-{said.key}",
        }

    events = [event(chunk(piece, None)) for piece in said.pieces]
    last = chunk("", said.finish)
    if llama_cpp:
        identity = last.pop("id")
        spent = {"usage": usage(said)} if include_usage else {}
        return [*events, event({**last, **spent, "id": identity, "timings": timings(said)}), DONE]
    tail = [event(last)]
    if include_usage:
        tail.append(event({**last, "choices": [], "usage": usage(said)}))
    return [*events, *tail, DONE]


def native_completion(said: Generation) -> bytes:
    """llama.cpp's own /completion and /infill."""
    return compact(_native(said, said.text))


def native_completion_stream(said: Generation) -> list[bytes]:
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
                "tokens_evaluated": said.prompt_tokens,
            }
        )
        for number, piece in enumerate(said.pieces, 1)
    ]
    return [*events, event(_native(said, ""))]


def usage(said: Generation) -> dict[str, Any]:
    return {
        "completion_tokens": said.completion_tokens,
        "prompt_tokens": said.prompt_tokens,
        "total_tokens": said.completion_tokens + said.prompt_tokens,
        "prompt_tokens_details": {"cached_tokens": 0},
    }


def timings(said: Generation) -> dict[str, Any]:
    """As from a machine that reads 1 000 and writes 50 tokens a second."""
    return {
        "cache_n": 0,
        "prompt_n": said.prompt_tokens,
        "prompt_ms": float(said.prompt_tokens),
        "prompt_per_token_ms": 1.0,
        "prompt_per_second": 1000.0,
        "predicted_n": said.completion_tokens,
        "predicted_ms": said.completion_tokens * 20.0,
        "predicted_per_token_ms": 20.0,
        "predicted_per_second": 50.0,
    }


def _native(said: Generation, content: str) -> dict[str, Any]:
    return {
        "index": 0,
        "content": content,
        "tokens": [],
        "id_slot": 0,
        "stop": True,
        "model": said.model,
        "tokens_predicted": len(said.pieces),
        "tokens_evaluated": said.prompt_tokens,
        "has_new_line": "\n" in said.text,
        "truncated": False,
        "stop_type": "limit" if said.finish == "length" else "eos",
        "stopping_word": "",
        "tokens_cached": said.prompt_tokens + len(said.pieces),
        "timings": timings(said),
    }


def _call(said: Generation) -> dict[str, Any]:
    assert said.tool is not None
    function = {"name": said.tool.name, "arguments": said.tool.arguments}
    return {"type": "function", "function": function, "id": f"call_{said.key}"}


def _llama_cpp_answer(said: Generation, choice: dict[str, Any], kind: str) -> dict[str, Any]:
    return {
        "choices": [choice],
        "created": said.created,
        "model": said.model,
        "system_fingerprint": said.machine,
        "object": kind,
        "usage": usage(said),
        "id": f"chatcmpl-{said.key}",
        "timings": timings(said),
    }


def _envelope(said: Generation, llama_cpp: bool) -> dict[str, Any]:
    identity = f"chatcmpl-{said.key}"
    if llama_cpp:
        return {
            "choices": [],
            "created": said.created,
            "id": identity,
            "model": said.model,
            "system_fingerprint": said.machine,
            "object": "chat.completion.chunk",
        }
    return {
        "id": identity,
        "object": "chat.completion.chunk",
        "created": said.created,
        "model": said.model,
        "system_fingerprint": said.machine,
        "choices": [],
    }


def _chunk(said: Generation, delta: dict[str, Any], finish: str | None, llama_cpp: bool) -> dict[str, Any]:
    choice = {"finish_reason": finish, "index": 0, "delta": delta}
    if not llama_cpp:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return {**_envelope(said, llama_cpp), "choices": [choice]}
