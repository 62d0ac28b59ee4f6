"""vLLM's OpenAI server (vllm/entrypoints/openai, 0.11): one model, served with all of its context."""

from __future__ import annotations

import time
from typing import Any

from fleet_runtime.simulator.engine import OPENAI_PATHS, ActiveRequest, Engine, TooLongError, decoded, form
from fleet_runtime.simulator.kinds.product import Product
from fleet_runtime.simulator.reply import Reply, json_reply, uvicorn
from fleet_runtime.simulator.spec import SimulatedModel

_TYPES = {400: "BadRequestError", 404: "NotFoundError", 500: "InternalServerError"}


def error(status: int, message: str) -> Reply:
    told = {"message": message, "type": _TYPES.get(status, "Error"), "param": None, "code": status}
    return json_reply({"error": told}, status)


async def respond(engine: Engine, active: ActiveRequest) -> Reply:
    request = active.request
    match request.method, request.path:
        case "GET", "/v1/models":
            return json_reply({"object": "list", "data": [_item(model) for model in engine.listed]})
        case "GET", "/health" | "/ping":
            return Reply(200, b"")
        case "GET", "/version":
            return json_reply({"version": "0.11.0"})
    endpoint = OPENAI_PATHS.get(request.path)
    if request.method != "POST" or endpoint is None:
        return json_reply({"detail": "Not Found"}, 404)
    multipart = (request.header("content-type") or "").startswith("multipart/")
    payload = form(request) if multipart else decoded(request)
    if payload is None:
        return error(400, "[{'type': 'json_invalid', 'loc': ('body', 0), 'msg': 'JSON decode error'}]")
    name = payload.get("model", engine.spec.models[0].id)
    model = engine.by_name.get(name) if isinstance(name, str) else None
    if model is None:
        return error(404, f"The model `{name}` does not exist.")
    await engine.enter(active, model)
    try:
        return await engine.respond(active, endpoint, model, payload, llama_cpp=False)
    except TooLongError as long:
        return error(
            400,
            f"This model's maximum context length is {long.context} tokens. However, your request has "
            f"{long.prompt} input tokens. Please reduce the length of the input messages.",
        )


def _item(model: SimulatedModel) -> dict[str, Any]:
    created = int(time.time())
    permission = {
        "id": "modelperm-0",
        "object": "model_permission",
        "created": created,
        "allow_create_engine": False,
        "allow_sampling": True,
        "allow_logprobs": True,
        "allow_search_indices": False,
        "allow_view": True,
        "allow_fine_tuning": False,
        "organization": "*",
        "group": None,
        "is_blocking": False,
    }
    return {
        "id": model.id,
        "object": "model",
        "created": created,
        "owned_by": "vllm",
        "root": model.id,
        "parent": None,
        "max_model_len": model.context,
        "permission": [permission],
    }


PRODUCT = Product(
    headers=uvicorn,
    respond=respond,
    error=error,
    unauthorized=lambda: json_reply({"error": "Unauthorized"}, 401),
    list_paths=frozenset({"/v1/models"}),
    open_paths=frozenset({"/health", "/ping", "/version"}),
    resident=True,
)
