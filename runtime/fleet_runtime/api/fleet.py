"""``/api/fleet`` and its history, ``/api/old-names``, ``/api/events`` and ``/api/reload``: for operators.

With `surface`, they cover only the providers that it may use.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from typing import Annotated, cast

import msgspec
from msgspec import Meta

from fleet_runtime.api.call import Call, Surface
from fleet_runtime.api.event_stream import EventStream
from fleet_runtime.api.fleet_report import describe_fleet, describe_provider
from fleet_runtime.api.operation import Header, PathPart, Query, Reply, operation
from fleet_runtime.api.shapes import (
    FleetStatus,
    History,
    HistoryEntry,
    OldNameReport,
    OldNames,
    ProviderReport,
    Serving,
)
from fleet_runtime.artifacts.contract import ProviderStatus, RoutingTable
from fleet_runtime.catalog.describe import rfc3339
from fleet_runtime.errors import request_error
from fleet_runtime.events import EVENTS, Topic
from fleet_runtime.gateway.live_snapshot import LiveSnapshot
from fleet_runtime.gateway.second_cache import LARGE_FLEET
from fleet_runtime.routing.old_names import accepted_names
from fleet_runtime.routing.resolver import in_snapshot
from fleet_runtime.store.rows import StatusChange
from fleet_runtime.text import join_names, quote

ProviderName = Annotated[str, PathPart("a provider of fleet.yaml", "sam-desktop")]
Limit = Annotated[int, Query("the maximum number of changes", "100"), Meta(ge=1, le=1000)]
Topics = Annotated[
    str | None,
    Query("the topics to send, separated by commas; without it, every event", "provider,state"),
]
LastEventId = Annotated[str | None, Header("the `id` of the last received event")]


@operation("GET", "/api/fleet", "Show every provider: status, loaded models, running requests", "not_found")
async def get_fleet(call: Call, surface: Surface = None) -> Annotated[Reply, FleetStatus]:
    table = call.table(surface)

    async def make() -> bytes:
        return msgspec.json.encode(await describe_fleet(call.service, call.live, table))

    if len(table.providers) < LARGE_FLEET:
        return Reply(await make())
    key = ("fleet", surface, call.live.snapshot.id)
    return Reply(await call.service.large_responses.get(key, make))


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
        require_provider(call.live, table, name)
    changes = await call.service.store.history(_with_former(call, {name}), limit)
    if not changes:
        require_provider(call.live, table, name)
    return describe_history(changes)


@operation("GET", "/api/old-names", "List the old names in fleet.yaml, and their latest use")
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
    require_provider(call.live, call.live.snapshot.fleet, name)
    await call.live.probe(name)
    return describe_provider(call.live, name)


@operation(
    "GET",
    "/api/events",
    "Follow the events of the fleet, as server-sent events",
    "not_found",
    "invalid_request",
)
async def follow_events(
    call: Call, surface: Surface = None, topics: Topics = None, last_event_id: LastEventId = None
) -> EventStream:
    call.table(surface)
    return EventStream(call.service, surface, _topics(topics), last_event_id)


@operation("POST", "/api/reload", "Reload the generated folder and the key files", "snapshot_refused")
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
    """Return these provider names with their former names, under which older changes are stored."""
    present = call.live.snapshot.fleet.names
    return frozenset(names).union(former for former, name in present.items() if name in names)


def require_provider(live: LiveSnapshot, table: RoutingTable, name: str) -> None:
    """Raise `RequestError` (`not_found`) unless the table has a provider of that name."""
    names = [provider.name for provider in table.providers]
    if name not in names:
        message = in_snapshot(f"no provider '{name}'; providers: {join_names(names)}", live.snapshot.id)
        raise request_error("not_found", message, "name")
