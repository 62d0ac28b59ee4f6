"""``/api/fleet``, ``/api/events`` and ``/api/reload``: the fleet as an operator sees it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, HTTPException, Response
from fastapi.responses import JSONResponse, StreamingResponse

from fleet_runtime.catalog import moment
from fleet_runtime.errors import error_body
from fleet_runtime.running import Running
from fleet_runtime.service import Service

KEEP_ALIVE_SECONDS = 15.0


def fleet_router(service: Service) -> APIRouter:
    """The routes over a running service."""
    router = APIRouter()

    @router.get("/api/fleet", summary="every machine: status, since when, what is loaded, what runs")
    def fleet() -> dict[str, Any]:
        return describe_fleet(service)

    @router.post("/api/fleet/{name}/refresh", summary="look at one machine now")
    async def refresh(name: str) -> dict[str, Any]:
        running = service.running
        if name not in running.machines:
            known = ", ".join(f"'{provider}'" for provider in running.machines)
            message = f"there is no provider '{name}'; providers: {known}"
            raise HTTPException(404, detail={"code": "not_found", "message": message, "param": "name"})
        await running.look(name)
        return describe_provider(running, name)

    @router.get("/api/events", summary="what happens in the fleet, as server-sent events")
    async def events(last_event_id: Annotated[str | None, Header()] = None) -> Response:
        feed = service.events.follow(last_event_id)
        headers = {"cache-control": "no-cache", "x-accel-buffering": "no"}
        return StreamingResponse(_stream(feed), media_type="text/event-stream", headers=headers)

    @router.post("/api/reload", summary="read the generated folder and the key files again")
    async def reload() -> Response:
        reason = await service.reload()
        if reason is not None:
            return JSONResponse(error_body("snapshot_refused", reason), 409)
        return JSONResponse({"snapshot": service.running.snapshot.id})

    return router


def describe_fleet(service: Service) -> dict[str, Any]:
    """The answer of ``GET /api/fleet``; `refused` says why the folder's newest content does not serve."""
    running = service.running
    return {
        "snapshot": running.snapshot.id,
        "refused": service.refused,
        "needs_restart": list(service.needs_restart),
        "store": {"path": str(service.store.path), "fault": service.store.fault},
        "started_at": moment(service.started_at),
        "providers": [describe_provider(running, name) for name in running.machines],
    }


def describe_provider(running: Running, name: str) -> dict[str, Any]:
    """One machine; `latency` in seconds, `in_flight` by model."""
    machine = running.machines[name]
    state = running.inventory.states[name]
    return {
        "name": name,
        "label": machine.connection.label,
        "class": machine.connection.class_,
        "kind": state.kind,
        "url": machine.connection.url,
        "status": state.status,
        "since": moment(state.since),
        "reason": state.reason,
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
