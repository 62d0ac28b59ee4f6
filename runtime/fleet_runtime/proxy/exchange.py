"""One inference request and its response: a state machine between a client's and a provider's connection.

Theory of operation. An exchange has no task and never blocks. It is driven by events of the client's
connection (`on_body`, `on_body_end`, `on_gone`, `on_slow`, `on_ready`), of the provider's connection
(`on_head`, `on_data`, `on_error`), and of the server (`stop`). Each event is a transition from one
`ExchangeState` to another within the call; docs/architecture.md has the table of states and events.

    RECEIVING -> (PREPARING | RESOLVING | WAKING | QUEUED | CONNECTING)*
              -> SENT -> (HEAD_HELD) -> RELAYING -> DONE

In the states in parentheses, the exchange waits for the parsing of a very long body, a new probe, a waking
provider, a slot, or a connection. A small task, `_task`, does that and calls back with the result; most
requests skip these states. HEAD_HELD is a response whose body has not started yet, so that it can still be
replaced by an error of the gateway.

Invariants: the provider's slot, the bytes of the body and the connection are released on every exit
(`_release`); the record is reported exactly once; a request is sent again only if a *reused* connection ended
before any byte of a response; a role's next choice is tried only if nothing was sent.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from fleet_runtime.errors import ErrorResponse, RequestError
from fleet_runtime.proxy.exchange_state import ExchangeState
from fleet_runtime.proxy.failures import FAILED, STOPPING, upstream_failure
from fleet_runtime.proxy.incoming_body import IncomingBody, RequestBody
from fleet_runtime.proxy.keepalive import keep_alive
from fleet_runtime.proxy.relay import Relay
from fleet_runtime.proxy.request_context import RequestContext
from fleet_runtime.proxy.request_plan import Plan, Plans, try_to_wake, wakes_unreached
from fleet_runtime.proxy.request_record import RequestRecord
from fleet_runtime.tasks import hand_over
from fleet_runtime.upstream import ConnectError, Connection, ResponseHead, UpstreamCutError, UpstreamError

RECEIVING, PREPARING, RESOLVING, WAKING, QUEUED, CONNECTING, SENT, HEAD_HELD, RELAYING, DONE = ExchangeState
Result = TypeVar("Result")
log = logging.getLogger(__name__)


class Exchange:
    """Begins when the request's headers have arrived and its route is an inference route."""

    __slots__ = (
        *("_body", "_connection", "_context", "_incoming", "_plan", "_plans", "_relay"),
        *("_reused", "_slow", "_task", "_unreachable", "state"),
    )

    def __init__(self, context: RequestContext, plans: Plans) -> None:
        """Raises `RequestError` if the body cannot be routed; then it is not read."""
        self._incoming = IncomingBody(context)
        self.state = RECEIVING
        self._context = context
        self._plans = plans
        self._body: RequestBody | None = None
        self._plan: Plan | None = None
        self._connection: Connection | None = None
        self._reused = False
        self._unreachable: frozenset[str] = frozenset()
        self._relay: Relay | None = None
        self._slow = False
        self._task: asyncio.Task[None] | None = None

    @property
    def record(self) -> RequestRecord:
        return self._context.record

    # Events of the client's connection

    def on_body(self, piece: bytes) -> None:
        """Receive the next bytes of the request's body."""
        if self.state is RECEIVING:
            try:
                self._incoming.feed(piece)
            except RequestError as error:
                self._reject(error.answer)

    def on_body_end(self) -> None:
        """The request's body is complete."""
        if self.state is not RECEIVING:
            return
        self._context.record.body_received_at = time.perf_counter()
        incoming = self._incoming
        try:
            if incoming.is_long:
                self._wait(PREPARING, incoming.parse_aside, self._route)
            else:
                self._route(incoming.parse())
        except RequestError as error:
            self._reject(error.answer)
        except Exception:
            self._crash()

    def on_invalid(self, error: ErrorResponse) -> None:
        """Reject the rest of the request, which is invalid."""
        if self.state is RECEIVING:
            self._reject(error)

    def on_gone(self) -> None:
        """Stop everything at once, because the client has disconnected."""
        if self.state is not DONE:
            self._context.record.end_reason = "client_gone"
            self._finish()

    def on_slow(self) -> None:
        """Stop reading from the provider, because the client has stopped reading."""
        self._slow = True
        if self._connection is not None:
            self._connection.pause_reading()

    def on_ready(self) -> None:
        """The client reads again."""
        self._slow = False
        if self._connection is not None:
            self._connection.resume_reading()

    def stop(self, error: ErrorResponse = STOPPING) -> None:
        """Abort the exchange: cut a response that has begun, otherwise respond with `error`."""
        if self.state is DONE:
            return
        record = self._context.record
        record.end_reason = "cancelled" if error.code == "request_cancelled" else "refused"
        record.code = error.code
        if self.state is RELAYING:
            self._context.sink.cut()
            self._finish()
        else:
            self._reject(error)

    # Body -> plan -> slot -> connection -> request

    def _route(self, body: RequestBody) -> None:
        """Determine the destination of the request."""
        self._body = body
        context, unreachable = self._context, self._unreachable
        context.record.bytes_in = body.length
        context.record.requested = body.model
        if context.route is not None and context.route.keepalive is not None:
            keep_alive(context, body, context.route.keepalive)
        plan = self._plans.choose(context, body, unreachable)
        if isinstance(plan, Plan):
            self._enter(plan)
        elif plan.asleep:
            self._wake(plan.provider or "", body, is_role=plan.rule == "role")
        else:
            refresh = partial(context.fleet.refresh, plan.provider or "")
            settle = partial(self._plans.settle, context, body, unreachable)
            self._wait(RESOLVING, refresh, lambda _: self._enter(settle()))

    def _wake(self, provider: str, body: RequestBody, *, is_role: bool) -> None:
        """Wake the provider, then continue as after the body's end; a role may continue without it."""

        def proceed(unreachable: frozenset[str]) -> None:
            self._unreachable |= unreachable
            self._route(body)

        wake = partial(try_to_wake, self._context.fleet, provider, is_role=is_role)
        self._wait(WAKING, wake, proceed)

    def _enter(self, plan: Plan) -> None:
        """Take a slot at the provider."""
        record = self._context.record
        record.provider, record.via, record.state = plan.name, plan.via, plan.state
        record.model = plan.resolution.model or None
        record.fallback = plan.resolution.fallback
        record.sent_at = time.perf_counter()
        if plan.provider.try_enter(plan.counted):
            self._connect(plan)
        else:
            self._wait(QUEUED, plan.wait_for_slot, self._connect)

    def _connect(self, plan: Plan) -> None:
        self._plan = plan
        connection = plan.upstream.idle_connection()
        self._reused = connection is not None
        if connection is not None:
            self._send(connection)
        else:
            self._wait(CONNECTING, plan.upstream.new_connection, self._send, self._unreached)

    def _send(self, connection: Connection) -> None:
        plan, body = self._plan, self._body
        assert plan is not None
        assert body is not None
        lines, payload = plan.request(self._context, body)
        self.state = SENT
        self._connection = connection
        connection.start(lines, payload, self, plan.upstream.timeouts)

    def _unreached(self, error: Exception) -> None:
        """Handle a failed connection: use a role's next choice, wake the provider, or end."""
        if not isinstance(error, ConnectError):
            raise error
        plan, body = self._plan, self._body
        assert plan is not None
        assert body is not None
        answer = upstream_failure(self.record, error)
        self._context.fleet.mark_suspect(plan.name, error.cause)
        is_role = plan.resolution.rule == "role"
        if plan.name in self._unreachable or not (is_role or wakes_unreached(self._context, plan)):
            self._reject(answer)
            return
        self._leave()
        self._unreachable |= {plan.name}
        self._context.record.end_reason = "ok"
        self._route(body) if is_role else self._wake(plan.name, body, is_role=False)

    # Events of the provider's connection

    def on_head(self, head: ResponseHead, data: bytes, ended: bool) -> None:
        """Receive the head of the response, with the first bytes of its body."""
        try:
            self._context.record.headers_at = time.perf_counter()
            relay = self._relay = Relay(self._context, head, self._plans.headers)
            self._drop_body()
            if ended:
                self._connection = None
            elif self._slow and self._connection is not None:
                self._connection.pause_reading()
            if (refusal := relay.refusal) is not None:
                self._reject(refusal)
            elif data or ended or relay.is_stream:
                self._start(relay, data, ended)
            else:
                self.state = HEAD_HELD
        except Exception:
            self._crash()

    def on_data(self, data: bytes, ended: bool) -> None:
        """Receive the next bytes of the response, from one read."""
        try:
            if ended:
                self._connection = None
            relay = self._relay
            assert relay is not None
            if self.state is HEAD_HELD:
                self._context.record.headers_at = time.perf_counter()
                self._start(relay, data, ended)
            else:
                relay.write(data, ended)
                if ended:
                    self._finish()
        except Exception:
            self._crash()

    def on_error(self, error: BaseException) -> None:
        """Handle an incomplete response."""
        try:
            self._connection = None
            if not isinstance(error, UpstreamError):
                raise error
            silent = isinstance(error, UpstreamCutError) and error.silent
            if self.state is SENT and silent and self._reused and self._plan is not None:
                self._context.record.retried = True
                self._reused = False
                self._wait(CONNECTING, self._plan.upstream.new_connection, self._send, self._unreached)
            elif self.state is RELAYING and self._relay is not None:
                self._relay.cut(error)
                self._finish()
            else:
                self._reject(upstream_failure(self.record, error))
        except Exception:
            self._crash()

    def _start(self, relay: Relay, data: bytes, ended: bool) -> None:
        if ended and not data and (empty := relay.empty_error()) is not None:
            self._reject(empty, relay.status)
            return
        self.state = RELAYING
        relay.start(data, ended)
        if ended:
            self._finish()

    # Ways out

    def _reject(self, error: ErrorResponse, status: int | None = None) -> None:
        """Respond with an error of the gateway."""
        self._release()
        self._context.reject(error, status)

    def _finish(self) -> None:
        """Finish the exchange. A model that had to be loaded for it is loaded now."""
        plan, record = self._plan, self._context.record
        if plan is not None and plan.is_cold and record.status == 200 and record.end_reason == "ok":
            self._context.fleet.mark_loaded(plan.name, plan.counted)
        self._release()
        self._context.finish()

    def _crash(self) -> None:
        """Respond to a bug of the gateway with an error that reveals no internals."""
        log.exception("request %s failed", self._context.record.request_id)
        self.stop(FAILED)

    def _release(self) -> None:
        """Release everything that the exchange holds."""
        self.state = DONE
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abort()
        if self._relay is None:  # else it is dropped already
            self._drop_body()
        self._leave()

    def _leave(self) -> None:
        plan, self._plan = self._plan, None
        if plan is not None:
            plan.provider.leave(plan.counted)

    def _drop_body(self) -> None:
        self._incoming.give_back()
        self._body = None

    # What must be waited for

    def _wait(
        self,
        state: ExchangeState,
        begin: Callable[[], Awaitable[Result]],
        proceed: Callable[[Result], None],
        failed: Callable[[Exception], None] | None = None,
    ) -> None:
        """Run `begin` in a task, which then calls `proceed` or `failed`."""
        self.state = state
        self._task = hand_over(
            begin, partial(self._resume, proceed), partial(self._resume, failed or self._failed)
        )

    def _resume(self, step: Callable[[Result], None], result: Result) -> None:
        self._task = None
        try:
            step(result)
        except RequestError as error:
            self._reject(error.answer)
        except Exception:
            self._crash()

    def _failed(self, error: Exception) -> None:
        """End the exchange; re-raising a rejection would keep it and the body alive through its traceback."""
        if not isinstance(error, RequestError):
            raise error
        self._reject(error.answer)
