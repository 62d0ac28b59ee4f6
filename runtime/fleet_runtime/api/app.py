"""The gateway's API as an ASGI app: find the operation of a request, read its parameters, send its result.
Everything runs on the event loop, except that large bodies are parsed in a thread.

Errors are raised as `RequestError`; the caller of the app sends and records them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qs, unquote_to_bytes

import msgspec

from fleet_runtime.api import (
    activity,
    captures,
    clients,
    control,
    favorites,
    fleet,
    health,
    models,
    provider_pages,
    series,
    settings,
)
from fleet_runtime.api.call import Call, Diagnose, json_reply
from fleet_runtime.api.event_stream import EventStream
from fleet_runtime.api.openapi import openapi_document
from fleet_runtime.api.operation import JSON, Header, Operation, PathPart, Query, Reply, operation
from fleet_runtime.api.path_hints import hint
from fleet_runtime.api.shapes import Access
from fleet_runtime.api_shape import ApiShape
from fleet_runtime.edge.api_keys import KeyScope
from fleet_runtime.edge.asgi import Receive, Scope, Send
from fleet_runtime.errors import RequestError, request_error
from fleet_runtime.gateway.service import Service
from fleet_runtime.proxy.json_body import describe_invalid
from fleet_runtime.routing.resolver import in_snapshot

LARGE_BODY: Final = 1_000_000
"""Bodies of at least this many bytes are parsed in a thread, because that takes milliseconds."""


@operation("GET", "/openapi.json", "Describe the API", described=False)
async def describe_api(call: Call) -> Reply:
    return Reply(openapi_document(OPERATIONS))


@operation("GET", "/api/access", "Show what this request's key opens", any_key=True)
async def show_access(call: Call) -> Access:
    surfaces = None if call.key is None or call.key.surfaces is None else tuple(sorted(call.key.surfaces))
    opened = (each for each in OPERATIONS if each.takes_surface or each.any_key or surfaces is None)
    return Access(
        key=None if call.key is None else call.key.name,
        surfaces=surfaces,
        operations=tuple(f"{each.method} {each.path}" for each in opened if each.described),
    )


OPERATIONS: Final = (
    *health.OPERATIONS,
    *models.OPERATIONS,
    *clients.OPERATIONS,
    *favorites.OPERATIONS,
    *fleet.OPERATIONS,
    *provider_pages.OPERATIONS,
    *settings.OPERATIONS,
    show_access,
    *activity.OPERATIONS,
    *captures.OPERATIONS,
    *control.OPERATIONS,
    *series.OPERATIONS,
    describe_api,
)

_log = logging.getLogger("fleet.api")


class Api:
    """Handles every request except inference, with the snapshot that `service` serves at that time."""

    def __init__(self, service: Service, diagnose: Diagnose) -> None:
        self._service = service
        self._diagnose = diagnose

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to one request; raises `RequestError`. ``scope["fleet.key"]`` is the scope of its key."""
        method, path = scope["method"], scope["raw_path"].decode("latin-1")
        operation, parts = self.find(method, path)
        values = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        query = {name: each[-1] for name, each in values.items()}
        key: KeyScope | None = scope.get("fleet.key")
        if key is not None and not operation.any_key:
            named = values.get("surface", []) if operation.takes_surface else []
            named = [parts["surface"]] if "surface" in parts else named
            key.require(method, path, named[0] if len(named) == 1 else None)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if method == "POST":
            _require_json(headers)
        arguments: dict[str, Any] = {}
        body: bytes = (await receive())["body"] if method not in ("GET", "HEAD") else b""
        for parameter in operation.parameters:
            match parameter.place:
                case Query():
                    text = query.get(parameter.name)
                case Header():
                    text = headers.get(parameter.name)
                case PathPart():
                    text = _unquote(parts[parameter.name], parameter.name)
            arguments[parameter.argument] = parameter.read(text)
        call = Call(self._service, self._service.live, key, self._diagnose)
        bodies = [] if operation.body is None else [await _parse(body, operation.body)]
        try:
            result = await operation.handler(call, *bodies, **arguments)
        except (RequestError, asyncio.CancelledError):
            raise
        except Exception:
            _log.exception("%s %s failed", method, path)
            raise request_error("internal_error", "internal error in the gateway; see its log") from None
        if isinstance(result, EventStream):
            await result.send(receive, send, head_only=method == "HEAD")
        else:
            await _send(send, result if isinstance(result, Reply) else json_reply(result))

    def find(self, method: str, path: str) -> tuple[Operation, Mapping[str, str]]:
        """Return the operation and the parts of the path; raises `RequestError` (`not_found`,
        `method_not_allowed`)."""
        matching = [(each, parts) for each in OPERATIONS if (parts := each.match(path)) is not None]
        if not matching:
            live, message = self._service.live, f"path '{path}' does not exist"
            meant = hint(path, live.routes, OPERATIONS)
            if not meant and path.find("/v1/") > 0:  # perhaps of a provider or a surface of another snapshot
                message = in_snapshot(message, live.snapshot.id)
            raise request_error("not_found", f"{message}{meant}")
        wanted = "GET" if method == "HEAD" else method
        for found, parts in matching:
            if found.method == wanted:
                return found, parts
        methods = sorted({found.method for found, _ in matching})
        allowed = (
            ["GET", "HEAD", *(each for each in methods if each != "GET")] if "GET" in methods else methods
        )
        message = f"method {method} is not allowed for '{path}': use {' or '.join(methods)}"
        allow = (b"allow", ", ".join(allowed).encode())
        raise request_error("method_not_allowed", message, headers=(allow,))


def _require_json(headers: Mapping[str, str]) -> None:
    """Raise `RequestError` for a POST that a page of another site could send through a browser: JSON needs a
    preflight, which other sites are denied."""
    browser = "origin" in headers or "sec-fetch-site" in headers
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if browser and kind != JSON:
        raise request_error("json_required", f"a POST from a browser needs `content-type: {JSON}`")


async def _parse(body: bytes, shape: type[ApiShape]) -> ApiShape:
    """Return the body as `shape`; raises `RequestError`."""
    try:
        if len(body) > LARGE_BODY:
            return await asyncio.to_thread(msgspec.json.decode, body, type=shape)
        return msgspec.json.decode(body, type=shape)
    except msgspec.ValidationError as error:
        raise request_error("invalid_request", f"the body is not valid: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise request_error("invalid_request", describe_invalid(body, error)) from None


def _unquote(part: str, name: str) -> str:
    try:
        return unquote_to_bytes(part.encode("latin-1")).decode()
    except UnicodeDecodeError:
        raise request_error("invalid_request", f"the {name} in the path is not UTF-8", name) from None


async def _send(send: Send, reply: Reply) -> None:
    headers = list(reply.headers)
    if reply.status != 304:
        headers[:0] = [
            (b"content-type", reply.media_type.encode()),
            (b"content-length", b"%d" % len(reply.body)),
        ]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body, "more_body": False})
