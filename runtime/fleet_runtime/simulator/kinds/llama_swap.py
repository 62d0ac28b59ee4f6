"""llama-swap, after its sources of 2026-08 (commit 0bdb3720), with three generations of its list.

v1 has neither states nor `meta.llamaswap.type`, v2 is of that commit, v3 adds `context_window`. Behind it
stands a llama-server for each model.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from typing import Any
from urllib.parse import quote

from fleet_runtime.simulator.engine import LLAMA_CPP_PATHS, OPENAI_PATHS, Engine, Visit, decoded, form
from fleet_runtime.simulator.kinds import llama_server
from fleet_runtime.simulator.kinds.product import Product
from fleet_runtime.simulator.memory import LoadFailed
from fleet_runtime.simulator.reply import EVENTS, Reply, compact, go, json_reply
from fleet_runtime.simulator.spec import SimulatedModel

_LISTS = frozenset({"/v1/models", "/models"})
_STATES = {"loading": "starting", "loaded": "ready"}
_CODES = {
    400: ("invalid_request_error", "bad_request"),
    401: ("authentication_error", "unauthorized"),
    403: ("authentication_error", "forbidden"),
    404: ("invalid_request_error", "not_found"),
    409: ("invalid_request_error", "conflict"),
    429: ("rate_limit_error", "rate_limit_exceeded"),
    502: ("server_error", "bad_gateway"),
    503: ("server_error", "service_unavailable"),
    504: ("server_error", "gateway_timeout"),
}


def error(status: int, message: str, *, extra: tuple[tuple[str, str], ...] = ()) -> Reply:
    kind, code = _CODES.get(status, ("server_error", "internal_error"))
    told = {"message": message, "type": kind, "param": None, "code": code}
    return _lines({"src": "llama-swap", "error": told}, status, extra)


async def answer(engine: Engine, visit: Visit) -> Reply:
    request = visit.request
    if request.method == "OPTIONS":
        allowed = (
            ("Access-Control-Allow-Origin", "*"),
            ("Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE, OPTIONS"),
            ("Access-Control-Allow-Headers", "Content-Type, Authorization, Accept, X-Requested-With"),
            ("Access-Control-Max-Age", "86400"),
        )
        return Reply(204, b"", extra=allowed)
    if request.path.startswith("/upstream/"):
        return await _upstream(engine, visit)
    match request.method, request.path:
        case "GET", "/health" | "/wol-health":
            return Reply(200, b"OK", "text/plain; charset=utf-8")
        case "GET", "/v1/models" | "/models":
            return _lines(_list(engine))
        case "GET", "/running":
            return _lines({"running": _running(engine)})
        case "GET", "/api/events":
            return Reply(200, _events(engine), EVENTS)
        case "GET", "/api/version":
            return _lines({"version": "v255", "commit": "0bdb3720", "build_date": "2026-08-22T00:00:00Z"})
        case "GET" | "POST", "/unload":
            engine.memory.clear()
            return Reply(200, b"OK", "text/plain; charset=utf-8")
        case "GET", "/props":
            model = engine.by_name.get(request.query.get("model", ""))
            if model is None:
                return error(404, "no model id could be identified")
            return await _behind(engine, visit, model, "GET", "/props")
        case "GET", "/metrics":
            return Reply(503, b"# performance monitor not available\n", "text/plain; version=0.0.4")
    endpoint = (OPENAI_PATHS | LLAMA_CPP_PATHS).get(request.path)
    if request.method != "POST" or endpoint is None or endpoint in ("tokenize", "detokenize"):
        return Reply(404, b"404 page not found\n", "text/plain")
    name = _asked_model(visit)
    if not name:
        return error(404, "no model id could be identified")
    model = engine.by_name.get(name)
    if model is None:
        return error(404, "no router for requested model")
    asked = decoded(request) or {}
    if engine.behaviour.loading_state and endpoint == "chat/completions" and asked.get("stream") is True:
        await engine.enter(visit, model, load=False)
        return Reply(200, _with_loading_state(engine, visit, model), EVENTS)
    return await _behind(engine, visit, model, "POST", request.path)


def _asked_model(visit: Visit) -> str:
    content_type = visit.request.header("content-type") or ""
    if "application/json" in content_type:
        asked = decoded(visit.request) or {}
    else:
        asked = {**visit.request.query, **form(visit.request)}
    name = asked.get("model", "")
    return name if isinstance(name, str) else json.dumps(name)


async def _behind(engine: Engine, visit: Visit, model: SimulatedModel, method: str, path: str) -> Reply:
    """Load `model` and let its own llama-server answer."""
    try:
        await engine.enter(visit, model)
    except LoadFailed:
        return error(500, "unspecific error: upstream command exited prematurely but successfully")
    match method, path:
        case "GET", "/props":
            return json_reply(llama_server.props(model))
        case "GET", "/health":
            return json_reply({"status": "ok"})
        case "GET", "/slots":
            return json_reply(llama_server.slots(model))
        case "GET", "/v1/models" | "/models":
            return json_reply(llama_server.single_list(engine, model))
    endpoint = (OPENAI_PATHS | LLAMA_CPP_PATHS).get(path)
    if method != "POST" or endpoint is None:
        return llama_server.not_found()
    return await llama_server.respond(engine, visit, endpoint, model)


async def _upstream(engine: Engine, visit: Visit) -> Reply:
    """/upstream/<model>/<any path>, the model's name as long as it can be."""
    rest = visit.request.path.removeprefix("/upstream/")
    for name in sorted(engine.by_name, key=len, reverse=True):
        if rest == name:
            status = 301 if visit.request.method == "GET" else 308
            there = ("Location", f"/upstream/{quote(name)}/")
            return Reply(status, b"", "text/html; charset=utf-8", (there,))
        if rest.startswith(f"{name}/"):
            path = rest.removeprefix(name)
            return await _behind(engine, visit, engine.by_name[name], visit.request.method, path)
    return error(404, "no router for requested model")


