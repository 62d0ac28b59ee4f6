"""llama-server, with one model or as a router of several (recorded from llama.cpp commit 0c1e570).

One model: the list, then ``/props``; neither wakes a sleeping server. Router: the list says which models
are loaded; a loaded one is asked for its properties, always with ``autoload=false``, and only as long as no
look has seen what context it runs with: a request makes a model the last one to be evicted.
"""

from __future__ import annotations

from urllib.parse import urlencode

from fleet_runtime.artifacts.contract import ModelFacts, ModelState
from fleet_runtime.dialects.dialect import Dialect, Reading, Seen
from fleet_runtime.dialects.listing import (
    Item,
    ModelListResponse,
    aliases,
    collect,
    context,
    inputs,
    keep_running,
    mapping,
    model_of,
    text,
    tokens,
    word,
    words,
)
from fleet_runtime.dialects.observation import Observation, ProbeRequest
from fleet_runtime.dialects.properties import abilities, properties, running_context

_ROUTED: dict[str, ModelState] = {
    "loaded": "loaded",
    "loading": "loading",
    "unloaded": "unloaded",
    "sleeping": "unloaded",
    "downloading": "unloaded",
}


def recognises(listing: ModelListResponse) -> bool:
    return listing.server == "llama.cpp" or any(item.get("owned_by") == "llamacpp" for item in listing.items)


def read(listing: ModelListResponse, previous: Observation | None) -> Reading:
    routed = any(isinstance(item.get("status"), dict) for item in listing.items)
    return (yield from (_read_router(listing, previous) if routed else _read_single(listing)))


def _read_single(listing: ModelListResponse) -> Reading:
    models, warnings = listing.once(_models)
    answer = yield ProbeRequest("/props")
    props = properties(answer)
    running = context("running", running_context(answer)) if len(models) == 1 else {}
    said = {**abilities(props), **running}
    state: ModelState = "unloaded" if props.get("is_sleeping") is True else "loaded"
    return Seen(
        {model: facts.model_copy(update=said) for model, facts in models.items()},
        dict.fromkeys(models, state),
        tuple(warnings),
    )


def _read_router(listing: ModelListResponse, previous: Observation | None) -> Reading:
    models, warnings = listing.once(_models)
    states: dict[str, ModelState] = dict.fromkeys(models, "unknown")
    for item in listing.items:
        if model_of(item) in states:
            states[model_of(item)] = word(mapping(item.get("status")).get("value"), _ROUTED) or "unknown"
    models = keep_running(models, previous)
    for model, state in states.items():
        if state == "loaded" and models[model].context_source != "running":
            query = urlencode({"model": model, "autoload": "false"})
            answer = yield ProbeRequest(f"/props?{query}")
            running = context("running", running_context(answer))
            models[model] = models[model].model_copy(update={**abilities(properties(answer)), **running})
    return Seen(models, states, tuple(warnings))


def _models(listing: ModelListResponse) -> tuple[dict[str, ModelFacts], list[str]]:
    return collect(listing.items, _facts)


def _facts(item: Item, model: str) -> ModelFacts:
    meta = mapping(item.get("meta"))
    architecture = mapping(item.get("architecture"))
    running, trained = tokens(meta.get("n_ctx")), tokens(meta.get("n_ctx_train"))
    embeds = words(architecture.get("output_modalities")) == {"embeddings"}
    return ModelFacts(
        name=text(item.get("name")),
        input=inputs(architecture.get("input_modalities")),
        purpose="embedding" if embeds else None,
        aliases=aliases(item.get("aliases"), model),
        **(context("running", running) or context("trained", trained)),
    )


DIALECT = Dialect("llama-server", recognises, read)
