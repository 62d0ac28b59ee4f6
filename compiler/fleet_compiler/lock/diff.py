"""Compare two model lists of a provider. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from fleet_compiler.lock.model import Lock
from fleet_runtime.artifacts.contract import ModelFacts

SHOWN = 8

Fact: TypeAlias = str | int | bool | tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class FactChange:
    """A fact of a model before and after, None if unknown; a context is text, with its source."""

    field: str
    before: Fact
    after: Fact


@dataclass(frozen=True, slots=True)
class ModelChange:
    """A model that was listed before and after, and its facts that changed."""

    model: str
    facts: tuple[FactChange, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """How one provider's models changed, ids sorted."""

    provider: str
    appeared: tuple[str, ...] = ()
    vanished: tuple[str, ...] = ()
    changed: tuple[ModelChange, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.appeared or self.vanished or self.changed)


def compare_models(
    provider: str, before: Mapping[str, ModelFacts], after: Mapping[str, ModelFacts]
) -> Difference:
    """Return how the models of a provider changed."""
    return Difference(
        provider,
        appeared=tuple(sorted(after.keys() - before.keys())),
        vanished=tuple(sorted(before.keys() - after.keys())),
        changed=tuple(
            ModelChange(id, facts)
            for id in sorted(before.keys() & after.keys())
            if (facts := tuple(_fact_changes(before[id], after[id])))
        ),
    )


def compare_locks(old: Lock, new: Lock) -> list[Difference]:
    """Return the providers whose models differ, sorted by name."""
    found = []
    for provider in sorted(old.providers.keys() | new.providers.keys()):
        before = old.providers[provider].models if provider in old.providers else {}
        after = new.providers[provider].models if provider in new.providers else {}
        if difference := compare_models(provider, before, after):
            found.append(difference)
    return found


def describe_difference(difference: Difference) -> Iterator[str]:
    """Yield a line for each model that appeared (``+``), vanished (``-``) or changed (``~``), at most `SHOWN`
    of each."""
    yield from _shown("+", difference.appeared)
    yield from _shown("-", difference.vanished)
    yield from _shown("~", tuple(f"{each.model}: {_words(each)}" for each in difference.changed))


def _shown(sign: str, entries: tuple[str, ...]) -> Iterator[str]:
    for entry in entries[:SHOWN]:
        yield f"{sign} {entry}"
    if len(entries) > SHOWN:
        yield f"{sign} and {len(entries) - SHOWN} more"


def _fact_changes(before: ModelFacts, after: ModelFacts) -> Iterator[FactChange]:
    """Yield what differs, the context first."""
    contexts = _context(before), _context(after)
    if contexts[0] != contexts[1]:
        yield FactChange("context", *contexts)
    for field in type(after).model_fields:
        old, new = getattr(before, field), getattr(after, field)
        if field not in ("context", "context_source") and old != new:
            yield FactChange(field, old, new)


def _context(facts: ModelFacts) -> str | None:
    return None if facts.context is None else f"{facts.context} ({facts.context_source})"


def _words(change: ModelChange) -> str:
    return ", ".join(f"{each.field} {_word(each.before)} → {_word(each.after)}" for each in change.facts)


def _word(fact: Fact) -> str:
    if fact is None:
        return "unknown"
    if isinstance(fact, tuple):
        return "+".join(fact) or "none"
    return str(fact).lower() if isinstance(fact, bool) else str(fact)
