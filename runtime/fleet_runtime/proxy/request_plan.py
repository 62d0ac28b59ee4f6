"""The cached plan for a model name on a route: provider, request line, credentials, headers.

A plan depends only on the path and the model name. Plans are cached until a provider changes, and belong to
one snapshot.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Final

from fleet_runtime import loop_guard
from fleet_runtime.artifacts.contract import ModelState, Via
from fleet_runtime.errors import RequestError, request_error, suggest
from fleet_runtime.providers.health import COLD
from fleet_runtime.providers.limiter import QueueFullError
from fleet_runtime.providers.provider import Provider
from fleet_runtime.proxy.endpoints import Route
from fleet_runtime.proxy.incoming_body import RequestBody
from fleet_runtime.proxy.request_context import ModelResolver, RequestContext
from fleet_runtime.proxy.request_head import Header, header_block, percent_encoded, without_model
from fleet_runtime.proxy.response_head import Field
from fleet_runtime.routing.resolver import Resolution
from fleet_runtime.store.old_names import OldNameUse
from fleet_runtime.upstream import Upstream
from fleet_runtime.upstream.request_body import Body, body_size

MAX_PLANS: Final = 4096
_BUSY_RETRY: Final = ((b"retry-after", b"1"),)


@dataclass(frozen=True, slots=True)
class Plan:
    """How a request is sent.

    `counted` is the model under which it is counted. `head` is the beginning of the provider's request: its
    line and Host; `credentials` are the header lines of the provider's key. `named` are the ``x-fleet-*``
    lines of the response, `state` is the model's state at the latest probe, and `is_cold` whether it must be
    loaded first. `old_names` count the requests.
    """

    resolution: Resolution
    name: str
    provider: Provider
    upstream: Upstream
    via: Via
    counted: str
    target: bytes
    head: bytes
    credentials: bytes
    named: bytes
    state: ModelState
    is_cold: bool
    old_names: tuple[OldNameUse, ...] = ()

    async def wait_for_slot(self) -> Plan:
        """Wait for a slot and return the plan; raises `RequestError` if the provider's queue is full."""
        try:
            await self.provider.enter(self.counted)
        except QueueFullError:
            model = f" (model '{self.resolution.model}')" if self.resolution.model else ""
            message = f"provider '{self.name}'{model} is at its concurrency limit and its queue is full"
            raise request_error("too_many_requests", message, headers=_BUSY_RETRY) from None
        return self

    def request(self, context: RequestContext, body: RequestBody) -> tuple[bytes, Body]:
        """Return head and body of the provider's request."""
        head = context.head
        query = without_model(head.query) if head.query else b""
        payload: Body = body.unchanged() if body.model is None else body.naming(self.resolution.model)
        lines = b"%b%bx-request-id: %b\r\n%bcontent-length: %d\r\n\r\n" % (
            _first_lines(self.upstream, self.target + b"?" + query) if query else self.head,
            head.forwarded,
            context.request_id,
            self.credentials,
            body_size(payload),
        )
        return lines, payload


