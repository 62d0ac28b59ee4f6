"""Ollama (docs/api.md and openai/openai.go of 0.12): its own lists, and OpenAI's API over the same models.

A name without a tag means ``:latest``; the OpenAI list of a server without models is ``null``.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

from fleet_runtime.simulator.engine import OPENAI_PATHS, ActiveRequest, Engine, TooLongError, decoded, form
from fleet_runtime.simulator.kinds.product import Product
from fleet_runtime.simulator.memory import LoadFailedError
from fleet_runtime.simulator.reply import Reply, go, json_reply
from fleet_runtime.simulator.spec import SimulatedModel

_MODIFIED = datetime(2026, 1, 1, tzinfo=UTC)
_SIZE = 5_000_000_000
_TYPES = {400: "invalid_request_error", 404: "not_found_error"}


def error(status: int, message: str) -> Reply:
    told = {"message": message, "type": _TYPES.get(status, "api_error"), "param": None, "code": None}
    return json_reply({"error": told}, status)


async def respond(engine: Engine, active: ActiveRequest) -> Reply:
    request = active.request
    match request.method, request.path:
        case "GET" | "HEAD", "/":
            return Reply(200, b"Ollama is running", "text/plain; charset=utf-8")
        case "GET", "/api/version":
            return json_reply({"version": "0.12.6"})
        case "GET", "/api/tags":
            return json_reply({"models": [_tag(model) for model in engine.listed]})
        case "GET", "/api/ps":
            return json_reply({"models": [_process(model) for model in _loaded(engine)]})
        case "POST", "/api/show":
            name = (decoded(request) or {}).get("model", "")
            model = _named(engine, name)
            if model is None:
                return json_reply({"error": f"model '{name}' not found"}, 404)
            return json_reply(_show(model))
        case "POST", "/api/generate" | "/api/embed":
            return await _load(engine, active)
        case "GET", "/v1/models":
            items = [_item(model) for model in engine.listed]
            return json_reply({"object": "list", "data": items or None})
    endpoint = OPENAI_PATHS.get(request.path)
    if request.method != "POST" or endpoint is None:
        return Reply(404, b"404 page not found", "text/plain")
    multipart = (request.header("content-type") or "").startswith("multipart/")
    payload = form(request) if multipart else decoded(request)
    if payload is None:
        return error(400, "invalid character in the request body")
    name = payload.get("model", "")
    model = _named(engine, name)
    if model is None:
        return error(404, f"model '{name}' not found")
    try:
        await engine.enter(active, model)
    except LoadFailedError:
        return error(500, "llama runner process has terminated: exit status 1")
    try:
        return await engine.respond(active, endpoint, model, payload, llama_cpp=False)
    except TooLongError as long:
        return error(400, str(long))


async def _load(engine: Engine, active: ActiveRequest) -> Reply:
    """A request without a prompt: it loads the model, or with a ``keep_alive`` of 0 unloads it."""
    payload = decoded(active.request) or {}
    model = _named(engine, payload.get("model"))
    if model is None:
        return json_reply({"error": f"model '{payload.get('model')}' not found"}, 404)
    done = {"model": model.id, "created_at": _MODIFIED.isoformat(), "response": "", "done": True}
    if payload.get("keep_alive") == 0:
        engine.memory.unload(model.id)
        return json_reply({**done, "done_reason": "unload"})
    if active.request.path == "/api/generate" and model.purpose == "embedding":
        return json_reply({"error": f'"{model.id}" does not support generate'}, 400)
    try:
        await engine.memory.load(model)
    except LoadFailedError:
        return json_reply({"error": "llama runner process has terminated: exit status 1"}, 500)
    return json_reply({**done, "done_reason": "load"})


def _named(engine: Engine, name: object) -> SimulatedModel | None:
    if not isinstance(name, str):
        return None
    return engine.by_name.get(name) or engine.by_name.get(f"{name}:latest")


def _loaded(engine: Engine) -> list[SimulatedModel]:
    return [model for model in engine.listed if engine.memory.state(model.id) == "loaded"]


def _item(model: SimulatedModel) -> dict[str, Any]:
    namespace, slash, _ = model.id.rpartition("/")
    return {
        "id": model.id,
        "object": "model",
        "created": int(_MODIFIED.timestamp()),
        "owned_by": namespace.rpartition("/")[2] if slash else "library",
    }


def _tag(model: SimulatedModel) -> dict[str, Any]:
    return {
        "name": model.id,
        "model": model.id,
        "modified_at": _MODIFIED.isoformat(),
        "size": _SIZE,
        "digest": hashlib.sha256(model.id.encode()).hexdigest(),
        "details": _details(),
    }


def _process(model: SimulatedModel) -> dict[str, Any]:
    expires = datetime.now(UTC) + timedelta(seconds=model.ttl or 300)
    running = {"expires_at": expires.isoformat(), "size_vram": _SIZE, "context_length": model.context}
    tag = _tag(model)
    del tag["modified_at"]
    return {**tag, **running}


def _details() -> dict[str, Any]:
    return {
        "parent_model": "",
        "format": "gguf",
        "family": "qwen3",
        "families": ["qwen3"],
        "parameter_size": "8.2B",
        "quantization_level": "Q4_K_M",
    }


def _show(model: SimulatedModel) -> dict[str, Any]:
    abilities = {
        "completion": model.purpose == "chat",
        "embedding": model.purpose == "embedding",
        "tools": model.tools and model.purpose == "chat",
        "vision": model.vision,
        "thinking": model.thinking is not None,
    }
    return {
        "modelfile": f"FROM {model.id}",
        "template": "{{ .Prompt }}",
        "details": _details(),
        "model_info": {
            "general.architecture": "qwen3",
            "general.parameter_count": 8_190_735_360,
            "qwen3.context_length": model.trained,
            "qwen3.embedding_length": 4096,
        },
        "capabilities": [name for name, able in abilities.items() if able],
        "modified_at": _MODIFIED.isoformat(),
    }


PRODUCT = Product(
    headers=go,
    respond=respond,
    error=error,
    unauthorized=lambda: json_reply({"error": "unauthorized"}, 401),
    list_paths=frozenset({"/v1/models"}),
    capacity=3,
)
