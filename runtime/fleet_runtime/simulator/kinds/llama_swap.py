"""llama-swap, as recorded from its commits fdda55e4 (2026-07) and 0bdb3720 (2026-08), with four generations
of its list and errors.

v1 has neither states nor `meta.llamaswap.type`, 2026-07 and v2 are the recorded ones, v3 adds
`context_window`. Errors have a mere text before v2. Behind it stands a llama-server for each model, whose
responses keep their headers. It measures memory only if its spec has `vram`, as with `performance.disabled`.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from email.utils import formatdate
from typing import Any
from urllib.parse import quote

from fleet_runtime.simulator.engine import LLAMA_CPP_PATHS, OPENAI_PATHS, ActiveRequest, Engine, decoded, form
from fleet_runtime.simulator.kinds import llama_server
from fleet_runtime.simulator.kinds.llama_swap_models import events, gauges, listed, running, version_of
from fleet_runtime.simulator.kinds.product import Product
from fleet_runtime.simulator.memory import LoadFailedError, Unloaded
from fleet_runtime.simulator.reply import EVENTS, Reply, compact, go, json_reply, llama_cpp
from fleet_runtime.simulator.spec import SimulatedModel
from fleet_runtime.simulator.wire import Headers, Request

_LISTS = frozenset({"/v1/models", "/models"})
_MODEL = re.compile(rb'"model"\s*:\s*"([^"]*)"')
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
    return Reply(status, _encoded({"src": "llama-swap", "error": told}), extra=extra)


def refusal(engine: Engine, status: int, message: str) -> Reply:
    """`error`, as the version says it that the engine has."""
    if version_of(engine) in ("v1", "2026-07"):
        return Reply(status, _encoded({"error": message, "src": "llama-swap"}))
    return error(status, message)


async def respond(engine: Engine, active: ActiveRequest) -> Reply:
    request = active.request
    if request.method == "OPTIONS":
        wanted = request.header("access-control-request-headers")
        allowed = (
            ("Access-Control-Allow-Origin", "*"),
            ("Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE, OPTIONS"),
            (
                "Access-Control-Allow-Headers",
                wanted or "Content-Type, Authorization, Accept, X-Requested-With",
            ),
            ("Access-Control-Max-Age", "86400"),
        )
        return Reply(204, b"", "", allowed)
    if request.path.startswith("/upstream/"):
        return await _upstream(engine, active)
    match request.method, request.path:
        case "GET", "/health" | "/wol-health":
            return Reply(200, b"OK", "text/plain; charset=utf-8")
        case "GET", "/models" if version_of(engine) in ("v1", "2026-07"):
            return _no_page()
        case "GET", "/v1/models" | "/models":
            return _lines(listed(engine))
        case "GET", "/running":
            return _lines({"running": running(engine)})
        case "GET", "/api/events":
            return Reply(200, events(engine), EVENTS)
        case "GET", "/api/version":
            return _lines({"build_date": "2026-08-22T00:00:00Z", "commit": "0bdb3720", "version": "v255"})
        case "GET" | "POST", "/unload":
            engine.memory.clear()
            return Reply(200, b"OK", "text/plain; charset=utf-8")
        case "POST", "/api/models/unload":
            engine.memory.clear()
            return json_reply({"msg": "ok"})
        case "POST", path if path.startswith("/api/models/unload/"):
            model = engine.by_name.get(path.removeprefix("/api/models/unload/"))
            if model is None:
                return refusal(engine, 404, "model not found")
            engine.memory.unload(model.id)
            return Reply(200, b"OK", "text/plain; charset=utf-8")
        case "GET", "/props":
            model = engine.by_name.get(request.query.get("model", ""))
            if model is None:
                return refusal(engine, 404, "no model id could be identified")
            return await _behind(engine, active, model, "GET", "/props")
        case "GET", "/metrics" if engine.spec.vram:
            return Reply(200, gauges(engine, engine.spec.vram), "text/plain; version=0.0.4; charset=utf-8")
        case "GET", "/metrics":
            return Reply(503, b"# performance monitor not available\n", "text/plain; version=0.0.4")
    endpoint = (OPENAI_PATHS | LLAMA_CPP_PATHS).get(request.path)
    if request.method != "POST" or endpoint is None or endpoint in ("tokenize", "detokenize"):
        return _no_page()
    name = _asked_model(active)
    if not name:
        return refusal(engine, 404, "no model id could be identified")
    model = engine.by_name.get(name)
    if model is None:
        return refusal(engine, 404, "no router for requested model")
    payload = decoded(request) or {}
    if engine.behaviour.loading_state and endpoint == "chat/completions" and payload.get("stream") is True:
        await engine.enter(active, model, load=False)
        return Reply(200, _with_loading_state(engine, active, model), EVENTS)
    return await _behind(engine, active, model, "POST", request.path)


def _asked_model(active: ActiveRequest) -> str:
    """Its reader takes a body that is not JSON as far as it goes, and forwards it."""
    content_type = active.request.header("content-type") or ""
    if "application/json" in content_type:
        payload = decoded(active.request)
        if payload is None:
            found = _MODEL.search(active.request.body)
            return found[1].decode("utf-8", "replace") if found else ""
    else:
        payload = {**active.request.query, **form(active.request)}
    name = payload.get("model", "")
    return name if isinstance(name, str) else json.dumps(name)


async def _behind(
    engine: Engine, active: ActiveRequest, model: SimulatedModel, method: str, path: str
) -> Reply:
    """Load `model` and let its own llama-server respond.

    If the model is unloaded meanwhile, a stream that has begun just ends, properly framed; where no byte of
    a response has come yet, it is an empty 502.
    """
    gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def unloaded() -> None:
        if not gone.done():
            gone.set_result(None)

    try:
        await engine.enter(replace(active, cut=unloaded), model)
    except LoadFailedError as failed:
        return refusal(engine, 500, _load_error(failed))
    reply = await _answer_of_model(engine, active, model, method, path)
    if isinstance(reply.body, bytes):
        gone.add_done_callback(lambda _: active.cut())
        return _passed_on(reply, active.request)
    pieces = _until_unloaded(reply.body, gone)
    first = await anext(pieces, None)
    if first is None:
        return Reply(502, b"", "")
    return _passed_on(replace(reply, body=_after(first, pieces)), active.request)


async def _answer_of_model(
    engine: Engine, active: ActiveRequest, model: SimulatedModel, method: str, path: str
) -> Reply:
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
    return await llama_server.infer(engine, active, endpoint, model)


async def _until_unloaded(
    pieces: AsyncGenerator[bytes, None], gone: asyncio.Future[None]
) -> AsyncGenerator[bytes, None]:
    async with aclosing(pieces):
        while True:
            piece: asyncio.Future[Any] = asyncio.ensure_future(anext(pieces, None))
            try:
                await asyncio.wait([piece, gone], return_when=asyncio.FIRST_COMPLETED)
            finally:
                if not piece.done():
                    piece.cancel()
                    await asyncio.wait([piece])
            if piece.cancelled() or (value := piece.result()) is None:
                return
            yield value


async def _after(first: bytes, pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    async with aclosing(pieces):
        yield first
        async for piece in pieces:
            yield piece


def _load_error(failed: LoadFailedError) -> str:
    if isinstance(failed, Unloaded):
        return "unspecific error: group: model unloaded"
    return "unspecific error: upstream command exited prematurely"


def _passed_on(reply: Reply, request: Request) -> Reply:
    """With the headers that llama-server gave it, except those that end at llama-swap."""
    dressed = [
        header for header in llama_cpp(reply, request) if header[0] not in ("Connection", "Keep-Alive")
    ]
    own = dict(dressed)
    kept = tuple(header for header in dressed if header[0] not in ("Content-Type", "Transfer-Encoding"))
    return replace(reply, content_type=own["Content-Type"], extra=kept)


async def _upstream(engine: Engine, active: ActiveRequest) -> Reply:
    """/upstream/<model>/<any path>, the model's name as long as it can be."""
    rest = active.request.path.removeprefix("/upstream/")
    for name in sorted(engine.by_name, key=len, reverse=True):
        if rest == name:
            status = 301 if active.request.method == "GET" else 308
            there = ("Location", f"/upstream/{quote(name)}/")
            moved = {301: "Moved Permanently", 308: "Permanent Redirect"}[status]
            page = f'<a href="{there[1]}">{moved}</a>.\n\n' if status == 301 else ""
            return Reply(status, page.encode(), "text/html; charset=utf-8" if page else "", (there,))
        if rest.startswith(f"{name}/"):
            path = rest.removeprefix(name)
            return await _behind(engine, active, engine.by_name[name], active.request.method, path)
    return refusal(engine, 404, "model not found")


