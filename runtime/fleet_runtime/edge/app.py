"""The gateway's HTTP edge: a bare ASGI callable for the inference paths, with the API behind it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final, NoReturn, Protocol
from urllib.parse import unquote_to_bytes

from fleet_runtime.artifacts.contract import RoutingTable
from fleet_runtime.catalog.etag import TaggedBody
from fleet_runtime.edge.api_keys import ApiKeys
from fleet_runtime.edge.host_policy import HostPolicy, preflight
from fleet_runtime.errors import ErrorResponse, RequestError, request_error, suggest
from fleet_runtime.proxy.endpoints import Base, Route, Routes
from fleet_runtime.proxy.exchange import Exchange, ModelResolver, ResponseAbortedError, Send
from fleet_runtime.proxy.headers import Header, RequestHead
from fleet_runtime.proxy.json_body import ClientDisconnectedError, Receive
from fleet_runtime.proxy.request_record import RequestRecord

Scope = MutableMapping[str, Any]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

CLIENT: Final = "fleet.client"
"""The ASGI extension through which an app is told that its client has gone: a `ClientConnection`."""

_log = logging.getLogger(__name__)


class ClientConnection(Protocol):
    """The connection that a request came on."""

    @property
    def lost(self) -> bool: ...

    def when_gone(self, callback: Callable[[], object] | None) -> None:
        """`callback` is called once, when the client goes; None takes it back."""

    def pass_on(self, piece: bytes) -> bool:
        """Send the next piece of the answer that has begun, as ``http.response.body`` would; whether the
        client takes another one at once."""


class RequestBackend(ModelResolver, Protocol):
    """One snapshot at work: read once per request, swapped whole on a reload."""

    @property
    def tables(self) -> Mapping[str, RoutingTable]: ...

    @property
    def keys(self) -> ApiKeys: ...

    @property
    def routes(self) -> Routes: ...

    @property
    def access(self) -> HostPolicy: ...

    def models(self, base: str, pinned: str | None) -> TaggedBody: ...

    def model(self, base: str, pinned: str | None, id: str) -> bytes | None: ...


class App:
    """`current` gives the fleet that runs now; `api` gets every path that is not for inference; `finished`
    is told each request when it is over."""

    def __init__(
        self,
        current: Callable[[], RequestBackend],
        api: ASGIApp | None = None,
        finished: Callable[[RequestRecord], None] | None = None,
    ) -> None:
        self._current = current
        self._api = api
        self._finished = finished

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._answer(scope, receive, send)
        elif self._api is not None:
            await self._api(scope, receive, send)
        else:
            raise RuntimeError(f"no '{scope['type']}' here")

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        fleet = self._current()
        routes, access = fleet.routes, fleet.access
        head = RequestHead(scope["headers"])
        path: bytes = scope["raw_path"]
        method: str = scope["method"]
        route = routes.proxied(path)
        if route is None:
            record = RequestRecord(head.request_id.decode(), None, path.decode("latin-1"), inference=False)
            send = _recorded(send, record)
        else:
            record = RequestRecord(head.request_id.decode(), route.base.table.surface, route.endpoint.path)
        cors: list[Header] = []
        try:
            cors = access.check(head)
            if method == "OPTIONS" and (allowed := preflight(scope["headers"], cors)) is not None:
                await _send_whole(send, 204, allowed, b"")
                return
            if fleet.keys:
                scope["fleet.key"] = fleet.keys.check(head.key, method, path.decode("latin-1"))
            if route is not None:
                _require_method(method, path, ("POST",))
                await self._proxy(fleet, route, scope, head, cors, receive, send, record)
            elif (base := routes.lists.get(path)) is not None:
                _require_method(method, path, ("GET", "HEAD"))
                listed = fleet.models(base.table.base, base.pinned)
                await _send_tagged(send, scope, [*cors, (b"x-request-id", head.request_id)], listed)
            elif (named := routes.model(path)) is not None:
                _require_method(method, path, ("GET", "HEAD"))
                found = TaggedBody.of(await _model(fleet, *named))
                await _send_tagged(send, scope, [*cors, (b"x-request-id", head.request_id)], found)
            elif self._api is not None:
                await self._api(
                    scope, receive, _with_headers(send, [*cors, (b"x-request-id", head.request_id)])
                )
            else:
                raise request_error("not_found", f"there is nothing at '{path.decode('latin-1')}'")
        except RequestError as refusal:
            record.reject(refusal.answer.status, refusal.answer.code)
            anthropic = route is not None and route.endpoint.anthropic
            await _send_error(send, refusal.answer, [*cors, (b"x-request-id", head.request_id)], anthropic)
        finally:
            record.finished_at = time.perf_counter()
            if self._finished is not None:
                self._finished(record)

    async def _proxy(
        self,
        fleet: RequestBackend,
        route: Route,
        scope: Scope,
        head: RequestHead,
        cors: list[Header],
        receive: Receive,
        send: Send,
        record: RequestRecord,
    ) -> None:
        """Answer an inference request; the client's going cancels it, and so does the gateway's stopping."""
        client: ClientConnection | None = scope.get("extensions", {}).get(CLIENT)
        task = asyncio.current_task()
        assert task is not None
        if client is not None:
            client.when_gone(task.cancel)
        try:
            await Exchange(
                fleet, route, scope["query_string"], head, cors, receive, send, record, client
            ).run()
        except ClientDisconnectedError:
            record.end_reason = "client_gone"
        except asyncio.CancelledError:
            task.uncancel()
            if client is not None and client.lost:
                record.end_reason = "client_gone"
            else:
                self._stop(record)
        except ResponseAbortedError:
            raise
        except Exception:
            record.end_reason = "refused"
            record.code = "internal_error"
            _log.exception("request %s failed", record.request_id)
            if record.status:
                raise ResponseAbortedError from None
            answer = ErrorResponse("internal_error", "the gateway failed; its log says why")
            raise RequestError(answer) from None
        finally:
            if client is not None:
                client.when_gone(None)

    @staticmethod
    def _stop(record: RequestRecord) -> NoReturn:
        """End a request that outlasts the gateway: an answer that has begun is cut, not ended."""
        record.end_reason, record.code = "refused", "gateway_stopping"
        if record.status:
            raise ResponseAbortedError("the gateway stops")
        raise request_error("gateway_stopping", "the gateway stops", headers=[(b"connection", b"close")])


async def _model(fleet: RequestBackend, base: Base, quoted: bytes) -> bytes:
    """The body of ``GET <base>/v1/models/<id>``."""
    id = unquote_to_bytes(quoted).decode("utf-8", "replace")
    answer = await fleet.resolve(base.table, id, pinned=base.pinned)
    body = fleet.model(base.table.base, base.pinned, id)
    if body is not None:
        return body
    if answer.refusal is None:
        raise request_error("model_not_found", f"nothing is known of model '{id}'", "model")
    raise request_error(
        answer.refusal.code, suggest(answer.refusal.message, answer.refusal.suggestions), "model"
    )


def _require_method(method: str, path: bytes, allowed: tuple[str, ...]) -> None:
    if method not in allowed:
        headers = [(b"allow", ", ".join(allowed).encode())]
        message = f"{method} is not for '{path.decode('latin-1')}': use {allowed[0]}"
        raise request_error("method_not_allowed", message, headers=headers)


def _recorded(send: Send, record: RequestRecord) -> Send:
    """A `send` that notes what is told; an answer that does not come to its end was not waited for."""
    record.end_reason = "client_gone"

    async def sent(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            record.status = message["status"]
        else:
            record.bytes_out += len(message.get("body", b""))
            if not message.get("more_body", False):
                record.end_reason = "refused" if record.code else "ok"
        await send(message)

    return sent


def _with_headers(send: Send, headers: list[Header]) -> Send:
    async def sent(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *headers]}
        await send(message)

    return sent


async def _send_error(send: Send, answer: ErrorResponse, headers: list[Header], anthropic: bool) -> None:
    await _send_json(send, answer.status, [*answer.headers, *headers], answer.body(anthropic))


async def _send_tagged(send: Send, scope: Scope, headers: list[Header], answer: TaggedBody) -> None:
    """The answer, or 304 where the client holds it already."""
    held = dict(scope["headers"]).get(b"if-none-match", b"").decode("latin-1")
    headers = [(b"etag", answer.tag.encode()), (b"cache-control", b"no-cache"), *headers]
    if answer.matches(held):
        await _send_whole(send, 304, headers, b"")
    else:
        await _send_json(send, 200, headers, answer.body)


async def _send_json(send: Send, status: int, headers: list[Header], body: bytes) -> None:
    described = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await _send_whole(send, status, described + headers, body)


async def _send_whole(send: Send, status: int, headers: list[Header], body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
