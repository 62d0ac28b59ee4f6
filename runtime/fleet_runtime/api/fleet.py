"""``/api/fleet`` and its history, ``/api/old-names``, ``/api/events`` and ``/api/reload``: for operators.

With a surface, they tell only of the providers that it may use.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Set
from dataclasses import asdict
from typing import Annotated, Any, cast

import msgspec
from msgspec import Meta, convert

from fleet_runtime.api.call import Call, Surface
from fleet_runtime.api.event_stream import EventStream
from fleet_runtime.api.operation import Header, PathPart, Query, Reply, operation
from fleet_runtime.api.shapes import (
    CaptureState,
    DriftReport,
    FleetStatus,
    History,
    HistoryEntry,
    OldNameReport,
    OldNames,
    ProviderMemory,
    ProviderReport,
    Serving,
    StoreState,
)
from fleet_runtime.artifacts.contract import ProviderStatus, RoutingTable
from fleet_runtime.catalog.describe import rfc3339
from fleet_runtime.dialects.server_memory import ServerMemory
from fleet_runtime.dialects.status_reason import reason_remedy, reason_text
from fleet_runtime.errors import request_error
from fleet_runtime.events import EVENTS, Topic
from fleet_runtime.gateway.live_snapshot import LiveSnapshot
from fleet_runtime.gateway.second_cache import LARGE_FLEET
from fleet_runtime.gateway.service import Service
from fleet_runtime.providers.lock_drift import find_drift
from fleet_runtime.routing.old_names import accepted_names
from fleet_runtime.store.rows import StatusChange
from fleet_runtime.text import join_names, quote

ProviderName = Annotated[str, PathPart("a provider of fleet.yaml", "sam-desktop")]
Limit = Annotated[int, Query("the most changes to list", "100"), Meta(ge=1, le=1000)]
Topics = Annotated[
    str | None,
    Query("the topics to send, separated by commas; without it, every single event", "provider,state"),
]
LastEventId = Annotated[str | None, Header("the `id` of the last event that the client got")]


@operation("GET", "/api/fleet", "Show every provider: status, loaded models, running requests", "not_found")
async def get_fleet(call: Call, surface: Surface = None) -> Annotated[Reply, FleetStatus]:
    table = call.table(surface)

    def make() -> bytes:  # in a thread, if it is long: it reads and changes nothing
        return msgspec.json.encode(describe_fleet(call.service, call.live, table))

    if len(table.providers) < LARGE_FLEET:
        return Reply(make())
    key = ("fleet", surface, call.live.snapshot.id)
    return Reply(await call.service.large_responses.get(key, lambda: asyncio.to_thread(make)))


@operation(
    "GET", "/api/fleet/history", "List the changes of every provider's status", "invalid_request", "not_found"
)
async def get_history(call: Call, surface: Surface = None, limit: Limit = 100) -> History:
    names = None if surface is None else _with_former(call, _names(call.table(surface)))
    return describe_history(await call.service.store.history(names, limit))


@operation(
    "GET",
    "/api/fleet/{name}/history",
    "List the changes of one provider's status",
    "not_found",
    "invalid_request",
)
async def get_provider_history(
    call: Call, name: ProviderName, surface: Surface = None, limit: Limit = 100
) -> History:
    table = call.table(surface)
    if surface is not None:
        require_provider(table, name)
    changes = await call.service.store.history(_with_former(call, {name}), limit)
    if not changes:
        require_provider(table, name)
    return describe_history(changes)


@operation("GET", "/api/old-names", "List the old names that fleet.yaml accepts, and their last use")
async def list_old_names(call: Call) -> OldNames:
    await call.live.old_names.save(call.service.store)
    return describe_old_names(call.live)


def describe_old_names(live: LiveSnapshot) -> OldNames:
    """Return the old names that fleet.yaml accepts, with their uses so far."""
    means = accepted_names(live.snapshot.fleet)
    return OldNames(
        old_names=tuple(
            OldNameReport(
                kind=name.kind,
                name=name.name,
                means=means.get(name),
                uses=use.uses,
                since=rfc3339(use.since),
                last_at=None if use.last_at is None else rfc3339(use.last_at),
                surface=use.surface,
            )
            for name, use in live.old_names.uses.items()
        )
    )


@operation("POST", "/api/fleet/{name}/refresh", "Probe one provider now", "not_found")
async def refresh_provider(call: Call, name: ProviderName) -> ProviderReport:
    require_provider(call.live.snapshot.fleet, name)
    await call.live.probe(name)
    return describe_provider(call.live, name)


@operation(
    "GET",
    "/api/events",
    "Follow what happens in the fleet, as server-sent events",
    "not_found",
    "invalid_request",
)
async def follow_events(
    call: Call, surface: Surface = None, topics: Topics = None, last_event_id: LastEventId = None
) -> EventStream:
    call.table(surface)
    return EventStream(call.service, surface, _topics(topics), last_event_id)


@operation("POST", "/api/reload", "Read the generated folder and the key files again", "snapshot_refused")
async def reload(call: Call) -> Serving:
    reason = await call.service.reload()
    if reason is not None:
        raise request_error("snapshot_refused", reason)
    return Serving(snapshot=call.service.live.snapshot.id)


OPERATIONS = (
    get_fleet,
    get_history,
    get_provider_history,
    list_old_names,
    refresh_provider,
    follow_events,
    reload,
)


def describe_fleet(service: Service, live: LiveSnapshot, table: RoutingTable) -> FleetStatus:
    """Return the state of the fleet, or of the providers of one surface: then without what concerns others,
    the state file, and why a build was rejected."""
    names, whole = _names(table), table.surface is None
    default = live.snapshot.fleet.default_provider
    store = service.store.status
    return FleetStatus(
        snapshot=live.snapshot.id,
        refused=service.refused if whole else None,
        refused_remedy=service.refused_remedy if whole else None,
        needs_restart=service.needs_restart,
        store=StoreState(
            state="up" if store.up else "down",
            since=rfc3339(store.since),
            where=store.where if whole else None,
            reason=store.reason if whole else None,
        ),
        started_at=rfc3339(service.started_at),
        serving_since=rfc3339(service.serving_since),
        now=rfc3339(time.time()),
        listen=service.started_with.listen,
        default_provider=default if default in names else None,
        surfaces=tuple(sorted(live.gateway.surfaces)) if table.surface is None else (table.surface,),
        drift={name: drift for name, drift in describe_drift(live).items() if name in names},
        providers=tuple(describe_provider(live, name) for name in live.providers if name in names),
        captures=describe_captures(live),
    )


def describe_captures(live: LiveSnapshot) -> CaptureState | None:
    """Return what is kept of requests, None if that is nothing."""
    settings = live.gateway.captures
    return None if settings is None else CaptureState(keep=settings.keep, body=settings.body)


def describe_provider(live: LiveSnapshot, name: str) -> ProviderReport:
    provider, state = live.providers[name], live.inventory.states[name]
    config, reason = provider.config, state.reason
    return ProviderReport(
        name=name,
        label=config.label,
        class_=config.class_,
        kind=state.kind,
        configured_kind=config.kind,
        formerly=config.formerly,
        url=config.url,
        status=state.status,
        since=rfc3339(state.since),
        reason=None if reason is None else reason_text(reason),
        reason_code=None if reason is None else reason.code,
        remedy=None if reason is None else reason_remedy(reason, config.url),
        sidecar=None if provider.sidecar is None else state.sidecar,
        polled=live.inventory.interval(name) is not None,
        latency=None if state.latency is None else round(state.latency, 4),
        models=len(live.inventory.listings[name].models),
        loaded=tuple(sorted(model for model, now in state.states.items() if now == "loaded")),
        loading=tuple(sorted(model for model, now in state.states.items() if now == "loading")),
        in_flight=dict(sorted(provider.in_flight.items())),
        waiting=provider.waiting,
        memory=None if (seen := state.observation) is None else describe_memory(seen.memory),
        wake=None if config.wake is None else "mac" if config.wake.command is None else "command",
        warnings=state.warnings,
    )


def describe_memory(memory: ServerMemory | None) -> ProviderMemory | None:
    return None if memory is None else convert(_memory_data(memory), ProviderMemory)


def _memory_data(memory: ServerMemory) -> dict[str, Any]:
    models = [{"model": model, **asdict(each)} for model, each in sorted(memory.models.items())]
    return {**asdict(memory), "models": models}


def describe_drift(live: LiveSnapshot) -> dict[str, DriftReport]:
    """Return how providers differ from fleet.lock, by name; without those that do not."""
    connections, states = live.snapshot.connections, live.inventory.states
    found = {
        locked.name: find_drift(connections[locked.name], locked, states[locked.name].models)
        for locked in live.snapshot.fleet.providers
    }
    return {name: convert(asdict(drift), DriftReport) for name, drift in found.items() if drift}


def describe_history(changes: Iterable[StatusChange]) -> History:
    """Return `changes`, which are the newest first."""
    return History(changes=tuple(_history_entry(change) for change in changes))


def _history_entry(change: StatusChange) -> HistoryEntry:
    return HistoryEntry(
        provider=change.provider,
        status=cast("ProviderStatus", change.status),
        reason=change.reason,
        at=rfc3339(change.at),
        gateway=change.gateway,
    )


def _topics(text: str | None) -> frozenset[Topic] | None:
    """Return the topics of a list; raises `RequestError` for one that does not exist."""
    if text is None:
        return None
    known: dict[str, Topic] = {event.topic: event.topic for event in EVENTS}
    named = [topic.strip() for topic in text.split(",")]
    unknown = [topic for topic in named if topic not in known]
    if unknown:
        message = f"no topic {quote(unknown[0])}; topics: {join_names(known)}"
        raise request_error("invalid_request", message, "topics")
    return frozenset(known[topic] for topic in named)


def _names(table: RoutingTable) -> frozenset[str]:
    return frozenset(provider.name for provider in table.providers)


def _with_former(call: Call, names: Set[str]) -> frozenset[str]:
    """Return these names of providers with their former names, under which older changes are kept."""
    present = call.live.snapshot.fleet.names
    return frozenset(names).union(former for former, name in present.items() if name in names)


def require_provider(table: RoutingTable, name: str) -> None:
    """Raise `RequestError` (`not_found`) unless the table has a provider of that name."""
    names = [provider.name for provider in table.providers]
    if name not in names:
        message = f"no provider '{name}'; providers: {join_names(names)}"
        raise request_error("not_found", message, "name")
