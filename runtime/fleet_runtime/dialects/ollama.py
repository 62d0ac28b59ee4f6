"""Ollama (0.12): ``/api/show`` says what a model can do, ``/api/ps`` with which context those in memory run.

``/api/show`` is asked of a model once, and again only where `created`, when the model changed, is another; of
at most `MAX_ASKS` models in one look, of the others in later ones. Its list over OpenAI's API is
``null`` while it has no model, and `owned_by` is the namespace of a model's name, ``library`` for most.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from fleet_runtime.artifacts.contract import ModelFacts, ModelState
from fleet_runtime.dialects.dialect import Dialect, Reading, Seen
from fleet_runtime.dialects.listing import (
    ModelListResponse,
    context,
    decoded,
    keep_running,
    mapping,
    model_of,
    names,
    objects,
    tokens,
    words,
)
from fleet_runtime.dialects.observation import Observation, ProbeRequest, ProbeResponse

MAX_ASKS = 64

_LATEST = ":latest"


def recognises(listing: ModelListResponse) -> bool:
    return any(item.get("owned_by") == "library" for item in listing.items)


def other_names(model: str) -> tuple[str, ...]:
    """A name without a tag means its ``latest``."""
    return (model.removesuffix(_LATEST),) if model.endswith(_LATEST) and model != _LATEST else ()


def read(listing: ModelListResponse, previous: Observation | None) -> Reading:
    _, warnings = listing.once(names)
    known = yield from _ask(listing, previous or Observation("ollama", "online"))
    models = keep_running(known.models, previous)
    loaded = mapping(decoded((yield ProbeRequest("/api/ps")))).get("models")
    states: dict[str, ModelState] = dict.fromkeys(
        models, "unloaded" if isinstance(loaded, list) else "unknown"
    )
    for entry in objects(loaded):
        name = model_of(entry, "model") or model_of(entry, "name")
        if name in models:
            states[name] = "loaded"
            running = context("running", tokens(entry.get("context_length")))
            models[name] = models[name].model_copy(update=running)
    unasked = len(models.keys() - known.asked.keys())
    return Seen(models, states, tuple(warnings), unasked, known.asked)


@dataclass(frozen=True, slots=True)
class _Known:
    """`asked`: by model, when it had changed as of its answer; None where it was asked in vain. In the order
    of asking."""

    models: dict[str, ModelFacts]
    asked: dict[str, int | None]


def _ask(listing: ModelListResponse, previous: Observation) -> Generator[ProbeRequest, ProbeResponse, _Known]:
    """What is known of each model, and what a few more say: the new and changed ones first, then those that
    were asked in vain, longest ago first. A server that does not answer is asked no more in this look."""
    listed, _ = listing.once(names)
    changed = listing.once(_changed)
    models = {model: previous.models.get(model, facts) for model, facts in listed.items()}
    asked = {
        model: at for model, at in previous.asked.items() if model in models and at in (None, changed[model])
    }
    new = [model for model in models if model not in asked]
    failed = [model for model, at in asked.items() if at is None]
    for model in (new + failed)[:MAX_ASKS]:
        answer = yield ProbeRequest("/api/show", body=json.dumps({"model": model}).encode())
        asked.pop(model, None)
        asked[model] = changed[model] if answer.status == 200 else None
        if answer.status == 200:
            models[model] = _shown(answer)
        if answer.status == 0:
            break
    return _Known(models, asked)


def _changed(listing: ModelListResponse) -> dict[str, int]:
    """When each model last changed, in unix seconds; 0 where the list does not say."""
    return {model_of(item): at if isinstance(at := item.get("created"), int) else 0 for item in listing.items}


def _shown(answer: ProbeResponse) -> ModelFacts:
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


DIALECT = Dialect("ollama", recognises, read, other_names, dated=True)
