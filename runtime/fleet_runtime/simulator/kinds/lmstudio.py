"""LM Studio (0.3 and its ``/api/v0``): loads on demand; its OpenAI list names ids and nothing else.

With exactly one model loaded it serves an unknown name with that; with more, or none, it rejects the request.
"""

from __future__ import annotations

from typing import Any

from fleet_runtime.simulator.engine import OPENAI_PATHS, ActiveRequest, Engine, TooLongError, decoded, form
from fleet_runtime.simulator.kinds.product import Product
from fleet_runtime.simulator.memory import LoadFailedError
from fleet_runtime.simulator.reply import Reply, express, json_reply
from fleet_runtime.simulator.spec import SimulatedModel

_STATES = {"loaded": "loaded", "loading": "loading"}


def error(status: int, message: str) -> Reply:
    kind = "invalid_request_error" if status < 500 else "internal_error"
    told = {"message": message, "type": kind, "param": "model" if status == 404 else None, "code": None}
    return json_reply({"error": told}, status)


async def respond(engine: Engine, active: ActiveRequest) -> Reply:
    request = active.request
    match request.method, request.path:
        case "GET", "/v1/models":
            items = [
                {"id": model.id, "object": "model", "owned_by": "organization_owner"}
                for model in engine.listed
            ]
            return json_reply({"data": items, "object": "list"})
        case "GET", "/api/v0/models":
            return json_reply({"object": "list", "data": [_item(engine, model) for model in engine.listed]})
    endpoint = OPENAI_PATHS.get(request.path)
    if request.method != "POST" or endpoint is None:
        return json_reply({"error": f"Unexpected endpoint or method. ({request.method} {request.path})"})
    multipart = (request.header("content-type") or "").startswith("multipart/")
    payload = form(request) if multipart else decoded(request)
    if payload is None:
        return error(400, "Invalid JSON in the request body")
    name = payload.get("model")
    model = engine.by_name.get(name) if isinstance(name, str) else None
    if model is None:
        loaded = [one for one in engine.spec.models if engine.memory.state(one.id) == "loaded"]
        if len(loaded) != 1:
            return error(404, "No models loaded. Please load a model in the developer page.")
        model = loaded[0]
    try:
        await engine.enter(active, model)
    except LoadFailedError:
        return error(400, f'Failed to load model "{model.id}".')
    try:
        return await engine.respond(active, endpoint, model, payload, llama_cpp=False)
    except TooLongError as long:
        return error(400, f"The number of tokens to keep is greater than the context length {long.context}.")


def _item(engine: Engine, model: SimulatedModel) -> dict[str, Any]:
    state = engine.memory.state(model.id)
    kind = "embeddings" if model.purpose == "embedding" else "vlm" if model.vision else "llm"
    item: dict[str, Any] = {
        "id": model.id,
        "object": "model",
        "type": kind,
        "publisher": "lmstudio-community",
        "arch": "qwen3",
        "compatibility_type": "gguf",
        "quantization": "Q4_K_M",
        "state": _STATES.get(state, "not-loaded"),
        "max_context_length": model.trained,
    }
    if state == "loaded":
        item["loaded_context_length"] = model.context
    if kind != "embeddings":
        item["capabilities"] = ["tool_use"] if model.tools else []
    return item


PRODUCT = Product(
    headers=express,
    respond=respond,
    error=error,
    unauthorized=lambda: error(401, "Invalid API token."),
    list_paths=frozenset({"/v1/models"}),
    capacity=3,
)
