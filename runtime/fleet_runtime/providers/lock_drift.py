"""Compare a provider's model list with its entry in fleet.lock at build time. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fleet_runtime.artifacts.contract import ModelFacts, ProviderConfig, RoutedModel, RoutedProvider
from fleet_runtime.dialects.facts import merge
from fleet_runtime.routing.resolver import admits


@dataclass(frozen=True, slots=True)
class OtherContext:
    """A context in tokens as fleet.lock has it (None: unknown), and as it is now."""

    model: str
    locked: int | None
    now: int


@dataclass(frozen=True, slots=True)
class Drift:
    """Differences as sorted ids, without those that fleet.yaml declares or excludes."""

    appeared: tuple[str, ...] = ()
    vanished: tuple[str, ...] = ()
    contexts: tuple[OtherContext, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.appeared or self.vanished or self.contexts)


class KnownDrifts:
    """Caches the drift of each provider until its list, which is never modified, is replaced."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[Mapping[str, ModelFacts] | None, Drift]] = {}

    def find(
        self, connection: ProviderConfig, locked: RoutedProvider, seen: Mapping[str, ModelFacts] | None
    ) -> Drift:
        """Return `find_drift` of a provider; always the same `connection` and `locked` for one name."""
        known = self._found.get(locked.name)
        if known is None or known[0] is not seen:
            known = self._found[locked.name] = seen, find_drift(connection, locked, seen)
        return known[1]


def find_drift(
    connection: ProviderConfig, locked: RoutedProvider, seen: Mapping[str, ModelFacts] | None
) -> Drift:
    """Return what `fleet lock` would change; nothing if the provider's list was never `seen`."""
    if seen is None:
        return Drift()
    listed = {id for id in seen if admits(id, connection.include, connection.exclude)}
    return Drift(
        appeared=tuple(sorted(listed - locked.models.keys())),
        vanished=tuple(sorted(locked.models.keys() - seen.keys() - connection.declared.keys())),
        contexts=tuple(_other_contexts(locked.models, seen)),
    )


def _other_contexts(
    locked: Mapping[str, RoutedModel], seen: Mapping[str, ModelFacts]
) -> Iterator[OtherContext]:
    """Return changed contexts from a source at least as strong as before. A trained context counts as
    unknown, because it is only an upper bound and no client gets it."""
    for id in sorted(locked.keys() & seen.keys()):
        now = merge(locked[id], seen[id])
        known = None if locked[id].context_source == "trained" else locked[id].context
        if now.context is not None and now.context != locked[id].context:
            yield OtherContext(id, known, now.context)
