"""Read and validate the fields of a server's JSON."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, get_args

from fleet_runtime.artifacts.contract import ContextSource, InputKind, ModelFacts, Purpose
from fleet_runtime.dialects.bounds import MAX_TOKENS
from fleet_runtime.dialects.facts import merge
from fleet_runtime.dialects.model_list_response import Item, Meaning, ModelListResponse
from fleet_runtime.routing.model_id import model_id_problem, model_id_remedy
from fleet_runtime.text import quote

MAX_WARNINGS = 20
_VERSION = re.compile(r"[\w.+~-]{1,40}", re.ASCII)


def model_of(item: Item, key: str = "id") -> str:
    """Return the name under `key`, empty if there is none."""
    name = item.get(key)
    return name if isinstance(name, str) else ""


def word(value: Any, meanings: Mapping[str, Meaning]) -> Meaning | None:
    """Map a server's word to its meaning; None for an unknown word or another type."""
    return meanings.get(value) if isinstance(value, str) else None


def version_text(value: Any) -> str | None:
    """Return a short version text of letters, digits and punctuation; None for anything else."""
    return value if isinstance(value, str) and _VERSION.fullmatch(value) else None


def mapping(value: Any) -> Item:
    """Return `value` if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def objects(value: Any) -> tuple[Item, ...]:
    """Return the objects in a list; none for anything but a list."""
    return tuple(item for item in value if isinstance(item, dict)) if isinstance(value, list) else ()


def tokens(*values: Any) -> int | None:
    """Return the first valid number of tokens: a positive integer up to 2^53, not a bool."""
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        if 0 < value <= MAX_TOKENS and value == int(value):
            return int(value)
    return None


def words(value: Any) -> frozenset[str]:
    """Return the strings of a list, or the keys of an object whose value is true."""
    if isinstance(value, list):
        return frozenset(word for word in value if isinstance(word, str))
    return frozenset(word for word, able in mapping(value).items() if able is True)


def inputs(value: Any) -> tuple[InputKind, ...] | None:
    """Return the known input kinds in a fixed order; None if there is none."""
    named = words(value)
    return tuple(kind for kind in get_args(InputKind) if kind in named) or None


def purpose(*, outputs: frozenset[str] = frozenset(), abilities: Mapping[Purpose, bool]) -> Purpose | None:
    """Return a model's purpose as stated by its server; chat wins if several are named."""
    named = [name for name, able in abilities.items() if able]
    if not named and outputs == {"embeddings"}:
        return "embedding"
    return "chat" if "chat" in named else next(iter(named), None)


def context(source: ContextSource, value: int | None) -> dict[str, Any]:
    """Return the two fields of a context; none if it is unknown."""
    return {} if value is None else {"context": value, "context_source": source}


def collect(
    items: Iterable[Item], facts: Callable[[Item, str], ModelFacts]
) -> tuple[dict[str, ModelFacts], list[str]]:
    """Return facts by model id, and a warning for every item with an invalid id; equal ids are merged."""
    models: dict[str, ModelFacts] = {}
    warnings: list[str] = []
    for item in items:
        model = model_of(item)
        if not isinstance(item.get("id"), str):
            warnings.append("a listed model without an id is skipped")
            continue
        problem = model_id_problem(model)
        if problem is not None:
            remedy = model_id_remedy(model)
            also = f"; {remedy}" if remedy else ""
            warnings.append(f"model {quote(model)} is skipped: its id {problem}{also}")
            continue
        seen = facts(item, model)
        models[model] = merge(models[model], seen) if model in models else seen
    return models, warnings


def names(listing: ModelListResponse) -> tuple[dict[str, ModelFacts], list[str]]:
    """As `collect`, for a list that has only ids."""
    return collect(listing.items, lambda _item, _model: ModelFacts())


def aliases(value: Any, model: str) -> tuple[str, ...]:
    """Return the valid other names of `model`."""
    if not isinstance(value, list):
        return ()
    usable = (name for name in value if isinstance(name, str) and model_id_problem(name) is None)
    return tuple(dict.fromkeys(name for name in usable if name != model))


def bounded(warnings: Iterable[str]) -> tuple[str, ...]:
    """Return the distinct warnings, limited to a readable number."""
    once = list(dict.fromkeys(warnings))
    if len(once) <= MAX_WARNINGS:
        return tuple(once)
    return (*once[:MAX_WARNINGS], f"and {len(once) - MAX_WARNINGS} more")
