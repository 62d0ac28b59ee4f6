"""Dispatch a request: access control, then the route of its path."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol
from urllib.parse import unquote_to_bytes

from fleet_runtime import loop_guard
from fleet_runtime.artifacts.contract import RoutingTable
from fleet_runtime.catalog.etag import TaggedBody
from fleet_runtime.catalog.list_request import ListRequest
from fleet_runtime.edge.api_keys import ApiKeys, KeyScope
from fleet_runtime.edge.asgi import ApiRequest, ASGIApp
from fleet_runtime.edge.head_memo import HeadMemo, head_key
from fleet_runtime.edge.host_policy import HostPolicy, preflight
from fleet_runtime.edge.interfaces import Arrival, PageResponse, RequestHandler
from fleet_runtime.edge.model_lookup import ModelLookup, list_request, send_tagged
from fleet_runtime.errors import RequestError, request_error
from fleet_runtime.header_lines import HeaderLines
from fleet_runtime.loop_guard import GatewayView
from fleet_runtime.proxy.capture import Captures
from fleet_runtime.proxy.captured_exchange import CapturedExchange, begin_capture
from fleet_runtime.proxy.endpoints import Routes
from fleet_runtime.proxy.exchange import Exchange
from fleet_runtime.proxy.failures import FAILED
from fleet_runtime.proxy.memory_budget import MemoryBudget
from fleet_runtime.proxy.request_context import ModelResolver, RecordSink, RequestContext, ResponseSink
from fleet_runtime.proxy.request_head import RequestHead, header_block, interpret_field, request_ids
from fleet_runtime.proxy.request_plan import Plans
from fleet_runtime.proxy.request_record import RequestRecord

log = logging.getLogger(__name__)


class RequestBackend(ModelResolver, Protocol):
    """One snapshot at work: read once per request, replaced on a reload."""

    @property
    def tables(self) -> Mapping[str, RoutingTable]: ...

    @property
    def keys(self) -> ApiKeys: ...

    @property
    def routes(self) -> Routes: ...

    @property
    def access(self) -> HostPolicy: ...

    @property
    def plans(self) -> Plans: ...

    @property
    def heads(self) -> HeadMemo: ...

    @property
    def captures(self) -> Captures | None:
        """The captures, or None if they are off; with captures, `heads` caches nothing."""

    def models(self, base: str, pinned: str | None, wanted: ListRequest) -> TaggedBody: ...

    def gateways(self) -> GatewayView: ...

    def model(self, base: str, pinned: str | None, id: str) -> bytes | None: ...


class Dispatcher:
    """`current` gives the snapshot that serves now; `api` gets every path that is not for inference;
    `finished` gets the record of each finished request. `check_api` raises `RequestError` if the API
    does not have a method and path. `find_page` has what needs no key. `find_translated` finds the handler of
    a request of another API, or raises `RequestError`.
    `memory`: the bytes of bodies held now."""

    def __init__(
        self,
        current: Callable[[], RequestBackend],
        finished: RecordSink,
        api: ASGIApp | None = None,
        check_api: Callable[[str, str], object] | None = None,
        find_page: Callable[[RequestHead], PageResponse | None] | None = None,
        find_translated: Callable[[RequestContext, KeyScope | None], RequestHandler | None] | None = None,
    ) -> None:
        self._current = current
        self._finished = finished
        self._api = api
        self._check_api = check_api
        self._find_page = find_page
        self._find_translated = find_translated
        self.memory = MemoryBudget()
        self._lines = HeaderLines(interpret_field)
        self._new_ids = request_ids()

    def read(self, raw: bytes) -> Arrival:
        """Read a complete head, which lacks its empty line; raises `InvalidHeadError`."""
        found = head_key(raw)
        if found is None:
            head = RequestHead(raw, self._lines)
            return Arrival(head, head.content_length, None, None)
        key, length = found
        admission = self._current().heads.known.get(key)
        if admission is not None:
            return Arrival(admission.head, length, key, admission)
        head = RequestHead(raw, self._lines)
        return Arrival(head, length, key if head.request_id is None else None, None)

    def begin(self, arrival: Arrival, sink: ResponseSink) -> RequestHandler | None:
        """Return the handler of a request, or respond at once and return None."""
        fleet = self._current()
        head, admission = arrival.head, arrival.admission
        request_id = head.request_id or next(self._new_ids)
        if admission is None:
            route, cors = fleet.routes.proxied(head.path), b""
        else:
            route, cors = admission.route, admission.cors
        if route is None:
            path = head.path.decode("latin-1")
            record = RequestRecord(request_id.decode(), None, path, inference=False, number=0)
        else:
            record = RequestRecord(request_id.decode(), route.base.table.surface, route.endpoint.path)
            if admission is not None:
                record.key = admission.key
        context = RequestContext(
            fleet,
            head,
            request_id,
            arrival.content_length,
            route,
            cors,
            record,
            sink,
            self._finished,
            self.memory,
        )
        try:
            if admission is None:
                return self._admit(fleet, context, arrival.key)
            return Exchange(context, fleet.plans)
        except RequestError as error:
            rejection = error.answer
        except Exception:
            log.exception("request %s failed", record.request_id)
            rejection = FAILED
        context.speaks_ollama = fleet.routes.ollama(head.path) is not None
        context.reject(rejection)
        return None

    def _admit(
        self, fleet: RequestBackend, context: RequestContext, memo_key: bytes | None
    ) -> RequestHandler | None:
        head, route, path = context.head, context.route, context.head.path
        if (cors := fleet.access.check(head)) or head.method == "OPTIONS":
            context.cors = header_block(cors)
            if head.method == "OPTIONS" and (allowed := preflight(head.headers(), cors)) is not None:
                context.record.status = 204
                context.sink.respond(204, header_block(allowed), b"")
                context.finish()
                return None
        if route is None and self._find_page is not None and (page := self._find_page(head)) is not None:
            context.respond(page.status, page.block, page.body)
            return None
        key: KeyScope | None = None
        if fleet.keys:
            key = fleet.keys.check(head.key, head.method, path.decode("latin-1"))
            context.record.key = None if key is None else key.name
        if head.loop is not None and (refused := loop_guard.refusal(head.loop)) is not None:
            raise refused
        if route is not None:
            _require_method(head, ("POST",))
            if memo_key is not None:
                fleet.heads.keep(memo_key, head, route, context.cors, context.record.key)
            if fleet.captures is not None:
                capture = begin_capture(fleet.captures, context)
                return CapturedExchange(context, fleet.plans, capture)
            return Exchange(context, fleet.plans)
        if (base := fleet.routes.lists.get(path)) is not None:
            _require_method(head, ("GET", "HEAD"))
            wanted, line = list_request(head), b""
            if loop_guard.is_from_gateway(head.loop):
                seen = fleet.gateways()
                wanted, line = replace(wanted, without=seen.circular), seen.line
            send_tagged(context, fleet.models(base.table.base, base.pinned, wanted), line)
            return None
        if (named := fleet.routes.model(path)) is not None:
            _require_method(head, ("GET", "HEAD"))
            base, quoted = named
            id = unquote_to_bytes(quoted).decode("utf-8", "replace")
            return ModelLookup(context, base, id, lambda: fleet.model(base.table.base, base.pinned, id))
        if self._find_translated is not None and (found := self._find_translated(context, key)) is not None:
            return found
        if self._api is not None:
            if head.expects_continue and self._check_api is not None:  # a body that is of no use is not sent
                self._check_api(head.method, path.decode("latin-1"))
            return ApiRequest(context, self._api, key)
        raise request_error("not_found", f"path '{path.decode('latin-1')}' does not exist")


def _require_method(head: RequestHead, allowed: tuple[str, ...]) -> None:
    if head.method not in allowed:
        headers = [(b"allow", ", ".join(allowed).encode())]
        message = f"method {head.method} is not allowed for '{head.path.decode('latin-1')}': use {allowed[0]}"
        raise request_error("method_not_allowed", message, headers=headers)
