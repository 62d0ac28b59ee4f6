"""Merge facts about a model from several sources; the best source of a context wins."""

from __future__ import annotations

from functools import lru_cache
from typing import TypeVar

from fleet_runtime.artifacts.contract import ModelFacts, RoutedModel

Facts = TypeVar("Facts", bound=ModelFacts)

_STRENGTH = {None: 0, "trained": 1, "listed": 2, "running": 3, "configured": 4}


def merge(known: ModelFacts, seen: ModelFacts) -> ModelFacts:
    """Return `known`, overridden by `seen`; a context only if its source is at least as strong, so that the
    context of a running model is not lost when the model is unloaded.
    """
    merged = _overlay(known, seen)
    if _STRENGTH[seen.context_source] >= _STRENGTH[known.context_source]:
        return merged
    return merged.model_copy(update={"context": known.context, "context_source": known.context_source})


@lru_cache(maxsize=4096)
def declare(facts: ModelFacts, declared: RoutedModel | None) -> RoutedModel:
    """Return `facts`, overridden by the facts in fleet.yaml."""
    base = RoutedModel.model_construct(**dict(facts))
    if declared is None:
        return base
    return _overlay(base, declared).model_copy(update={"hidden": declared.hidden})


def _overlay(under: Facts, over: ModelFacts) -> Facts:
    update = {
        field: getattr(over, field)
        for field in ModelFacts.model_fields
        if getattr(over, field) not in (None, ())
    }
    return under.model_copy(update=update)
