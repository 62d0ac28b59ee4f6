"""One inference request through the gateway: body, decision, machine, and the bytes of its answer back."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final, NoReturn, Protocol

from fleet_runtime.artifacts.contract import GatewayConfig, ModelState, RoutingTable
from fleet_runtime.dialects.status_reason import StatusReason
from fleet_runtime.errors import ErrorResponse, RequestError, request_error, suggest
from fleet_runtime.providers.limiter import QueueFullError
from fleet_runtime.providers.provider import Provider
from fleet_runtime.proxy.endpoints import Route
from fleet_runtime.proxy.headers import (
    Header,
    RequestHead,
    find,
    percent_encoded,
    strip_hop_by_hop,
    without_model,
)
from fleet_runtime.proxy.json_body import JsonBody, Receive, body_too_large, read_body
from fleet_runtime.proxy.multipart_body import MultipartBody, read_multipart
from fleet_runtime.proxy.request_record import RequestRecord
from fleet_runtime.routing.resolver import Resolution
from fleet_runtime.upstream import (
    BodySource,
    ConnectError,
    FirstByteTimeoutError,
    IdleTimeoutError,
    Response,
    UpstreamError,
)

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_JSON: Final = (b"content-type", b"application/json")
_REDIRECTS: Final = frozenset((301, 302, 303, 307, 308))
_BUSY_RETRY: Final = b"1"
_LOADING_RETRY: Final = b"5"


class ModelResolver(Protocol):
    """What the proxy needs of the fleet that runs."""

    @property
    def gateway(self) -> GatewayConfig: ...

    @property
    def providers(self) -> Mapping[str, Provider]: ...

    async def resolve(
        self,
        table: RoutingTable,
        text: str,
        *,
        pinned: str | None = None,
        falls_back: bool = False,
        unreachable: frozenset[str] = frozenset(),
    ) -> Resolution: ...

    def mark_suspect(self, provider: str, reason: StatusReason) -> None: ...

    def state(self, provider: str, model: str) -> ModelState: ...


class ResponseSink(Protocol):
    """A client that pieces of an answer are passed on to without a wait; see `app.Client`."""

    def pass_on(self, piece: bytes) -> bool: ...


class ResponseAbortedError(Exception):
    """An answer that has begun cannot be ended properly: the connection must be closed without an end."""


class UpstreamUnreachableError(RequestError):
    """No connection to the provider could be made: nothing was sent to it."""

    def __init__(self, answer: ErrorResponse, cause: StatusReason) -> None:
        super().__init__(answer)
        self.cause = cause


class Exchange:
    """A request and its response. `run` responds, or raises `ResponseAbortedError`, `ClientDisconnectedError`
    or what cancelled it; `record` then tells how it ended."""

    __slots__ = (
        "_client",
        "_cors",
        "_fleet",
        "_head",
        "_named",
        "_query",
        "_receive",
        "_route",
        "_send",
        "record",
    )

    def __init__(
        self,
        fleet: ModelResolver,
        route: Route,
        query: bytes,
        head: RequestHead,
        cors: list[Header],
        receive: Receive,
        send: Send,
        record: RequestRecord,
        client: ResponseSink | None = None,
    ) -> None:
        self._client = client
        self._fleet = fleet
        self._route = route
        self._query = query
        self._head = head
        self._cors = cors
        self._receive = receive
        self._send = send
        self._named: list[Header] = [(b"x-request-id", head.request_id)]
        self.record = record

    async def run(self) -> None:
        try:
            body = await self._read()
            try:
                await self._dispatch(body)
            finally:
                body.close()
        except RequestError as refusal:
            await self._refuse(refusal.answer)

    async def _read(self) -> JsonBody | MultipartBody:
        limit = self._fleet.gateway.limits.body
        head = self._head
        if head.content_length > limit:
            raise body_too_large(limit)
        if head.content_encoding and head.content_encoding.lower() != b"identity":
            encoding = head.content_encoding.decode("latin-1")
            raise request_error(
                "invalid_json", f"a body compressed with '{encoding}' cannot be routed: send it plain"
            )
        if head.content_type[:19].lower() == b"multipart/form-data":
            form = await read_multipart(self._receive, head.content_type, limit)
            self.record.body_received_at = time.perf_counter()
            return form
        data = await read_body(self._receive, limit)
        self.record.body_received_at = time.perf_counter()
        return JsonBody(data)

    async def _dispatch(self, body: JsonBody | MultipartBody) -> None:
        """Ask the machine that the body's model means; a role's next choice where that cannot be reached."""
        record = self.record
        record.bytes_in = body.length
        record.requested = body.model
        unreachable: frozenset[str] = frozenset()
        while True:
            resolution = await self._resolve(body.model, unreachable)
            name = resolution.provider
            assert name is not None
            try:
                await self._ask(body, resolution, name)
                return
            except UpstreamUnreachableError as unreached:
                self._fleet.mark_suspect(name, unreached.cause)
                if resolution.rule != "role" or name in unreachable:
                    raise
                unreachable |= {name}
                record.end_reason = "ok"

    async def _ask(self, body: JsonBody | MultipartBody, resolution: Resolution, name: str) -> None:
        record = self.record
        machine = self._fleet.providers[name]
        via, upstream, target = machine.target(self._route.endpoint.path)
        record.via = via
        self._named.append((b"x-fleet-via", via.encode()))
        query = without_model(self._query) if self._query else b""
        payload: bytes | BodySource
        payload = body.unchanged() if body.model is None else body.naming(resolution.model)
        counted = resolution.listed or resolution.model
        self._named.append((b"x-fleet-state", self._fleet.state(name, counted).encode()))
        headers = self._onward(machine)
        record.sent_at = time.perf_counter()
        try:
            await machine.enter(counted)
        except QueueFullError:
            message = f"provider '{name}' has as many requests as it takes (model '{resolution.model}')"
            raise request_error(
                "too_many_requests", message, headers=[(b"retry-after", _BUSY_RETRY)]
            ) from None
        try:
            try:
                response = await upstream.send(
                    b"POST", target + b"?" + query if query else target, headers, payload
                )
            except UpstreamError as error:
                raise self._failed(error) from error
            try:
                record.headers_at = time.perf_counter()
                record.retried = response.retried
                await self._relay(response)
            finally:
                response.abort()
        finally:
            machine.leave(counted)

    async def _resolve(self, text: str | None, unreachable: frozenset[str]) -> Resolution:
        base = self._route.base
        if not text and base.pinned is None:
            raise request_error("model_required", "the request does not name a 'model'", "model")
        falls_back = self._route.endpoint.falls_back
        resolution = await self._fleet.resolve(
            base.table, text or "", pinned=base.pinned, falls_back=falls_back, unreachable=unreachable
        )
        del self._named[1:]
        record = self.record
        record.provider = resolution.provider
        if resolution.provider is not None:
            self._named.append((b"x-fleet-provider", resolution.provider.encode()))
            if resolution.model:
                record.model = resolution.model
                self._named.append(
                    (b"x-fleet-model", percent_encoded(f"{resolution.provider}/{resolution.model}"))
                )
        refusal = resolution.refusal
        if refusal is not None and (text is not None or refusal.code != "model_not_found"):
            raise request_error(refusal.code, suggest(refusal.message, refusal.suggestions), "model")
        if resolution.fallback:
            record.fallback = True
            self._named.append((b"x-fleet-fallback", percent_encoded(resolution.requested)))
        return resolution

    def _onward(self, machine: Provider) -> list[Header]:
        """The headers that the machine gets: the client's end-to-end ones, and its own key."""
        head = self._head
        content_type = head.content_type
        lower = content_type.lower()
        sound = b"application/json" in lower or lower.startswith(b"multipart/form-data")
        return [
            *head.onward,
            (b"content-type", content_type) if sound else _JSON,
            (b"x-request-id", head.request_id),
            *machine.credentials(self._route.endpoint.anthropic),
        ]

    async def _relay(self, response: Response) -> None:
        """Pass the answer on as it comes."""
        status = response.status
        headers = strip_hop_by_hop(response.headers)
        if status in _REDIRECTS:
            raise self._redirected(status, find(headers, b"location"))
        if response.until_close:
            headers.append((b"connection", b"close"))  # whether it is whole is no clearer here than there
        stream = (find(headers, b"content-type") or b"")[:17].lower() == b"text/event-stream"
        first: bytes | None = response.complete
        if first is None and not stream:
            try:
                first = await response.chunk()
            except UpstreamError as error:
                raise self._failed(error) from error
            self.record.headers_at = time.perf_counter()
        if status >= 500:
            if first == b"":
                await self._refuse(self._silent(status), status)
                return
            if status == 503 and b"Loading model" in (first or b"") and find(headers, b"retry-after") is None:
                headers.append((b"retry-after", _LOADING_RETRY))
        await self._start(status, headers)
        if first is not None:
            last = not first or response.complete is not None or len(first) == response.content_length
            await self._pass(first, more=not last)
            if last:
                return
        try:
            if self._client is None:
                while chunk := await response.chunk():
                    await self._pass(chunk, more=True)
            else:
                while not await response.forward(self._forward):
                    await self._pass(b"", more=True)
        except UpstreamError as error:
            plain = find(headers, b"content-encoding") is None and response.content_length is None
            await self._cut(error, tell=stream and plain)
        await self._pass(b"", more=False)

    async def _start(self, status: int, headers: list[Header]) -> None:
        record = self.record
        record.status = status
        record.start_response()
        if self._cors:
            headers = [header for header in headers if not header[0].startswith(b"access-control-")]
            headers += self._cors
        headers += self._named
        headers.append((b"server-timing", record.server_timing()))
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def _pass(self, data: bytes, *, more: bool) -> None:
        record = self.record
        if data and record.first_byte_at is None:
            record.first_byte_at = time.perf_counter()
        record.bytes_out += len(data)
        await self._send({"type": "http.response.body", "body": data, "more_body": more})

    def _forward(self, piece: bytes) -> bool:
        """As `_pass`, without waiting for a client that is slow: False says that it is."""
        assert self._client is not None
        record = self.record
        if record.first_byte_at is None:
            record.first_byte_at = time.perf_counter()
        record.bytes_out += len(piece)
        return self._client.pass_on(piece)

    async def _cut(self, error: UpstreamError, *, tell: bool) -> NoReturn:
        """End an answer that the machine did not: on a plain event stream with an event that says so."""
        answer = self._failed(error).answer
        self.record.code = answer.code
        if tell:
            await self._pass(answer.event(self._route.endpoint.anthropic), more=True)
        raise ResponseAbortedError(answer.message) from error

    async def _refuse(self, answer: ErrorResponse, status: int | None = None) -> None:
        record = self.record
        record.code = answer.code
        if record.end_reason == "ok":
            record.end_reason = "refused"
        body = answer.body(self._route.endpoint.anthropic)
        headers = [_JSON, (b"content-length", b"%d" % len(body)), *answer.headers]
        await self._start(status or answer.status, headers)
        await self._pass(body, more=False)

    def _failed(self, error: UpstreamError) -> RequestError:
        self.record.end_reason = error.reason
        if isinstance(error, ConnectError):
            refusal = request_error("provider_unreachable", f"{self._whom()} cannot be reached: {error}")
            return UpstreamUnreachableError(refusal.answer, error.cause)
        if isinstance(error, FirstByteTimeoutError | IdleTimeoutError):
            return request_error("upstream_timeout", f"{self._whom()} did not answer in time: {error}")
        return request_error("upstream_error", f"{self._whom()} failed: {error}")

    def _redirected(self, status: int, location: bytes | None) -> RequestError:
        self.record.end_reason = "upstream_error"
        where = f" to '{location.decode('latin-1')}'" if location else ""
        return request_error(
            "upstream_redirect", f"{self._whom()} redirects ({status}){where}, which is not followed"
        )

    def _silent(self, status: int) -> ErrorResponse:
        self.record.end_reason = "upstream_error"
        return ErrorResponse("upstream_error", f"{self._whom()} answered {status} without a word")

    def _whom(self) -> str:
        record = self.record
        server = "the sidecar of " if record.via == "sidecar" else ""
        model = f" (model '{record.model}')" if record.model else ""
        return f"{server}provider '{record.provider}'{model}"
