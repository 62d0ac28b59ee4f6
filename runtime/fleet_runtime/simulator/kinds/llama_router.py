"""llama-server's router mode: several models, each in a child process, as recorded from commit 0c1e570."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from dataclasses import replace
from functools import partial
from typing import Any

from fleet_runtime.simulator.engine import LLAMA_CPP_PATHS, OPENAI_PATHS, ActiveRequest, Engine, decoded, form
from fleet_runtime.simulator.kinds import llama_server
from fleet_runtime.simulator.kinds.product import Product
from fleet_runtime.simulator.memory import LoadFailedError
from fleet_runtime.simulator.reply import EVENTS, Reply, json_reply, llama_cpp
from fleet_runtime.simulator.shapes.chat import event
from fleet_runtime.simulator.spec import SimulatedModel
from fleet_runtime.simulator.wire import Headers, Request

_CHILDREN = {"/props", "/slots", "/metrics"}


async def respond(engine: Engine, active: ActiveRequest) -> Reply:
    request = active.request
    match request.method, request.path:
        case "GET", "/health" | "/v1/health":
            return json_reply({"status": "ok"})
        case "GET", "/v1/models" | "/models":
            return json_reply({"data": [_item(engine, model) for model in engine.listed], "object": "list"})
        case "GET", "/props" if "model" not in request.query:
            return json_reply(_props())
        case "GET", "/models/sse":
            return Reply(200, _changes(engine), EVENTS)
        case "POST", "/models/load" | "/models/unload":
            return _manage(engine, active)
    endpoint = (OPENAI_PATHS | LLAMA_CPP_PATHS).get(request.path)
    if request.method == "GET" and request.path in _CHILDREN:
        name = request.query.get("model")
    elif request.method == "POST" and endpoint is not None:
        multipart = (request.header("content-type") or "").startswith("multipart/")
        payload = form(request) if multipart else decoded(request)
        if payload is None:
            return llama_server.error(500, "[json.exception.parse_error.101] parse error: syntax error")
        name = payload.get("model")
    else:
        return llama_server.not_found()
    if not isinstance(name, str) or not name:
        return llama_server.error(400, "model name is missing from the request")
    model = engine.by_name.get(name)
    if model is None:
        return llama_server.error(400, f"model '{name}' not found")
    if request.query.get("autoload") == "false" and engine.memory.state(model.id) != "loaded":
        return llama_server.error(400, "model is not loaded")
    try:
        await engine.enter(active, model)
    except LoadFailedError:
        return llama_server.error(500, f"model name={model.id} failed to load")
    if endpoint is not None:
        return _forwarded(engine, await llama_server.infer(engine, active, endpoint, model))
    child = {"/props": llama_server.props, "/slots": llama_server.slots}.get(request.path)
    if child is None:
        return llama_server.error(501, "This server does not support metrics endpoint.")
    return _forwarded(engine, json_reply(child(model)))


def _forwarded(engine: Engine, reply: Reply) -> Reply:
    """A response of a child always leaves the router in chunks."""
    return replace(reply, body=engine.paced([reply.body])) if isinstance(reply.body, bytes) else reply


def _dress(reply: Reply, request: Request) -> Headers:
    """A child's response is announced as the connection's last, and as kept alive."""
    if isinstance(reply.body, bytes):
        return llama_cpp(reply, request)
    plain = llama_cpp(replace(reply, status=200), request)
    return [*plain[:2], ("Connection", "close"), *plain[2:]]


def _manage(engine: Engine, active: ActiveRequest) -> Reply:
    payload = decoded(active.request) or {}
    name = payload.get("model")
    model = engine.by_name.get(name) if isinstance(name, str) else None
    loading = active.request.path == "/models/load"
    if model is None:
        return llama_server.not_found() if loading else llama_server.error(400, "model is not found")
    running = engine.memory.state(model.id) != "unloaded"
    if loading and running:
        return llama_server.error(400, "model is already running")
    if loading:
        engine.memory.begin(model)
    elif not running:
        return llama_server.error(400, "model is not running")
    else:
        engine.memory.unload(model.id)
    return json_reply({"success": True})


async def _changes(engine: Engine) -> AsyncGenerator[bytes, None]:
    """An event for each change of a model's state; the empty first chunk sends the headers at once."""

    def states() -> dict[str, str]:
        return {model.id: engine.memory.state(model.id) for model in engine.listed}

    def differ(before: dict[str, str]) -> bool:
        return states() != before

    told = states()
    yield b""
    while True:
        await engine.changes.until(partial(differ, told))
        before, told = told, states()
        for model, state in told.items():
            if state != before[model]:
                name = "model_status" if state == "loading" else "status_change"
                yield event({"model": model, "event": name, "data": {"status": state}})


def _item(engine: Engine, model: SimulatedModel) -> dict[str, Any]:
    state = engine.memory.state(model.id)
    arguments = ["llama-server", "--port", "0", "--alias", model.id, "--ctx-size", str(model.context)]
    item: dict[str, Any] = {
        "id": model.id,
        "aliases": list(model.aliases),
        "tags": [],
        "object": "model",
        "owned_by": "llamacpp",
        "created": int(time.time()),
        "status": {"value": state, "args": arguments, "preset": f"[{model.id}]\n"},
        "architecture": {
            "input_modalities": ["text", "image"] if model.vision else ["text"],
            "output_modalities": ["text"],
        },
        "source": "preset",
        "can_remove": False,
    }
    if state == "loaded":
        item["meta"] = llama_server.meta(model)
    return item


def _props() -> dict[str, Any]:
    return {
        "role": "router",
        "max_instances": 4,
        "models_autoload": True,
        "model_alias": "llama-server",
        "model_path": "none",
        "default_generation_settings": {"params": None, "n_ctx": 0},
        "ui_settings": {},
        "build_info": llama_server.BUILD,
        "cors_proxy_enabled": False,
    }


PRODUCT: Product = replace(llama_server.PRODUCT, headers=_dress, respond=respond, resident=False, capacity=4)
