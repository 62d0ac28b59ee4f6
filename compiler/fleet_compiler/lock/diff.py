"""What changed from one list of a provider's models to another, and saying so in words. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fleet_compiler.lock.model import Lock
from fleet_runtime.artifacts.contract import ModelFacts

SHOWN = 8


@dataclass(frozen=True, slots=True)
class Difference:
    """How one provider's models changed; `changed` holds what changed of a model, in words, by id."""

    provider: str
    appeared: tuple[str, ...] = ()
    vanished: tuple[str, ...] = ()
    changed: tuple[tuple[str, str], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.appeared or self.vanished or self.changed)


def compare_models(
    provider: str, before: Mapping[str, ModelFacts], after: Mapping[str, ModelFacts]
) -> Difference:
    """Ids in the order of their text."""
    return Difference(
        provider,
        appeared=tuple(sorted(after.keys() - before.keys())),
        vanished=tuple(sorted(before.keys() - after.keys())),
        changed=tuple(
            (id, words)
            for id in sorted(before.keys() & after.keys())
            if (words := _changes(before[id], after[id]))
        ),
    )


def compare_locks(old: Lock, new: Lock) -> list[Difference]:
    """The providers whose models differ, in the order of their names."""
    found = []
    for provider in sorted(old.providers.keys() | new.providers.keys()):
        before = old.providers[provider].models if provider in old.providers else {}
        after = new.providers[provider].models if provider in new.providers else {}
        difference = compare_models(provider, before, after)
        if difference:
            found.append(difference)
    return found


def describe_difference(difference: Difference) -> Iterator[str]:
    """One line for each model: ``+`` appeared, ``-`` vanished, ``~`` changed; of each at most `SHOWN`."""
    yield from _shown("+", difference.appeared)
    yield from _shown("-", difference.vanished)
    yield from _shown("~", tuple(f"{id}: {words}" for id, words in difference.changed))


def _shown(sign: str, entries: tuple[str, ...]) -> Iterator[str]:
    for entry in entries[:SHOWN]:
        yield f"{sign} {entry}"
    if len(entries) > SHOWN:
        yield f"{sign} and {len(entries) - SHOWN} more"


def _changes(before: ModelFacts, after: ModelFacts) -> str:
    """What differs; a context is told together with its source."""
    told = [
        f"{field} {_word(getattr(before, field))} → {_word(getattr(after, field))}"
        for field in type(after).model_fields
        if field not in ("context", "context_source") and getattr(before, field) != getattr(after, field)
    ]
    contexts = _context(before), _context(after)
    if contexts[0] != contexts[1]:
        told.insert(0, f"context {contexts[0]} → {contexts[1]}")
    return ", ".join(told)


def _context(facts: ModelFacts) -> str:
    return "unknown" if facts.context is None else f"{facts.context} ({facts.context_source})"


def _word(value: object) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, tuple):
        return "+".join(str(item) for item in value) or "none"
    return str(value).lower() if isinstance(value, bool) else str(value)
