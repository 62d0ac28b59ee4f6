"""llama-server, with one model or as a router of several (recorded from llama.cpp commit 0c1e570).

One model: the list, then ``/props``; neither wakes a sleeping server. Router: the list says which models are
loaded, and with which command line each runs or would run (its keys are not read); the properties of a loaded
one are requested, always with ``autoload=false``, and only as long as no probe has seen what context it runs
with: a request makes a model the last one to be evicted. The router sends nothing but changes of models on
``/models/sse``, and a llama-server with one model has no such path.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from fleet_runtime.artifacts.contract import ModelFacts, ModelState
from fleet_runtime.dialects.bounds import text
from fleet_runtime.dialects.commands import Commands
from fleet_runtime.dialects.details import keep_running, known_details, request_details, with_details
from fleet_runtime.dialects.dialect import Dialect, Reader, Reading
from fleet_runtime.dialects.feed import Feed
from fleet_runtime.dialects.fields import (
    aliases,
    collect,
    context,
    inputs,
    mapping,
    model_of,
    tokens,
    version_text,
    word,
    words,
)
from fleet_runtime.dialects.llama_props import abilities, properties, running_context, running_facts
from fleet_runtime.dialects.messages import ProbeRequest
from fleet_runtime.dialects.model_list_response import Item, ModelListResponse
from fleet_runtime.dialects.observation import Observation
from fleet_runtime.dialects.server_memory import ModelMemory, ServerMemory, size

_ROUTED: dict[str, ModelState] = {
    "loaded": "loaded",
    "loading": "loading",
    "unloaded": "unloaded",
    "sleeping": "unloaded",
    "downloading": "unloaded",
}


_ROUTER_PROPS = ProbeRequest("/props")
"""Without a model, the router's own: requested once, as long as it responds."""


def recognises(listing: ModelListResponse) -> bool:
    return listing.server == "llama.cpp" or any(item.get("owned_by") == "llamacpp" for item in listing.items)


def read(listing: ModelListResponse, previous: Observation | None) -> Reader:
    return (yield from (_read_router(listing, previous) if _is_router(listing) else _read_single(listing)))


def _is_router(listing: ModelListResponse) -> bool:
    return any(isinstance(item.get("status"), dict) for item in listing.items)


def _read_single(listing: ModelListResponse) -> Reader:
    models, warnings = listing.once(_models)
    props = properties((yield ProbeRequest("/props")))
    running = context("running", running_context(props)) if len(models) == 1 else {}
    said = {**abilities(props), **running}
    state: ModelState = "unloaded" if props.get("is_sleeping") is True else "loaded"
    return Reading(
        {model: facts.model_copy(update=said) for model, facts in models.items()},
        dict.fromkeys(models, state),
        tuple(warnings),
        memory=ServerMemory(
            dict.fromkeys(models, ModelMemory(slots=size(props.get("total_slots"))))
            if state == "loaded"
            else {}
        ),
        version=version_text(props.get("build_info")),
    )


def _read_router(listing: ModelListResponse, previous: Observation | None) -> Reader:
    listed, warnings = listing.once(_models)
    states: dict[str, ModelState] = dict.fromkeys(listed, "unknown")
    for item in listing.items:
        if model_of(item) in states:
            states[model_of(item)] = word(mapping(item.get("status")).get("value"), _ROUTED) or "unknown"
    details = known_details(previous, listed)
    known = with_details(keep_running(listed, previous), details)
    details, waiting = yield from request_details(
        [id for id, state in states.items() if state == "loaded" and known[id].context_source != "running"],
        details,
        lambda model: ProbeRequest(f"/props?{urlencode({'model': model, 'autoload': 'false'})}"),
        running_facts,
    )
    memory, version = (None, None) if previous is None else (previous.memory, previous.version)
    if memory is None:
        props = properties((yield _ROUTER_PROPS))
        memory = ServerMemory(max_loaded=size(props.get("max_instances")))
        version = version_text(props.get("build_info"))
    return Reading(with_details(known, details), states, tuple(warnings), waiting, details, memory, version)


def _models(listing: ModelListResponse) -> tuple[dict[str, ModelFacts], list[str]]:
    return collect(listing.items, _facts)


def _facts(item: Item, model: str) -> ModelFacts:
    meta, options = mapping(item.get("meta")), _options(item)
    architecture = mapping(item.get("architecture"))
    running, trained = tokens(meta.get("n_ctx")), tokens(meta.get("n_ctx_train"))
    embeds = words(architecture.get("output_modalities")) == {"embeddings"}
    embeds |= not {"--embedding", "--embeddings"}.isdisjoint(options)
    ranks = not {"--rerank", "--reranking"}.isdisjoint(options)
    return ModelFacts(
        name=text(item.get("name")),
        input=inputs(architecture.get("input_modalities")),
        purpose="rerank" if ranks else "embedding" if embeds else None,
        aliases=aliases(item.get("aliases"), model),
        **(
            context("running", running)
            or context("listed", _configured_context(options))
            or context("trained", trained)
        ),
    )


def _options(item: Item) -> dict[str, Any]:
    """Return the options of the command line that a router runs a model with: each with the word after it."""
    args = mapping(item.get("status")).get("args")
    line = [arg if isinstance(arg, str) else "" for arg in args] if isinstance(args, list) else []
    return {option: value for option, value in zip(line, [*line[1:], ""], strict=False) if option[:1] == "-"}


def _configured_context(options: dict[str, Any]) -> int | None:
    """Return the context of one slot. Slots share ``--ctx-size`` evenly, or each has all of it if unified, as
    it is where ``--parallel`` is missing or negative; 0 means the model's own. ``--kv-unified-per-slot`` is a
    limit to either, and so is what the model was trained for, which only a loaded one says.

    Source: llama.cpp's tools/server/README.md at 00dc805 (the four options), server.cpp at 00dd081
    (``n_parallel``), common/preset.cpp at 13b56e2 (a router writes the long name of an option).
    """
    size = _number(options.get("--ctx-size", options.get("-c"))) or 0
    slots = _number(options.get("--parallel", options.get("-np"))) or 1
    unified = not {"--kv-unified", "-kvu"}.isdisjoint(options)
    limits = size if unified else size // slots, _number(options.get("--kv-unified-per-slot")) or 0
    return tokens(min((limit for limit in limits if limit), default=None))


def _number(value: object) -> int | None:
    return int(value) if isinstance(value, str) and value.isascii() and value.isdecimal() else None


_COMMANDS = Commands(
    load=lambda model, _purpose: ProbeRequest("/models/load", body=json.dumps({"model": model}).encode()),
    unload=lambda model: ProbeRequest("/models/unload", body=json.dumps({"model": model}).encode()),
)


def _commands(listing: ModelListResponse) -> Commands | None:
    """Only a router loads and unloads; it responds at once, whatever becomes of the model."""
    return _COMMANDS if _is_router(listing) else None


DIALECT = Dialect(
    "llama-server",
    title="[llama-server](https://github.com/ggml-org/llama.cpp) of llama.cpp, and its router",
    reads="its list and `/props`; of a router's models only the loaded ones",
    recognises=recognises,
    read=read,
    marks={"owned_by": "llamacpp"},
    feed=Feed("/models/sse", b'"event"'),
    commands=_commands,
)