async def _with_loading_state(
    engine: Engine, active: ActiveRequest, model: SimulatedModel
) -> AsyncGenerator[bytes, None]:
    """A response that begins while its model loads: thoughts about that first, then the model's own bytes."""

    def thought(text: str) -> bytes:
        return b"data: " + compact({"choices": [{"delta": {"reasoning_content": text}}]}) + b"\n\n"

    if engine.memory.state(model.id) != "loaded":
        for text in ("━━━━━", "\n", f"llama-swap loading model: {model.id}", "\n", "."):
            yield thought(text)
        started = time.monotonic()
        try:
            await active.stack.enter_async_context(engine.memory.use(model, active.cut))
        except LoadFailedError as failed:
            told = refusal(engine, 500, _load_error(failed))
            assert isinstance(told.body, bytes)
            yield told.body
            return
        for text in ("\n", f"Done! ({time.monotonic() - started:.2f}s)", "\n", "━━━━━", " "):
            yield thought(text)
    else:
        await active.stack.enter_async_context(engine.memory.use(model, active.cut))
    reply = await llama_server.infer(engine, active, "chat/completions", model)
    if isinstance(reply.body, bytes):
        yield reply.body
        return
    async with aclosing(reply.body) as pieces:
        async for piece in pieces:
            yield piece


