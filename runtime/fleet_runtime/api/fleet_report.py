"""Report the state of the fleet and its providers in the shapes of the API; many providers are reported in
turns."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from msgspec import convert

from fleet_runtime.api.shapes import (
    CaptureState,
    DriftReport,
    FleetStatus,
    ProviderMemory,
    ProviderReport,
    StoreState,
)
from fleet_runtime.artifacts.contract import RoutingTable
from fleet_runtime.catalog.describe import rfc3339
from fleet_runtime.control.load import find_commands
from fleet_runtime.dialects.server_memory import ServerMemory
from fleet_runtime.dialects.status_reason import reason_remedy, reason_text
from fleet_runtime.gateway.live_snapshot import LiveSnapshot
from fleet_runtime.gateway.service import Service
from fleet_runtime.turns import in_turns


async def describe_fleet(service: Service, live: LiveSnapshot, table: RoutingTable) -> FleetStatus:
    """Return the state of the fleet, or only of the providers of one surface, without the state file and the
    reason of a rejected build."""
    names, whole = {provider.name for provider in table.providers}, table.surface is None
    default = live.snapshot.fleet.default_provider
    reports = await in_turns(describe_provider(live, name) for name in live.providers if name in names)
    drifts = await in_turns(_drifts(live, table))
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
            remedy=store.remedy if whole else None,
        ),
        started_at=rfc3339(service.started_at),
        serving_since=rfc3339(service.serving_since),
        now=rfc3339(time.time()),
        listen=service.started_with.listen,
        default_provider=default if default in names else None,
        surfaces=tuple(sorted(live.gateway.surfaces)) if table.surface is None else (table.surface,),
        drift={name: drift for name, drift in drifts if drift is not None},
        providers=tuple(reports),
        captures=describe_captures(live),
    )


def describe_captures(live: LiveSnapshot) -> CaptureState | None:
    """Return how much of requests is captured, None if captures are off."""
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
        version=None if state.observation is None else state.observation.version,
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
        commands=find_commands(state) is not None,
        warnings=state.warnings,
    )


def describe_memory(memory: ServerMemory | None) -> ProviderMemory | None:
    return None if memory is None else convert(_memory_data(memory), ProviderMemory)


def _memory_data(memory: ServerMemory) -> dict[str, Any]:
    models = [{"model": model, **asdict(each)} for model, each in sorted(memory.models.items())]
    return {**asdict(memory), "models": models}


def _drifts(live: LiveSnapshot, table: RoutingTable) -> Iterator[tuple[str, DriftReport | None]]:
    """Yield the difference of each provider of the table from fleet.lock, None if there is none."""
    locked = {provider.name: provider for provider in live.snapshot.fleet.providers}
    for provider in table.providers:
        name = provider.name
        drift = live.drifts.find(
            live.snapshot.connections[name], locked[name], live.inventory.states[name].models
        )
        yield name, convert(asdict(drift), DriftReport) if drift else None
