"""Merge fleet.lock, the latest probe and fleet.yaml to a provider's model list. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from glob import escape

from fleet_runtime.artifacts.contract import ProviderConfig, RoutedModel, RoutedProvider
from fleet_runtime.artifacts.polling import poll_interval
from fleet_runtime.dialects.facts import declare, merge
from fleet_runtime.dialects.model_names import other_names
from fleet_runtime.dialects.status_reason import reason_text
from fleet_runtime.providers.health import ProviderState
from fleet_runtime.routing.resolver import ProviderView, admits


@dataclass(frozen=True, slots=True)
class ModelList:
    """A provider's models by id, in the order of their ids, and what the resolver sees of the provider."""

    models: Mapping[str, RoutedModel]
    view: ProviderView


def merge_model_list(config: ProviderConfig, locked: RoutedProvider, state: ProviderState) -> ModelList:
    """Merge the sources for one provider.

    These are its own list and the models declared in fleet.yaml; without a good probe to rely on, the lock's
    list. An id that is not listed is rejected only if the list is known to be current.
    """
    models = dict(locked.models) if state.models is None else _live(config, locked, state)
    kind = state.kind if state.kind != "auto" else config.kind
    refused = {id: facts for id, facts in models.items() if not _admitted(config, id)}
    listed = {id: models[id] for id in sorted(models.keys() - refused.keys())}
    names = {name: id for id, facts in listed.items() for name in (*facts.aliases, *other_names(kind, id))}
    names.update((id, id) for id in listed)
    refused_names = {
        name for id, facts in refused.items() for name in (*facts.aliases, *other_names(kind, id))
    }
    current = state.good_at is not None or poll_interval(config, 1.0) is None
    view = ProviderView(
        status=state.status,
        names=names,
        exhaustive=config.unlisted == "refuse" and current,
        include=config.include,
        responsive=state.responsive,
        reachable=state.reachable,
        can_wake=config.wake is not None,
        wakes_for_roles=config.wake is not None and config.wake.roles,
        reason="" if state.reason is None else reason_text(state.reason),
        exclude=config.exclude + tuple(escape(name) for name in sorted(refused_names - names.keys())),
    )
    return ModelList(listed, view)


def _live(config: ProviderConfig, locked: RoutedProvider, state: ProviderState) -> dict[str, RoutedModel]:
    models = {}
    for id, seen in (state.models or {}).items():
        known = locked.models.get(id, RoutedModel())
        models[id] = declare(merge(known, seen), config.declared.get(id))
    for id, facts in config.declared.items():
        models.setdefault(id, declare(locked.models.get(id, RoutedModel()), facts))
    return models


def _admitted(config: ProviderConfig, id: str) -> bool:
    return admits(id, config.include, config.exclude)
