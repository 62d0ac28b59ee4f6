"""Serve ``/v1/models`` of a base, and its models."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qs

from fleet_runtime.catalog.etag import TaggedBody
from fleet_runtime.catalog.list_request import ListRequest, parse_list_request
from fleet_runtime.errors import ErrorResponse, RequestError, request_error, suggest
from fleet_runtime.proxy.endpoints import Base
from fleet_runtime.proxy.request_context import RequestContext
from fleet_runtime.proxy.request_head import RequestHead

_FAILED: Final = ErrorResponse("internal_error", "internal error in the gateway; see its log")
_STOPPING: Final = ErrorResponse("gateway_stopping", "the gateway is stopping")

log = logging.getLogger(__name__)


def send_tagged(context: RequestContext, found: TaggedBody, more: bytes = b"") -> None:
    """Respond with a body, or with 304 if the client has it already; `more` are further header lines."""
    held = (context.head.if_none_match or b"").decode("latin-1")
    block = b"etag: %b\r\ncache-control: no-cache\r\n%b" % (found.tag.encode(), more)
    if found.matches(held):
        context.respond(304, block, b"")
    else:
        context.respond(200, b"content-type: application/json\r\n" + block, found.body)


def list_request(head: RequestHead) -> ListRequest:
    """Return the list that a request is for; raises `RequestError` for invalid parameters."""
    if not head.query and b"anthropic-version" not in head.forwarded:
        return ListRequest()
    values = parse_qs(head.query.decode("latin-1"), keep_blank_values=True)
    query = {name: each[-1] for name, each in values.items()}
    anthropic = any(name == b"anthropic-version" for name, _ in head.headers())
    try:
        return parse_list_request(query, anthropic=anthropic)
    except ValueError as error:
        parameter, message = error.args
        raise request_error("invalid_request", message, parameter) from None


class ModelLookup:
    """``GET <base>/v1/models/<id>``, as its connection's handler: an unknown model may need a new probe,
    which a task waits for. `find` returns the body of an available model."""

    def __init__(
        self, context: RequestContext, base: Base, id: str, find: Callable[[], bytes | None]
    ) -> None:
        self._context = context
        self._base = base
        self._id = id
        self._find = find
        self._task: asyncio.Task[None] | None = None
        self._done = False

    def on_body(self, piece: bytes) -> None:
        """Ignore the body of a GET (RFC 9110, 9.3.1)."""

    def on_body_end(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    def on_invalid(self, error: ErrorResponse) -> None:
        self._reject(error)

    def on_gone(self) -> None:
        if self._task is not None:
            self._task.cancel()
        if not self._done:
            self._done = True
            self._context.record.end_reason = "client_gone"
            self._context.finish()

    def on_slow(self) -> None: ...

    def on_ready(self) -> None: ...

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
        self._context.sink.close_after()
        self._reject(_STOPPING)

    async def _run(self) -> None:
        context = self._context
        try:
            answer = context.fleet.resolve_now(self._base.table, self._id, pinned=self._base.pinned)
            if answer.may_be_stale and answer.provider is not None:
                await context.fleet.refresh(answer.provider)
                answer = context.fleet.resolve_now(self._base.table, self._id, pinned=self._base.pinned)
            body = self._find()
            if body is None and answer.refusal is None:
                raise request_error("model_not_found", f"unknown model '{self._id}'", "model")
            if body is None and answer.refusal is not None:
                refusal = answer.refusal
                message = suggest(refusal.message, refusal.suggestions)
                raise request_error(refusal.code, message, "model")
            self._done = True
            send_tagged(context, TaggedBody(body or b""))
        except RequestError as error:
            self._reject(error.answer)
        except Exception:
            log.exception("request %s failed", context.record.request_id)
            self._reject(_FAILED)

    def _reject(self, error: ErrorResponse) -> None:
        if not self._done:
            self._done = True
            self._context.reject(error)