async def _with_loading_state(
    engine: Engine, visit: Visit, model: SimulatedModel
) -> AsyncGenerator[bytes, None]:
    """An answer that begins while its model loads: thoughts about that first, then the model's own bytes."""

    def thought(text: str) -> bytes:
        return b"data: " + compact({"choices": [{"delta": {"reasoning_content": text}}]}) + b"\n\n"

    if engine.memory.state(model.id) != "loaded":
        for text in ("━━━━━", "\n", f"llama-swap loading model: {model.id}", "\n", "."):
            yield thought(text)
        started = time.monotonic()
        try:
            await visit.stack.enter_async_context(engine.memory.use(model, visit.cut))
        except LoadFailed:
            failed = error(500, "unspecific error: upstream command exited prematurely but successfully")
            assert isinstance(failed.body, bytes)
            yield failed.body
            return
        for text in ("\n", f"Done! ({time.monotonic() - started:.2f}s)", "\n", "━━━━━", " "):
            yield thought(text)
    else:
        await visit.stack.enter_async_context(engine.memory.use(model, visit.cut))
    reply = await llama_server.respond(engine, visit, "chat/completions", model)
    if isinstance(reply.body, bytes):
        yield reply.body
        return
    async with aclosing(reply.body) as pieces:
        async for piece in pieces:
            yield piece


def _list(engine: Engine) -> dict[str, Any]:
    version = engine.behaviour.list_version or engine.spec.list_version
    items = [_item(engine, model, version) for model in engine.listed]
    return {"object": "list", "data": sorted(items, key=lambda item: str(item["id"]))}


