"""Match entries of fleet.lock with providers, and update them from probes. Pure.

An entry belongs to the provider with its name, or its former name, or its url if its own provider was removed
from fleet.yaml. An entry with another url than its provider's is `stale` and used until the next probe, so
that a provider that is moved or renamed while offline keeps its models.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import msgspec

from fleet_compiler.lock.model import Lock, LockedProvider
from fleet_runtime.artifacts.contract import ModelFacts, ProviderConfig
from fleet_runtime.dialects.facts import merge

if TYPE_CHECKING:
    from fleet_runtime.dialects.observation import Observation


class Rename(msgspec.Struct, frozen=True):
    """A provider that is probably a renamed one: it has the url of one that was removed from fleet.yaml."""

    old: str
    new: str


def current_entries(lock: Lock, providers: Iterable[ProviderConfig]) -> Lock:
    """Return the entries of `providers` under their current names; stale ones are marked."""
    every = list(providers)
    owners = _entry_names(lock, every)
    return Lock.model_construct(
        providers={
            each.name: _mark(lock.providers[owners[each.name]], each.url)
            for each in every
            if each.name in owners
        }
    )


def carry_names(lock: Lock, providers: Iterable[ProviderConfig]) -> Lock:
    """Return the lock with each entry under its provider's current name; entries without a provider are
    kept."""
    present = {entry: provider for provider, entry in _entry_names(lock, providers).items()}
    return Lock(providers={present.get(name, name): entry for name, entry in lock.providers.items()})


def undeclared_renames(lock: Lock, providers: Iterable[ProviderConfig]) -> list[Rename]:
    """Return the providers that are matched with an entry only by its url, without `formerly`."""
    every = {each.name: each for each in providers}
    return [
        Rename(old, new)
        for new, old in _entry_names(lock, every.values()).items()
        if old != new and old not in every[new].formerly
    ]


def needs_probe(lock: Lock, provider: str) -> bool:
    """Return whether the lock has no entry of a provider, or a stale one."""
    entry = lock.providers.get(provider)
    return entry is None or entry.stale is not None


def merge_observations(
    lock: Lock, seen: Mapping[str, Observation], providers: Iterable[ProviderConfig]
) -> Lock:
    """Return the lock after probes of some providers; a provider without a model list keeps its entry.

    The context of a running model is kept after it is unloaded, also at a new url.
    """
    entries = dict(lock.providers)
    for each in providers:
        observation = seen.get(each.name)
        if observation is not None and observation.status == "online":
            entries[each.name] = _entry(each.url, observation, entries.get(each.name))
    return Lock(providers=entries)


def _entry_names(lock: Lock, providers: Iterable[ProviderConfig]) -> dict[str, str]:
    """Return the name of each provider's entry; providers without one are omitted."""
    every = list(providers)
    owners = {each.name: each.name for each in every if each.name in lock.providers}
    free = [name for name in lock.providers if name not in owners]
    for choose in (_by_former_name, _by_url):
        for each in every:
            if each.name in owners:
                continue
            entry = next(choose(lock, each, free), None)
            if entry is not None:
                owners[each.name] = entry
                free.remove(entry)
    return owners


def _by_former_name(_lock: Lock, provider: ProviderConfig, free: list[str]) -> Iterator[str]:
    return (name for name in provider.formerly if name in free)


def _by_url(lock: Lock, provider: ProviderConfig, free: list[str]) -> Iterator[str]:
    return (name for name in sorted(free) if lock.providers[name].url == provider.url)


def _mark(entry: LockedProvider, url: str) -> LockedProvider:
    stale = "url changed" if entry.url != url else None
    return entry if entry.stale == stale else entry.model_copy(update={"stale": stale})


def _entry(url: str, seen: Observation, known: LockedProvider | None) -> LockedProvider:
    before = known.models if known is not None and known.kind == seen.kind else {}
    models = {
        id: merge(before.get(id, ModelFacts()), facts).model_copy(update={"aliases": facts.aliases})
        for id, facts in seen.models.items()
    }
    return LockedProvider(url=url, kind=seen.kind, models=models)
