"""``/api/fleet``, its history, ``/api/events`` and ``/api/reload``: the fleet as an operator sees it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import FastAPI, Header, Path, Query, Response
from fastapi.responses import StreamingResponse

from fleet_runtime.api.events import EXAMPLE
from fleet_runtime.api.fleet_schemas import FleetStatus, History, ProviderReport
from fleet_runtime.api.responses import answered, described, failing, refusal
from fleet_runtime.api.schemas import Serving
from fleet_runtime.catalog.catalog import moment
from fleet_runtime.dialects.status_reason import reason_remedy, reason_text
from fleet_runtime.gateway.live_snapshot import LiveSnapshot
from fleet_runtime.gateway.service import Service
from fleet_runtime.providers.lock_drift import find_drift
from fleet_runtime.store.rows import StatusChange

KEEP_ALIVE_SECONDS = 15.0
EVENTS = """\
Each event is three lines, `id`, `event` and `data`; `FleetEvent` describes the last two together.
After `resync`, read everything anew. Where nothing happens, a comment comes now and then.
"""

Name = Annotated[str, Path(description="a provider of fleet.yaml", examples=["sam-desktop"])]
Limit = Annotated[int, Query(ge=1, le=1000, description="how many changes at most")]
LastEventId = Annotated[str | None, Header(description="the `id` of the last event that the client had")]


class EventStream(StreamingResponse):
    media_type = "text/event-stream"


def add_fleet(api: FastAPI, service: Service) -> None:
    """Add the routes over a running service."""

    @api.get(
        "/api/fleet",
        summary="every machine: status, since when, what is loaded, what runs",
        response_model=None,
        responses=described(FleetStatus, "the fleet as it is now"),
    )
    async def get_fleet() -> Response:
        return answered(describe_fleet(service))

    @api.get(
        "/api/fleet/history",
        summary="when which machine came, went, or fared otherwise",
        response_model=None,
        responses=described(History, "the newest changes", "invalid_request"),
    )
    async def get_history(limit: Limit = 100) -> Response:
        return answered(describe_history(await service.store.history(None, limit)))

    @api.get(
        "/api/fleet/{name}/history",
        summary="when a machine came, went, or fared otherwise",
        response_model=None,
        responses=described(History, "its newest changes", "not_found", "invalid_request"),
    )
    async def get_machine_history(name: Name, limit: Limit = 100) -> Response:
        changes = await service.store.history(name, limit)
        if not changes:
            _require(service.live, name)
        return answered(describe_history(changes))

    @api.post(
        "/api/fleet/{name}/refresh",
        summary="look at one machine now",
        response_model=None,
        responses=described(ProviderReport, "the machine as it was seen", "not_found"),
    )
    async def refresh_machine(name: Name) -> Response:
        running = service.live
        _require(running, name)
        await running.probe(name)
        return answered(describe_provider(running, name))

    @api.get(
        "/api/events",
        summary="what happens in the fleet, as server-sent events",
        description=EVENTS,
        response_class=EventStream,
        responses={
            200: {
                "description": "the events from now on, or after the last one that the client had",
                "content": {"text/event-stream": {"schema": {"type": "string"}, "example": EXAMPLE}},
            },
            **failing(),
        },
    )
    async def follow_events(last_event_id: LastEventId = None) -> Response:
        feed = service.events.follow(last_event_id)
        headers = {"cache-control": "no-cache", "x-accel-buffering": "no"}
        return EventStream(_stream(feed), headers=headers)

    @api.post(
        "/api/reload",
        summary="read the generated folder and the key files again",
        response_model=None,
        responses=described(Serving, "the snapshot that serves now", "snapshot_refused"),
    )
    async def reload() -> Response:
        reason = await service.reload()
        if reason is not None:
            raise refusal("snapshot_refused", reason)
        return answered({"snapshot": service.live.snapshot.id})


def describe_fleet(service: Service) -> dict[str, Any]:
    """The answer of ``GET /api/fleet``; `refused` says why the folder's newest content does not serve."""
    running = service.live
    return {
        "snapshot": running.snapshot.id,
        "refused": service.refused,
        "needs_restart": list(service.needs_restart),
        "store": {"path": str(service.store.path), "fault": service.store.fault},
        "started_at": moment(service.started_at),
        "now": moment(time.time()),
        "listen": service.started_with.listen,
        "default_provider": running.snapshot.fleet.default_provider,
        "surfaces": sorted(running.gateway.surfaces),
        "drift": describe_drift(running),
        "providers": [describe_provider(running, name) for name in running.providers],
    }


def describe_provider(running: LiveSnapshot, name: str) -> dict[str, Any]:
    """One machine; `latency` in seconds, `in_flight` by model."""
    machine = running.providers[name]
    state = running.inventory.states[name]
    return {
        "name": name,
        "label": machine.config.label,
        "class": machine.config.class_,
        "kind": state.kind,
        "formerly": list(machine.config.formerly),
        "url": machine.config.url,
        "status": state.status,
        "since": moment(state.since),
        "reason": None if state.reason is None else reason_text(state.reason),
        "reason_code": None if state.reason is None else state.reason.code,
        "remedy": None if state.reason is None else reason_remedy(state.reason, machine.config.url),
        "sidecar": None if machine.sidecar is None else state.sidecar,
        "polled": running.inventory.interval(name) is not None,
        "latency": None if state.latency is None else round(state.latency, 4),
        "models": len(running.inventory.listings[name].models),
        "loaded": sorted(model for model, now in state.states.items() if now == "loaded"),
        "loading": sorted(model for model, now in state.states.items() if now == "loading"),
        "in_flight": dict(sorted(machine.in_flight.items())),
        "waiting": machine.waiting,
        "warnings": list(state.warnings),
    }


def describe_drift(running: LiveSnapshot) -> dict[str, Any]:
    """How machines differ from fleet.lock, by name; those that do not are left out."""
    connections, states = running.snapshot.connections, running.inventory.states
    found = {
        locked.name: find_drift(connections[locked.name], locked, states[locked.name].models)
        for locked in running.snapshot.fleet.providers
    }
    return {name: asdict(drift) for name, drift in found.items() if drift}


def describe_history(changes: Iterable[StatusChange]) -> dict[str, Any]:
    """The answer of ``GET /api/fleet/history`` for `changes`, which are the newest first."""
    return {"changes": [asdict(change) | {"at": moment(change.at)} for change in changes]}


def _require(running: LiveSnapshot, name: str) -> None:
    if name not in running.providers:
        known = ", ".join(f"'{provider}'" for provider in running.providers)
        raise refusal("not_found", f"there is no provider '{name}'; providers: {known}", "name")


async def _stream(feed: AsyncIterator[Any]) -> AsyncIterator[bytes]:
    """The feed's events, and a comment where there is none for a while, so that a dead reader is found."""
    yield b": connected\n\n"
    pending = asyncio.ensure_future(anext(feed, None))
    try:
        while True:
            done, _ = await asyncio.wait({pending}, timeout=KEEP_ALIVE_SECONDS)
            if not done:
                yield b": still here\n\n"
                continue
            event = pending.result()
            if event is None:
                return
            yield event.encoded()
            pending = asyncio.ensure_future(anext(feed, None))
    finally:
        pending.cancel()
