"""Create the events for a provider's change: status, model list, model states. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fleet_runtime.artifacts.contract import ModelState, RoutedModel
from fleet_runtime.dialects.status_reason import reason_text
from fleet_runtime.events import ModelsChange, ProviderChange, StateChange
from fleet_runtime.providers.health import ProviderState

MAX_NAMED = 50
"""The maximum number of ids in one event, and of states that are published separately."""

Models = Mapping[str, RoutedModel]


def is_visible(before: ProviderState, after: ProviderState) -> bool:
    """Return whether a list, status or decision may have changed."""
    return _shown(before) != _shown(after)


def describe_change(
    name: str, before: ProviderState, after: ProviderState, listed: Models, lists: Models
) -> Iterator[ProviderChange | StateChange | ModelsChange]:
    """Return the events of a change; `listed` and `lists` are the provider's models before and after.

    A reason with the same code is not a change, even if its fields differ.
    """
    code = after.reason.code if after.reason is not None else None
    if before.status != after.status or code != (before.reason.code if before.reason is not None else None):
        text = None if after.reason is None else reason_text(after.reason)
        yield ProviderChange(
            provider=name, status=after.status, was=before.status, reason=text, reason_code=code
        )
    states = _changed_states(before, after)
    few = len(states) <= MAX_NAMED
    for model, now in states.items() if few else ():
        yield StateChange(id=f"{name}/{model}", state=now)
    if listed != lists or not few:
        yield _difference(name, listed, lists)


def _shown(state: ProviderState) -> tuple[object, ...]:
    return (
        state.status,
        state.since,
        state.reason,
        state.kind,
        state.models,
        state.good_at is None,
        state.responsive,
        state.reachable,
        state.states,
        state.sidecar,
        state.warnings,
        state.waking,
    )


def _changed_states(before: ProviderState, after: ProviderState) -> dict[str, ModelState]:
    """Return the new state of each model whose state changed."""
    models = dict.fromkeys((*before.states, *after.states))
    now: dict[str, ModelState] = {model: after.states.get(model, "unknown") for model in models}
    return {model: state for model, state in now.items() if state != before.states.get(model, "unknown")}


def _difference(name: str, before: Models, after: Models) -> ModelsChange:
    appeared = tuple(id for id in after if id not in before)
    vanished = tuple(id for id in before if id not in after)
    return ModelsChange(
        provider=name,
        listed=len(after),
        appeared=appeared[:MAX_NAMED],
        appeared_count=len(appeared),
        vanished=vanished[:MAX_NAMED],
        vanished_count=len(vanished),
    )