def _lines(value: Any, status: int = 200, extra: tuple[tuple[str, str], ...] = ()) -> Reply:
    """JSON as Go's encoder writes it, with a newline at its end."""
    return Reply(status, _encoded(value) + b"\n", extra=extra)


def _encoded(value: Any) -> bytes:
    """As Go's encoder escapes it, fit for HTML."""
    text = compact(value)
    for sign in (b"<", b">", b"&"):
        text = text.replace(sign, b"\\u%04x" % sign[0])
    return text


def _no_page() -> Reply:
    nothing = b"404 page not found\n"
    return Reply(404, nothing, "text/plain; charset=utf-8", (("X-Content-Type-Options", "nosniff"),))


def _dress(reply: Reply, request: Request) -> Headers:
    """Headers that were set come sorted before the date, those that net/http adds by itself after it."""
    if any(name == "Server" for name, _ in reply.extra):
        headers = sorted([("Content-Type", reply.content_type), *reply.extra])
        framing = [] if isinstance(reply.body, bytes) else [reply.framing]
        return [*headers, ("Date", formatdate(usegmt=True)), *framing]
    headers = list(go(reply, request))
    guessed = reply.body == b"OK"
    shown = [(name, value) for name, value in headers if value and not (guessed and name == "Content-Type")]
    if reply.status == 204:
        shown.remove(reply.framing)
    return [*shown, ("Content-Type", reply.content_type)] if guessed else shown


PRODUCT = Product(
    headers=_dress,
    respond=respond,
    error=error,
    unauthorized=lambda: error(
        401,
        "unauthorized: invalid or missing API key",
        extra=(("Www-Authenticate", 'Basic realm="llama-swap"'),),
    ),
    list_paths=_LISTS,
    open_paths=frozenset({"/health", "/wol-health"}),
    key_headers=("authorization", "x-api-key"),
    capacity=1,
)
