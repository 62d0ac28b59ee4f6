"""Fewer events for a reader that names its topics (fleet_runtime.api.coalesce)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fleet_runtime.api.coalesce import coalesce
from fleet_runtime.event_log import Event
from fleet_runtime.events import (
    EventData,
    FavoritesVersion,
    ModelsChange,
    ProviderChange,
    Resync,
    SnapshotChange,
    StateChange,
)

STATUS = st.sampled_from(["online", "offline", "degraded"])
DATA = st.one_of(
    st.builds(StateChange, id=st.sampled_from(["a/m", "a/n"]), state=st.sampled_from(["loaded", "unloaded"])),
    st.builds(
        ProviderChange,
        provider=st.sampled_from("ab"),
        status=STATUS,
        was=STATUS,
        reason=st.none(),
        reason_code=st.none(),
    ),
    st.builds(FavoritesVersion, version=st.integers(0, 9)),
    st.builds(SnapshotChange, snapshot=st.sampled_from("xy")),
    st.builds(
        ModelsChange,
        provider=st.sampled_from("ab"),
        listed=st.just(1),
        appeared=st.just(()),
        appeared_count=st.just(0),
        vanished=st.just(()),
        vanished_count=st.just(0),
    ),
    st.just(Resync()),
)


def numbered(data: list[EventData]) -> list[Event]:
    return [Event(f"run-{number}", each) for number, each in enumerate(data)]


def provider(status: str, was: str) -> ProviderChange:
    return ProviderChange(provider="a", status=status, was=was, reason=None, reason_code=None)  # type: ignore[arg-type]


def test_of_several_states_of_a_model_the_newest_is_kept() -> None:
    loading, loaded = StateChange(id="a/m", state="loading"), StateChange(id="a/m", state="loaded")
    assert coalesce(numbered([loading, StateChange(id="a/n", state="loaded"), loaded])) == [
        Event("run-1", StateChange(id="a/n", state="loaded")),
        Event("run-2", loaded),
    ]


def test_what_a_provider_was_is_its_status_before_the_first_event() -> None:
    events = numbered([provider("degraded", "online"), provider("offline", "degraded")])
    assert coalesce(events) == [Event("run-1", provider("offline", "online"))]


@given(st.lists(DATA, max_size=12))
def test_a_reader_of_fewer_events_ends_with_the_same_knowledge(data: list[EventData]) -> None:
    events = numbered(data)
    kept = coalesce(events)
    assert kept == sorted(kept, key=lambda event: int(event.id.partition("-")[2]))
    assert {event.id for event in kept} <= {event.id for event in events}
    for cls in (StateChange, ProviderChange, FavoritesVersion, SnapshotChange):
        assert _newest(events, cls) == _newest(kept, cls)
    others = (ModelsChange, Resync)
    assert [e for e in events if isinstance(e.data, others)] == [
        e for e in kept if isinstance(e.data, others)
    ]


def _newest(events: list[Event], cls: type) -> dict[object, object]:
    """The last status, state, version or snapshot of each thing."""
    newest: dict[object, object] = {}
    for event in events:
        match event.data:
            case StateChange() as change if cls is StateChange:
                newest[change.id] = change.state
            case ProviderChange() as change if cls is ProviderChange:
                newest[change.provider] = change.status
            case FavoritesVersion() | SnapshotChange() as change if isinstance(change, cls):
                newest[cls] = change
    return newest
