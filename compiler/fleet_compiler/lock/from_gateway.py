"""Add contexts from a running gateway to fleet.lock. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from fleet_compiler.lock.model import Lock
from fleet_runtime.artifacts.contract import ModelFacts
from fleet_runtime.dialects.facts import merge

Contexts: TypeAlias = Mapping[str, Mapping[str, int]]
"""Tokens by model, by provider."""


def merge_contexts(lock: Lock, contexts: Contexts) -> Lock:
    """Return the lock with `contexts` for its models, except where it has a better source."""
    providers = dict(lock.providers)
    for name, by_model in contexts.items():
        entry = providers.get(name)
        if entry is None:
            continue
        known = {
            id: merge(facts, ModelFacts(context=by_model[id], context_source="running"))
            for id, facts in entry.models.items()
            if id in by_model
        }
        providers[name] = entry.model_copy(update={"models": {**entry.models, **known}})
    return Lock(providers=providers)
