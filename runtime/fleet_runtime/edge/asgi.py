"""Run an ASGI application on a client's connection: the API, off the inference path.

The application gets a request when its body, which has a small limit, is complete. Its response uses the same
writer as all others; an incomplete response is cut.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final
from urllib.parse import unquote

from fleet_runtime.errors import ErrorResponse, RequestError
from fleet_runtime.proxy.failures import FAILED, STOPPING
from fleet_runtime.proxy.memory_budget import body_too_large, gateway_busy
from fleet_runtime.proxy.request_context import RequestContext
from fleet_runtime.proxy.request_head import header_block

MAX_BODY: Final = 2_000_000
"""The maximum size of a request's body in bytes; the API needs only short ones."""

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]


log = logging.getLogger(__name__)


class ApiRequest:
    """One request to the application, as its connection's handler. `key` is the scope of its API key.

    The application may raise `RequestError`, which becomes the response. A body over the limit is an error
    only when the application reads it, so that an unknown path is reported first.
    """

    def __init__(self, context: RequestContext, app: ASGIApp, key: object) -> None:
        self._context = context
        self._app = app
        self._key = key
        self._limit = min(MAX_BODY, context.fleet.limits.body)
        self._pieces: list[bytes] | None = []
        self._too_large = False
        self._held = 0
        self._left: int | None = None
        self._started = False
        self._done = False
        self._gone = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._task: asyncio.Task[None] | None = None

    # Events of the client's connection

    def on_body(self, piece: bytes) -> None:
        context = self._context
        if self._done or self._task is not None or self._pieces is None:
            return
        if max(self._held + len(piece), context.content_length) > self._limit:
            self._too_large = True
            self._begin()
        elif context.memory.take(len(piece), context.fleet.limits.memory):
            self._held += len(piece)
            self._pieces.append(piece)
        else:
            self._reject(gateway_busy().answer)

    def on_body_end(self) -> None:
        if not self._done and self._task is None:
            self._begin()

    def on_invalid(self, error: ErrorResponse) -> None:
        if self._task is None:
            self._reject(error)

    def on_gone(self) -> None:
        self._gone.set()
        self._writable.set()
        if self._task is None:
            self._finish("client_gone")

    def on_slow(self) -> None:
        self._writable.clear()

    def on_ready(self) -> None:
        self._writable.set()

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
        else:
            self._reject(STOPPING)

    # The application's side

    def _begin(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        try:
            await self._app(self._scope(), self._receive, self._send)
            complete = self._done or self._gone.is_set()
            if not complete:
                log.error("the API did not complete its response to %s", self._context.record.endpoint)
        except RequestError as error:
            complete = not self._started
            if complete:
                self._reject(error.answer)
        except asyncio.CancelledError:
            complete = False
        except Exception:
            complete = False
            log.exception("the API failed at %s", self._context.record.endpoint)
        if self._gone.is_set():
            self._finish("client_gone")
        elif not complete and self._started:
            self._context.sink.cut()
            self._finish("refused")
        elif not complete:
            self._context.sink.close_after()
            self._reject(FAILED)

    def _scope(self) -> Scope:
        head = self._context.head
        path = head.path.decode("ascii")
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1" if head.http11 else "1.0",
            "method": head.method,
            "scheme": "http",
            "path": unquote(path) if "%" in path else path,
            "raw_path": head.path,
            "query_string": head.query,
            "root_path": "",
            "headers": head.headers(),
            "client": None,
            "server": None,
            "state": {},
            "fleet.key": self._key,
            "extensions": {},
        }

    async def _receive(self) -> Message:
        if self._too_large:
            raise body_too_large(self._limit)
        if self._pieces is not None:
            pieces, self._pieces = self._pieces, None
            return {"type": "http.request", "body": b"".join(pieces), "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        await self._writable.wait()
        if self._gone.is_set() or self._done:
            return
        if message["type"] == "http.response.start":
            self._start(message)
        else:
            self._write(message.get("body", b""), not message.get("more_body", False))

    def _start(self, message: Message) -> None:
        context = self._context
        headers = [(name.lower(), value) for name, value in message.get("headers", ())]
        lengths = [int(value) for name, value in headers if name == b"content-length"]
        self._left = lengths[0] if lengths else None
        self._started = True
        context.record.status = message["status"]
        block = header_block(headers) + context.common_block
        context.sink.start(message["status"], block, self._left, b"", False)

    def _write(self, body: bytes, ended: bool) -> None:
        context = self._context
        context.record.bytes_out += len(body)
        if self._left is not None and context.head.method != "HEAD":
            self._left -= len(body)
            if self._left < 0 or (ended and self._left):
                raise RuntimeError("the response does not have its declared length")
        context.sink.write(body, ended)
        if ended:
            self._finish("ok")

    def _reject(self, error: ErrorResponse) -> None:
        if not self._done:
            self._release()
            self._context.reject(error)

    def _finish(self, end_reason: str) -> None:
        if not self._done:
            self._release()
            self._context.record.end_reason = end_reason  # type: ignore[assignment]
            self._context.finish()

    def _release(self) -> None:
        self._done = True
        self._context.memory.give_back(self._held)
        self._held = 0
