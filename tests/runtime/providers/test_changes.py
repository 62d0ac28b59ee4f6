"""What readers of events hear of a change (fleet_runtime.providers.changes)."""

from __future__ import annotations

from dataclasses import replace

from fleet_runtime.dialects.status_reason import StatusReason
from fleet_runtime.events import ModelsChange, ProviderChange, StateChange
from fleet_runtime.providers.changes import MAX_NAMED, describe_change
from fleet_runtime.providers.health import ProviderState

ONLINE = ProviderState("online", since=1.0)


def kinds(before: ProviderState, after: ProviderState) -> list[type]:
    return [type(change) for change in describe_change("a", before, after, {}, {})]


def test_a_reason_of_the_same_kind_is_no_news_whatever_its_figures() -> None:
    slow = replace(ONLINE, reason=StatusReason("no_response", "/models", seconds=2.0))
    slower = replace(ONLINE, reason=StatusReason("no_response", "/running", seconds=9.0))
    refused = replace(ONLINE, reason=StatusReason("connection_refused"))
    assert kinds(slow, slower) == []
    assert kinds(ONLINE, slow) == kinds(slow, refused) == kinds(slow, ONLINE) == [ProviderChange]


def test_a_change_of_status_says_its_reason_as_a_sentence_and_as_a_code() -> None:
    offline = replace(ONLINE, status="offline", reason=StatusReason("connection_refused"))
    [change] = describe_change("a", ONLINE, offline, {}, {})
    assert change == ProviderChange(
        provider="a",
        status="offline",
        was="online",
        reason="connection refused",
        reason_code="connection_refused",
    )


def test_states_of_many_models_at_once_are_one_event() -> None:
    few = replace(ONLINE, states={"m": "loaded"})
    many = replace(ONLINE, states={f"m{number}": "loaded" for number in range(MAX_NAMED + 1)})
    assert kinds(ONLINE, few) == [StateChange]
    assert kinds(ONLINE, many) == [ModelsChange]
