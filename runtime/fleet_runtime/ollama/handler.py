"""A request to Ollama's API, as the handler of its connection.

Theory of operation. Lists are made from the catalog. A chat, a completion or an embedding becomes a request
of OpenAI's API when its body is complete, and an `Exchange` carries it out as it would for any client: the
same routing, limits, sidecars, record and metrics. From then on the events of the connection are the
exchange's, and its response comes back through a `TranslatingSink`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final, cast

import msgspec

from fleet_runtime.edge.api_keys import KeyScope
from fleet_runtime.errors import ErrorResponse, RequestError, request_error
from fleet_runtime.gateway.live_snapshot import LiveSnapshot
from fleet_runtime.header_lines import HeaderLines
from fleet_runtime.loop_guard import HEADER
from fleet_runtime.ollama import lists
from fleet_runtime.ollama.requests import (
    Json,
    Translated,
    model_name,
    parse_body,
    translate_chat,
    translate_embed,
    translate_generate,
)
from fleet_runtime.ollama.responses import Answer, Shape, loaded
from fleet_runtime.ollama.sink import JSON, TranslatingSink
from fleet_runtime.proxy.captured_exchange import CapturedExchange, begin_capture
from fleet_runtime.proxy.endpoints import ENDPOINTS, Base, Route
from fleet_runtime.proxy.exchange import Exchange
from fleet_runtime.proxy.failures import FAILED, STOPPING
from fleet_runtime.proxy.memory_budget import body_too_large, gateway_busy
from fleet_runtime.proxy.request_context import RequestContext
from fleet_runtime.proxy.request_head import RequestHead, interpret_field
from fleet_runtime.proxy.request_record import next_number

RUNNING: Final = b"Ollama is running"
MAX_BODY: Final = 32_000_000
"""The maximum size of a request's body in bytes; parsing it blocks the event loop for up to 30 ms."""

_ENDPOINTS: Final = {endpoint.path: endpoint for endpoint in ENDPOINTS}
_TRANSLATIONS: Final[dict[str, tuple[Shape, Callable[[Json], Translated]]]] = {
    "chat": ("chat", translate_chat),
    "generate": ("generate", translate_generate),
    "embed": ("embed", translate_embed),
    "embeddings": ("embeddings", translate_embed),
}
READS: Final = ("tags", "ps", "version")
MANAGES_MODELS: Final = ("pull", "push", "create", "copy", "delete", "blobs")

log = logging.getLogger(__name__)


