"""Display names of models: if two models have the same name, each includes its provider."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from fleet_runtime.artifacts.contract import RoutedModel


class DisplayNames:
    """The names of one fleet, kept as the lists of its providers change.

    They are the same on every surface, so that a model has one name everywhere: ``Qwen3``; if several models
    have that name, ``Qwen3 (strix)`` with the provider's label; if that is not enough, ``Qwen3
    (strix/qwen3-8b)``. An update costs more than its own list only if a name becomes unique or stops being
    unique.
    """

    def __init__(self, labels: Mapping[str, str]) -> None:
        used = Counter(labels.values())
        self._labels = {name: label if used[label] == 1 else name for name, label in labels.items()}
        self._models: dict[str, Mapping[str, RoutedModel]] = {}
        self._plain: dict[str, dict[str, str]] = {name: {} for name in labels}
        self._shown: dict[str, dict[str, str]] = {name: {} for name in labels}
        self._counts: Counter[str] = Counter()
        self._stale: set[str] = set()

    def update(self, provider: str, models: Mapping[str, RoutedModel]) -> None:
        """Replace the list of one provider, by id."""
        if self._models.get(provider) is models:
            return
        self._models[provider] = models
        plain = {id: facts.name or id for id, facts in models.items() if not facts.hidden}
        before = self._plain[provider]
        if plain == before:
            return
        self._plain[provider] = plain
        self._stale.add(provider)
        flipped = self._count(plain, before)
        if flipped:
            sharing = (name for name, names in self._plain.items() if not flipped.isdisjoint(names.values()))
            self._stale.update(sharing)

    def of(self, provider: str) -> Mapping[str, str]:
        """Return the name of each model by its id; the same object as long as no name changes."""
        if provider in self._stale:
            self._stale.remove(provider)
            plain = self._plain[provider]
            own = Counter(plain.values())
            shown = {id: self._name(provider, id, name, own[name]) for id, name in plain.items()}
            if shown != self._shown[provider]:
                self._shown[provider] = shown
        return self._shown[provider]

    def _name(self, provider: str, id: str, name: str, own: int) -> str:
        if self._counts[name] == 1:
            return name
        return f"{name} ({self._labels[provider]})" if own == 1 else f"{name} ({provider}/{id})"

    def _count(self, plain: Mapping[str, str], before: Mapping[str, str]) -> set[str]:
        """Count the names of a changed list; return those that became unique or stopped being unique."""
        change = Counter(plain.values())
        change.subtract(before.values())
        flipped = set()
        for name, difference in change.items():
            if difference:
                was_unique = self._counts[name] <= 1
                self._counts[name] += difference
                if (self._counts[name] <= 1) != was_unique:
                    flipped.add(name)
                if not self._counts[name]:
                    del self._counts[name]
        return flipped
