"""The catalog's models in Ollama's format.

Ollama's clients expect facts that a gateway does not have: sizes are 0, the digest is a hash of the id, and
the modification time is fixed. Other unknown facts are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Any, Final

from fleet_runtime.artifacts.contract import RoutedModel
from fleet_runtime.errors import request_error, suggest
from fleet_runtime.gateway.live_snapshot import LiveSnapshot
from fleet_runtime.proxy.endpoints import Base
from fleet_runtime.routing.resolver import Resolution

VERSION: Final = "0.9.0"
"""The version of Ollama whose API is implemented, the first with `thinking`. Clients check that it is recent
enough."""
ARCHITECTURE: Final = "fleet"

_NEVER: Final = "1970-01-01T00:00:00Z"
_ALWAYS: Final = "9999-12-31T23:59:59Z"
_LISTED: Final = ("chat", "embedding")
_CAPABILITIES: Final = {"chat": "completion", "embedding": "embedding"}


def list_models(live: LiveSnapshot, base: Base) -> dict[str, Any]:
    """Return ``/api/tags``: the available chat models, then the embedding models."""
    models = sorted(_usable(live, base), key=lambda each: _LISTED.index(each[2].purpose or "chat"))
    return {"models": [_listed(id, facts) for _, id, facts in models]}


def list_loaded(live: LiveSnapshot, base: Base) -> dict[str, Any]:
    """Return ``/api/ps``: the models that were in memory at the latest probe."""
    loaded = [
        _listed(id, facts) | {"size_vram": 0, "expires_at": _ALWAYS, "context_length": facts.context or 0}
        for (provider, model), id, facts in _usable(live, base)
        if live.state(provider, model) == "loaded"
    ]
    return {"models": loaded}


def show_model(live: LiveSnapshot, resolution: Resolution) -> dict[str, Any]:
    """Return ``/api/show`` for an available model."""
    assert resolution.provider is not None
    listing = live.inventory.listings[resolution.provider].models
    facts = listing.get(resolution.listed or resolution.model, RoutedModel())
    info: dict[str, Any] = {"general.architecture": ARCHITECTURE, "general.basename": resolution.model}
    if facts.context is not None:
        info[f"{ARCHITECTURE}.context_length"] = facts.context
    return {
        "modelfile": "",
        "parameters": "",
        "template": "",
        "modified_at": _NEVER,
        "details": _details(facts),
        "model_info": info,
        "capabilities": list(_capabilities(facts)),
    }


def require_model(live: LiveSnapshot, base: Base, name: str) -> Resolution:
    """Return what a name resolves to; raises `RequestError` if a request for it would be rejected."""
    resolution = live.resolve_now(base.table, name, pinned=base.pinned, falls_back=True)
    refusal = resolution.refusal
    if refusal is not None:
        raise request_error(refusal.code, suggest(refusal.message, refusal.suggestions), "model")
    return resolution


def served_name(live: LiveSnapshot, base: Base, name: str) -> str:
    """Return the name to route by: Ollama's clients add ``:latest``, which is dropped if it is not listed."""
    short = name.removesuffix(":latest")
    if short == name:
        return name
    full = live.resolve_now(base.table, name, pinned=base.pinned)
    if full.listed is not None:
        return name
    brief = live.resolve_now(base.table, short, pinned=base.pinned)
    is_meant = brief.listed is not None or (brief.available and not full.available)
    return short if is_meant else name


def _usable(live: LiveSnapshot, base: Base) -> Iterator[tuple[tuple[str, str], str, RoutedModel]]:
    """Yield provider, id and facts of every listed, available model."""
    for provider in base.table.providers:
        if base.pinned not in (None, provider.name) or not live.view[provider.name].available:
            continue
        for model, facts in live.catalog.shown_models(provider):
            if (facts.purpose or "chat") in _LISTED:
                id = model if base.pinned is not None else f"{provider.name}/{model}"
                yield (provider.name, model), id, facts


def _listed(id: str, facts: RoutedModel) -> dict[str, Any]:
    return {
        "name": id,
        "model": id,
        "modified_at": _NEVER,
        "size": 0,
        "digest": sha256(id.encode()).hexdigest(),
        "details": _details(facts),
    }


def _details(facts: RoutedModel) -> dict[str, Any]:
    family = "bert" if facts.purpose == "embedding" else ARCHITECTURE
    return {
        "parent_model": "",
        "format": "",
        "family": family,
        "families": [family],
        "parameter_size": "",
        "quantization_level": "",
    }


def _capabilities(facts: RoutedModel) -> Iterator[str]:
    yield _CAPABILITIES.get(facts.purpose or "chat", "completion")
    if facts.tools:
        yield "tools"
    if facts.reasoning:
        yield "thinking"
    if facts.input is not None and "image" in facts.input:
        yield "vision"