class Plans:
    """The plans of one snapshot, dropped whenever `version` changes. `headers` caches the parsed headers of
    responses."""

    __slots__ = ("_known", "_version", "headers")

    def __init__(self) -> None:
        self.headers: dict[Header, Field] = {}
        self._known: dict[tuple[str, str, str], Plan] = {}
        self._version = -1

    def choose(
        self, context: RequestContext, body: RequestBody, unreachable: frozenset[str]
    ) -> Plan | Resolution:
        """Return the plan for a body; return a resolution if a new probe of its provider is needed, or if the
        provider is asleep.

        Raises `RequestError` as `settle` does, and `model_required`.
        """
        fleet, route, text = context.fleet, context.route, body.model
        assert route is not None
        if fleet.version != self._version:
            self._known.clear()
            self._version = fleet.version
        if text and not unreachable:
            plan = self._known.get((route.base.path, route.endpoint.path, text))
            if plan is not None:
                context.named = plan.named
                for use in plan.old_names:
                    use.note(context.record.surface, time.time())
                return plan
        if not text and route.base.pinned is None:
            raise request_error("model_required", "the request does not name a 'model'", "model")
        resolution = _resolve(context, body, unreachable)
        if resolution.provider is not None and resolution.may_be_stale:
            return resolution
        if wakes(context, resolution):
            context.record.provider, context.record.model = resolution.provider, resolution.model
            context.named = _provider_block(resolution)
            return resolution
        return self.settle(context, body, unreachable, resolution)

    def settle(
        self,
        context: RequestContext,
        body: RequestBody,
        unreachable: frozenset[str],
        resolution: Resolution | None = None,
    ) -> Plan:
        """Return the plan for a body with the current state; raises `RequestError` if there is none."""
        resolution = resolution or _resolve(context, body, unreachable)
        record, refusal = context.record, resolution.refusal
        assert context.route is not None
        record.provider = resolution.provider
        if resolution.provider is not None:
            record.model = resolution.model or None
        context.named = _provider_block(resolution)
        route, fleet = context.route, context.fleet
        old_names: tuple[OldNameUse, ...] = ()
        if body.model is not None and route.base.pinned is None:
            old_names = fleet.old_names.note(route.base.table, body.model, record.surface)
        if refusal is not None and (body.model is not None or refusal.code != "model_not_found"):
            raise request_error(refusal.code, suggest(refusal.message, refusal.suggestions), "model")
        keep = body.model is not None and not resolution.may_be_stale and not unreachable
        plan = self._make(fleet, route, resolution, old_names, keep=keep)
        context.named = plan.named
        return plan

    def _make(
        self,
        fleet: ModelResolver,
        route: Route,
        resolution: Resolution,
        old_names: tuple[OldNameUse, ...],
        *,
        keep: bool,
    ) -> Plan:
        """Return the plan for a resolution with a provider; `keep` caches it."""
        assert resolution.provider is not None
        provider = fleet.providers[resolution.provider]
        via, upstream, target = provider.target(route.endpoint.path)
        counted = resolution.listed or resolution.model
        state = fleet.state(resolution.provider, counted)
        plan = Plan(
            resolution=resolution,
            name=resolution.provider,
            provider=provider,
            upstream=upstream,
            via=via,
            counted=counted,
            target=target,
            head=_first_lines(upstream, target),
            credentials=header_block(provider.credentials(route.endpoint.anthropic)),
            named=_provider_block(resolution)
            + b"x-fleet-via: %b\r\nx-fleet-state: %b\r\n" % (via.encode(), state.encode()),
            state=state,
            is_cold=state in COLD,
            old_names=old_names,
        )
        if keep:
            if len(self._known) >= MAX_PLANS:
                self._known.clear()
            self._known[route.base.path, route.endpoint.path, resolution.requested] = plan
        return plan


def wakes(context: RequestContext, resolution: Resolution) -> bool:
    """Return whether a request may wake the sleeping provider of its model; fallbacks never do."""
    assert context.route is not None
    is_fallback = resolution.fallback and resolution.rule != "role"
    return resolution.asleep and context.route.endpoint.wakes and not is_fallback


def wakes_unreached(context: RequestContext, plan: Plan) -> bool:
    """Return whether a request that could not reach its provider may wake it."""
    asleep = replace(plan.resolution, asleep=plan.provider.waker is not None)
    return plan.resolution.rule != "role" and wakes(context, asleep)


async def try_to_wake(fleet: ModelResolver, provider: str, *, is_role: bool) -> frozenset[str]:
    """Wake a provider; return the providers that are still unreachable. Raises `RequestError`, except for a
    role."""
    try:
        await fleet.wake(provider)
    except RequestError:
        if is_role:
            return frozenset((provider,))
        raise
    return frozenset()


def _provider_block(resolution: Resolution) -> bytes:
    """Return the headers with the provider and model of a resolution, as far as it has them."""
    block = b""
    if resolution.provider is not None:
        block = b"x-fleet-provider: %b\r\n" % resolution.provider.encode()
        if resolution.model:
            id = percent_encoded(f"{resolution.provider}/{resolution.model}")
            block += b"x-fleet-model: %b\r\n" % id
    if resolution.fallback and resolution.available:
        block += b"x-fleet-fallback: %b\r\n" % percent_encoded(resolution.requested)
    return block


def _resolve(context: RequestContext, body: RequestBody, unreachable: frozenset[str]) -> Resolution:
    route = context.route
    assert route is not None
    return context.fleet.resolve_now(
        route.base.table,
        body.model or "",
        pinned=route.base.pinned,
        falls_back=route.endpoint.falls_back,
        unreachable=unreachable,
    )


def _first_lines(upstream: Upstream, target: bytes) -> bytes:
    return b"POST %b HTTP/1.1\r\nhost: %b\r\n%b" % (target, upstream.host_header, loop_guard.OWN.line)
