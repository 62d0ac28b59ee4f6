"""Coalesce events for readers of selected topics: of several events about the same subject, keep the newest.
Pure."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import structs

from fleet_runtime.event_log import Event
from fleet_runtime.events import ActivityChange, FavoritesVersion, ProviderChange, SnapshotChange, StateChange


def coalesce(events: Iterable[Event]) -> list[Event]:
    """Return the newest event about each model's state, each provider's status, the favorites and the
    snapshot, and all others, in their order.

    `was` of a provider is its status before the first of its events.
    """
    kept: dict[object, Event] = {}
    for event in events:
        subject = _subject(event)
        earlier = kept.pop(subject, None)
        if earlier is not None and isinstance(earlier.data, ProviderChange):
            event = Event(event.id, structs.replace(event.data, was=earlier.data.was))
        kept[subject] = event
    return list(kept.values())


def _subject(event: Event) -> object:
    """Return the subject of an event; only the newest event of each subject is kept."""
    match event.data:
        case StateChange():
            return ("state", event.data.id)
        case ProviderChange():
            return ("provider", event.data.provider)
        case FavoritesVersion() | SnapshotChange():
            return event.topic
        case ActivityChange():
            return ("activity", event.data.surface)
        case _:
            return event.id