def _item(engine: Engine, model: SimulatedModel, version: str) -> dict[str, Any]:
    item: dict[str, Any] = {
        "id": model.id,
        "object": "model",
        "created": int(time.time()),
        "owned_by": "llama-swap",
    }
    if model.name is not None:
        item["name"] = model.name
    if version == "v1":
        return item
    if model.peer is not None:
        item["name"] = f"{model.peer}: {model.name or model.id}"
        item["meta"] = {"llamaswap": {"type": "peer", "peerID": model.peer}}
        item["status"] = {"value": "unloaded"}
        return item
    inputs = ["text", "image"] if model.vision else ["text"]
    outputs = {"speech": ["audio"], "image": ["image"]}.get(model.purpose, ["text"])
    item["architecture"] = {
        "input_modalities": inputs,
        "output_modalities": outputs,
        "modality": f"{'+'.join(inputs)}->{'+'.join(outputs)}",
    }
    capabilities = {
        "vision": model.vision,
        "audio_transcriptions": model.purpose == "transcription",
        "audio_speech": model.purpose == "speech",
        "image_generation": model.purpose == "image",
        "function_calling": model.tools and model.purpose == "chat",
        "reranker": model.purpose == "rerank",
    }
    item["capabilities"] = {name: True for name, able in capabilities.items() if able}
    if capabilities["function_calling"]:
        item["supported_parameters"] = ["tools", "tool_choice"]
    item["context_length"] = model.context
    if version == "v3":
        item["context_window"] = model.context
    kind: dict[str, Any] = {"type": "model"}
    if model.aliases:
        kind["aliases"] = list(model.aliases)
    item["meta"] = {"llamaswap": kind, "n_ctx": model.context}
    busy = engine.memory.state(model.id) != "unloaded"
    item["status"] = {"value": "loaded" if busy else "unloaded"}
    return item


def _running(engine: Engine) -> list[dict[str, Any]]:
    return [
        {
            "model": model.id,
            "state": _STATES[engine.memory.occupied[model.id]],
            "cmd": f"llama-server --port 5800 -m /models/{model.id}.gguf --api-key canary-in-cmd",
            "proxy": "http://localhost:5800",
            "ttl": int(model.ttl),
            "name": model.name or "",
            "description": "",
        }
        for model in sorted(engine.spec.models, key=lambda model: model.id)
        if model.id in engine.memory.occupied
    ]


async def _events(engine: Engine) -> AsyncGenerator[bytes, None]:
    """Server-sent events, the state of all models at each change of one; each value is JSON in JSON."""

    def event(kind: str, data: Any) -> bytes:
        inner = compact(data).decode()
        return b"event:message\ndata:" + compact({"type": kind, "data": inner}) + b"\n\n"

    def states() -> list[dict[str, Any]]:
        return [
            {
                "id": model.id,
                "name": model.name or "",
                "description": "",
                "state": _STATES.get(engine.memory.state(model.id), "stopped"),
                "unlisted": not model.listed,
                "peerID": model.peer or "",
                "aliases": list(model.aliases),
            }
            for model in engine.spec.models
        ]

    def differ(before: list[dict[str, Any]]) -> bool:
        return states() != before

    yield event("logData", {"source": "proxy", "data": ""})
    yield event("logData", {"source": "upstream", "data": ""})
    told = states()
    yield event("modelStatus", told)
    yield event("inflight", {"operation": "snapshot", "requests": []})
    while True:
        await engine.news.until(partial(differ, told))
        told = states()
        yield event("modelStatus", told)


def _lines(value: Any, status: int = 200, extra: tuple[tuple[str, str], ...] = ()) -> Reply:
    """JSON as Go's encoder writes it, with a newline at its end."""
    return Reply(status, compact(value) + b"\n", extra=extra)


PRODUCT = Product(
    dress=go,
    answer=answer,
    error=error,
    unauthorized=lambda: error(
        401,
        "unauthorized: invalid or missing API key",
        extra=(("WWW-Authenticate", 'Basic realm="llama-swap"'),),
    ),
    list_paths=_LISTS,
    open_paths=frozenset({"/health", "/wol-health"}),
    key_headers=("authorization", "x-api-key"),
    capacity=1,
)
