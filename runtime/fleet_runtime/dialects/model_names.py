"""Other names that servers accept for a model, by a rule of their kind.

Separate, because the compiler needs these names and nothing else of the dialects.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fleet_runtime.artifacts.contract import ProviderKind

_LATEST = ":latest"


def _without_latest(model: str) -> tuple[str, ...]:
    """Ollama: a name without a tag means its ``latest``."""
    return (model.removesuffix(_LATEST),) if model.endswith(_LATEST) and model != _LATEST else ()


_RULES: Mapping[ProviderKind, Callable[[str], tuple[str, ...]]] = {"ollama": _without_latest}


def other_names(kind: ProviderKind, model: str) -> tuple[str, ...]:
    """Return the other names of a model, next to its id, by the rule of this kind of server."""
    rule = _RULES.get(kind)
    return rule(model) if rule is not None else ()
