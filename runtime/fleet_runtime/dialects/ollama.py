"""Ollama (0.12): ``/api/show`` says what a model can do, ``/api/ps`` with which context those in memory run.

Asked of a model once: what an earlier look saw is not asked again. Its list over OpenAI's API is ``null``
while it has no model, and `owned_by` is the namespace of a model's name, ``library`` for most.
"""

from __future__ import annotations

import json
from typing import Any

from fleet_runtime.contract import ModelFacts, State
from fleet_runtime.dialects.dialect import Dialect, Reading, Seen
from fleet_runtime.dialects.listing import (
    Listing,
    collect,
    context,
    decoded,
    keep_running,
    mapping,
    model_of,
    objects,
    tokens,
    words,
)
from fleet_runtime.dialects.observation import Answer, Ask, Observation

_LATEST = ":latest"


def recognises(listing: Listing) -> bool:
    return any(item.get("owned_by") == "library" for item in listing.items)


def other_names(model: str) -> tuple[str, ...]:
    """A name without a tag means its ``latest``."""
    return (model.removesuffix(_LATEST),) if model.endswith(_LATEST) and model != _LATEST else ()


def read(listing: Listing, previous: Observation | None) -> Reading:
    models, warnings = collect(listing.items, lambda _item, _model: ModelFacts())
    known = previous.models if previous is not None else {}
    for model in models:
        before = known.get(model)
        if before is not None and before.purpose is not None:
            models[model] = before
        else:
            body = json.dumps({"model": model}).encode()
            models[model] = _shown((yield Ask("/api/show", body=body)))
    models = keep_running(models, previous)
    loaded = mapping(decoded((yield Ask("/api/ps")))).get("models")
    states: dict[str, State] = dict.fromkeys(models, "unloaded" if isinstance(loaded, list) else "unknown")
    for entry in objects(loaded):
        name = model_of(entry, "model") or model_of(entry, "name")
        if name in models:
            states[name] = "loaded"
            running = context("running", tokens(entry.get("context_length")))
            models[name] = models[name].model_copy(update=running)
    return Seen(models, states, tuple(warnings))


def _shown(answer: Answer) -> ModelFacts:
    shown = mapping(decoded(answer))
    info = mapping(shown.get("model_info"))
    able = words(shown.get("capabilities"))
    trained = tokens(*(value for key, value in info.items() if key.endswith(".context_length")))
    facts: dict[str, Any] = context("trained", trained)
    if able:
        facts["purpose"] = "embedding" if "embedding" in able and "completion" not in able else "chat"
        facts["input"] = ("text", "image") if "vision" in able else ("text",)
        facts["tools"] = "tools" in able
        facts["reasoning"] = "thinking" in able
    return ModelFacts(**facts)


DIALECT = Dialect("ollama", recognises, read, other_names)
