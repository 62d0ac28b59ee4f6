"""llama-server with one model, as recorded from commit 0c1e570 (llama.cpp, 2026-11)."""

from __future__ import annotations

import time
from typing import Any

from fleet_runtime.simulator.engine import (
    LLAMA_CPP_PATHS,
    OPENAI_PATHS,
    ActiveRequest,
    Engine,
    TooLongError,
    decoded,
    form,
)
from fleet_runtime.simulator.kinds.product import Product
from fleet_runtime.simulator.reply import Reply, json_reply, llama_cpp
from fleet_runtime.simulator.spec import SimulatedModel

LIST_PATHS = frozenset({"/v1/models", "/models"})
BUILD = "b1-0c1e570"
_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    501: "not_supported_error",
    503: "unavailable_error",
}


def error(status: int, message: str) -> Reply:
    kind = _TYPES.get(status, "server_error")
    return json_reply({"error": {"code": status, "message": message, "type": kind}}, status)


def raised(status: int, message: str) -> Reply:
    """The errors that llama-server makes before it reads the body have their keys in another order."""
    kind = _TYPES.get(status, "server_error")
    return json_reply({"error": {"message": message, "type": kind, "code": status}}, status)


def not_found() -> Reply:
    return raised(404, "File Not Found")


async def respond(engine: Engine, active: ActiveRequest) -> Reply:
    """It serves its one model whatever `model` says."""
    request = active.request
    model = engine.spec.models[0]
    if engine.behaviour.loading:
        return raised(503, "Loading model")
    match request.method, request.path:
        case "GET", "/health" | "/v1/health":
            return json_reply({"status": "ok"})
        case "GET", "/v1/models" | "/models":
            return json_reply(single_list(engine, model))
        case "GET", "/props":
            return json_reply(props(model))
        case "GET", "/slots":
            return json_reply(slots(model))
        case "GET", "/metrics":
            return error(501, "This server does not support metrics endpoint. Start it with `--metrics`")
    endpoint = (OPENAI_PATHS | LLAMA_CPP_PATHS).get(request.path)
    if request.method != "POST" or endpoint is None:
        return not_found()
    await engine.enter(active, model)
    return await infer(engine, active, endpoint, model)


async def infer(engine: Engine, active: ActiveRequest, endpoint: str, model: SimulatedModel) -> Reply:
    """What llama-server with `model` says on `endpoint`."""
    multipart = (active.request.header("content-type") or "").startswith("multipart/")
    payload = form(active.request) if multipart else decoded(active.request)
    if payload is None:
        return error(500, "[json.exception.parse_error.101] parse error at line 1, column 1: syntax error")
    missing = _refusal(endpoint, model, payload)
    if missing is not None:
        return missing
    try:
        return await engine.respond(active, endpoint, model, payload, llama_cpp=True)
    except TooLongError as long:
        told = {"code": 400, "message": str(long), "type": "exceed_context_size_error"}
        return json_reply({"error": {**told, "n_prompt_tokens": long.prompt, "n_ctx": long.context}}, 400)


def _refusal(endpoint: str, model: SimulatedModel, payload: dict[str, Any]) -> Reply | None:
    match endpoint:
        case "chat/completions" | "messages" | "messages/count_tokens" if "messages" not in payload:
            if endpoint == "chat/completions":
                return error(400, "'messages' is required")
            return error(500, "'messages' is required")
        case "embeddings" if model.purpose != "embedding":
            return error(501, "This server does not support embeddings. Start it with `--embeddings`")
        case "rerank" | "reranking" if model.purpose != "rerank":
            return error(501, "This server does not support reranking. Start it with `--reranking`")
        case "responses" if "input" not in payload:
            return error(400, "'input' is required")
        case "completions" if "prompt" not in payload:
            return error(400, "'prompt' is required")
    return None


def single_list(engine: Engine, model: SimulatedModel) -> dict[str, Any]:
    """The list of single-model mode: Ollama's shape and OpenAI's in one."""
    names = [model.id, *model.aliases]
    capabilities = ["completion", "multimodal"] if model.vision else ["completion"]
    details = {
        "parent_model": "",
        "format": "gguf",
        "family": "",
        "families": [""],
        "parameter_size": "",
        "quantization_level": "",
    }
    described = {
        "name": model.id,
        "model": model.id,
        "modified_at": "",
        "size": "",
        "digest": "",
        "type": "model",
        "description": "",
        "tags": [""],
        "capabilities": capabilities,
        "parameters": "",
        "details": details,
    }
    item = {
        "id": model.id,
        "aliases": names,
        "tags": [],
        "object": "model",
        "created": int(time.time()),
        "owned_by": "llamacpp",
        "meta": meta(model),
    }
    if engine.behaviour.list_version == "v1" or engine.spec.list_version == "v1":
        item = {key: item[key] for key in ("id", "object", "created", "owned_by")} | {"meta": None}
    return {"models": [described], "object": "list", "data": [item]}


def meta(model: SimulatedModel) -> dict[str, Any]:
    return {
        "vocab_type": 2,
        "n_vocab": 2048,
        "n_ctx": model.context,
        "n_ctx_train": model.trained,
        "n_embd": 64,
        "n_params": 336192,
        "size": 673024,
        "ftype": "F16",
    }


def props(model: SimulatedModel) -> dict[str, Any]:
    return {
        "default_generation_settings": {
            "params": {"seed": 4294967295, "temperature": 0.8, "top_k": 40, "top_p": 0.95, "stream": False},
            "n_ctx": model.context,
        },
        "total_slots": 1,
        "model_alias": model.id,
        "model_ftype": "F16",
        "model_path": f"/models/{model.id}.gguf",
        "modalities": {"vision": model.vision, "video": False, "audio": model.purpose == "transcription"},
        "media_marker": "<__media__>",
        "endpoint_slots": True,
        "endpoint_props": False,
        "endpoint_metrics": False,
        "ui": True,
        "ui_settings": {},
        "chat_template": "{{ messages }}",
        "chat_template_caps": {
            "supports_object_arguments": model.tools,
            "supports_parallel_tool_calls": model.tools,
            "supports_preserve_reasoning": False,
            "supports_reasoning_effort": model.thinking is not None,
            "supports_string_content": True,
            "supports_system_role": True,
            "supports_tool_calls": model.tools,
            "supports_tools": model.tools,
            "supports_typed_content": False,
        },
        "bos_token": "<|endoftext|>",
        "eos_token": "<|im_end|>",
        "build_info": BUILD,
        "is_sleeping": False,
        "cors_proxy_enabled": False,
    }


def slots(model: SimulatedModel) -> list[dict[str, Any]]:
    return [{"id": 0, "n_ctx": model.context, "speculative": False, "is_processing": False}]


PRODUCT = Product(
    headers=llama_cpp,
    respond=respond,
    error=error,
    unauthorized=lambda: raised(401, "Invalid API Key"),
    list_paths=LIST_PATHS,
    open_paths=frozenset({"/health", "/v1/health"}),
    key_headers=("authorization", "x-api-key"),
    resident=True,
)
