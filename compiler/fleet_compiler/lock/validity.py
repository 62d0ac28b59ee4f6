"""Check the content of fleet.lock by the rules for a provider's model list. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from fleet_compiler.lock.model import Lock, LockedProvider
from fleet_runtime.artifacts.contract import ModelFacts
from fleet_runtime.dialects.bounds import MAX_MODELS, MAX_NAME, text
from fleet_runtime.routing.model_id import PROVIDER_NAME, model_id_problem
from fleet_runtime.text import quote
from fleet_runtime.urls import AddressError, parse_url

Problem: TypeAlias = tuple[tuple[str | int, ...], str]
"""A path of keys and indices in fleet.lock, and the problem there, which completes a sentence after the
file's name."""


def lock_problems(lock: Lock) -> Iterator[Problem]:
    """Yield values that no provider can have listed, or that fleet cannot have written."""
    for name, entry in lock.providers.items():
        path = ("providers", name)
        if not PROVIDER_NAME.match(name):
            yield path, f"has an entry for {quote(name)}, which is not the name of a provider"
        yield from _entry_problems(path, entry)


def _entry_problems(path: tuple[str, ...], entry: LockedProvider) -> Iterator[Problem]:
    try:
        parse_url(entry.url)
    except AddressError as error:
        yield (*path, "url"), f"has the url {quote(entry.url)}: {error.message}"
    if len(entry.models) > MAX_MODELS:
        yield (
            (*path, "models"),
            f"lists {len(entry.models)} models of a provider; {MAX_MODELS} are the maximum",
        )
        return
    for id, facts in entry.models.items():
        if problem := model_id_problem(id):
            yield (*path, "models", id), f"has the model id {quote(id)}, which {problem}"
        if facts.name is not None or facts.aliases:
            yield from _fact_problems((*path, "models", id), facts)


def _fact_problems(path: tuple[str, ...], facts: ModelFacts) -> Iterator[Problem]:
    if facts.name is not None and text(facts.name) is None:
        limit = f"1 to {MAX_NAME} printable characters"
        yield (*path, "name"), f"has the model name {quote(facts.name)}, which is not {limit}"
    for index, alias in enumerate(facts.aliases):
        if problem := model_id_problem(alias):
            yield (*path, "aliases", index), f"has the alias {quote(alias)}, which {problem}"