class OllamaRequest:
    """One request for an `operation`: the path after ``<base>/ollama/api/``, empty for the page that shows
    that the server is running."""

    def __init__(self, context: RequestContext, live: LiveSnapshot, base: Base, operation: str) -> None:
        context.record.surface = base.table.surface
        if operation in _TRANSLATIONS:
            context.record.inference, context.record.number = True, next_number()
        captures = live.captures if context.record.inference else None
        self._capture = None if captures is None else begin_capture(captures, context)
        self._sink = TranslatingSink(context.sink, self._stop_exchange)
        self._context = msgspec.structs.replace(context, sink=self._sink)
        self._client = context.sink
        self._live = live
        self._base = base
        self._operation = operation
        self._limit = min(MAX_BODY, live.limits.body)
        self._parts: list[bytes] = []
        self._held = 0
        self._slow = False
        self._done = False
        self.exchange: Exchange | None = None

    def on_body(self, piece: bytes) -> None:
        if self._done:
            return
        if self._capture is not None:
            self._capture.request.add(piece)
        if max(self._held + len(piece), self._context.content_length) > self._limit:
            self._reject(body_too_large(self._limit).answer)
        elif self._context.memory.take(len(piece), self._live.limits.memory):
            self._held += len(piece)
            self._parts.append(piece)
        else:
            self._reject(gateway_busy().answer)

    def on_body_end(self) -> None:
        if self._done:
            return
        raw = b"".join(self._parts)
        self._give_back()
        try:
            if self._operation in _TRANSLATIONS:
                self._translate(raw)
            else:
                self._read(raw)
        except RequestError as error:
            self._reject(error.answer)
        except Exception:
            log.exception("request %s failed", self._context.record.request_id)
            self._reject(FAILED)

    def on_invalid(self, error: ErrorResponse) -> None:
        self._reject(error)

    def on_gone(self) -> None:
        if self.exchange is not None:
            self.exchange.on_gone()
        elif not self._done:
            self._done = True
            self._give_back()
            self._context.record.end_reason = "client_gone"
            self._context.finish()

    def on_slow(self) -> None:
        self._slow = True
        if self.exchange is not None:
            self.exchange.on_slow()

    def on_ready(self) -> None:
        self._slow = False
        if self.exchange is not None:
            self.exchange.on_ready()

    def stop(self) -> None:
        if self.exchange is not None:
            self.exchange.stop()
        else:
            self._context.sink.close_after()
            self._reject(STOPPING)

    def _read(self, raw: bytes) -> None:
        """Respond from the catalog."""
        match self._operation:
            case "":
                self._done = True
                self._context.record.status = 200
                self._client.respond(200, b"content-type: text/plain\r\n", RUNNING)
                self._context.finish()
            case "tags":
                self._respond(lists.list_models(self._live, self._base))
            case "ps":
                self._respond(lists.list_loaded(self._live, self._base))
            case "version":
                self._respond({"version": lists.VERSION})
            case _:
                name = lists.served_name(self._live, self._base, model_name(parse_body(raw)))
                self._respond(lists.show_model(self._live, lists.require_model(self._live, self._base, name)))

    def _translate(self, raw: bytes) -> None:
        """Begin an exchange for a translated request; respond to an empty one at once."""
        shape, translate = _TRANSLATIONS[self._operation]
        wanted = translate(parse_body(raw))
        answer = self._sink.answer = Answer(shape, wanted.model)
        name = lists.served_name(self._live, self._base, wanted.model)
        if wanted.body is None:
            lists.require_model(self._live, self._base, name)
            self._context.record.requested = name
            self._respond(loaded(answer, unloads=wanted.unloads))
            return
        body = msgspec.json.encode({"model": name, **wanted.body})
        route = Route(self._base, _ENDPOINTS[wanted.path])
        head = _translated_head(self._base.path + wanted.path, len(body), self._context.head.loop)
        context = msgspec.structs.replace(self._context, head=head, route=route, content_length=len(body))
        exchange = self._new_exchange(context)
        self._done = True
        self.exchange = exchange
        if self._slow:
            exchange.on_slow()
        exchange.on_body(body)
        exchange.on_body_end()

    def _new_exchange(self, context: RequestContext) -> Exchange:
        if self._capture is None:
            return Exchange(context, self._live.plans)
        return CapturedExchange(context, self._live.plans, self._capture, takes_body=False)

    def _respond(self, data: dict[str, Any]) -> None:
        self._done = True
        context = self._context
        body = msgspec.json.encode(data)
        context.record.status = 200
        context.record.bytes_out = len(body)
        if context.record.inference:
            context.record.start_response()
        self._client.respond(200, JSON + context.common_block, body)
        context.finish()

    def _reject(self, error: ErrorResponse) -> None:
        if not self._done:
            self._done = True
            self._give_back()
            self._context.reject(error)

    def _give_back(self) -> None:
        self._context.memory.give_back(self._held)
        self._held = 0
        self._parts = []

    def _stop_exchange(self) -> None:
        """End the exchange after its current call, because nothing more can be sent."""
        if self.exchange is not None:
            self._context.record.code = "upstream_error"
            asyncio.get_running_loop().call_soon(self.exchange.on_gone)


class OllamaApi:
    """Finds the handler of a request below ``<base>/ollama``."""

    def find(self, context: RequestContext, key: KeyScope | None) -> OllamaRequest | None:
        """Return the handler of a request, None for other paths; raises `RequestError`.

        A key that is limited to surfaces does not open the path without a surface.
        """
        path = context.head.path
        live = cast("LiveSnapshot", context.fleet)
        found = live.routes.ollama(path)
        if found is None:
            return None
        base, rest = found
        shown = path.decode("latin-1")
        if key is not None and key.surfaces is not None and not base.path:
            raise request_error("surface_not_allowed", f"this key does not open '{shown}'")
        operation = rest.removeprefix(b"api/").decode("latin-1")
        if rest and not rest.startswith(b"api/"):
            hint = f"; OpenAI's API is at '{base.path}/v1'" if rest.startswith(b"v1") else ""
            raise request_error("not_found", f"there is nothing at '{shown}'{hint}")
        _require_known(context.head.method, shown, operation)
        return OllamaRequest(context, live, base, operation)


def _require_known(method: str, path: str, operation: str) -> None:
    if operation.split("/")[0] in MANAGES_MODELS:
        message = (
            f"'{path}' is not available: models are managed on the provider itself, not through a gateway"
        )
        raise request_error("not_implemented", message)
    reads = operation in ("", *READS)
    if not reads and operation != "show" and operation not in _TRANSLATIONS:
        raise request_error("not_found", f"path '{path}' does not exist")
    allowed = ("GET", "HEAD") if reads else ("POST",)
    if method not in allowed:
        headers = [(b"allow", ", ".join(allowed).encode())]
        raise request_error(
            "method_not_allowed",
            f"method {method} is not allowed for '{path}': use {allowed[0]}",
            headers=headers,
        )


def _translated_head(path: str, length: int, loop: bytes | None) -> RequestHead:
    """Return the head of an equivalent request to OpenAI's API; no header of the client is forwarded, except
    which gateways the request has passed through (`loop`)."""
    raw = f"POST {path} HTTP/1.1\r\nhost: fleet\r\ncontent-type: application/json\r\ncontent-length: {length}"
    passed = b"" if loop is None else b"\r\n%b: %b" % (HEADER, loop)
    return RequestHead(raw.encode("latin-1") + passed, HeaderLines(interpret_field))
