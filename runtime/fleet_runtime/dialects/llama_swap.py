"""llama-swap: its list says most, ``/running`` the states (sources of 2026-08, commit 0bdb3720; lists since
2026-08-28 have `context_window` too, those before #950 neither states nor types).

``/upstream/<model>/props`` loads an unloaded model and prolongs a loaded one's time to live. So it is
requested once after a model was seen to become ready between two probes, and never else. It means the first
or, in other versions, the last of the names that the path begins with: a model for which these are not one is
never requested. What ``/running`` says of command lines is not read: it may hold keys. ``/api/events``
double-encodes its ``modelStatus`` data and sends logs and more too.
"""

from __future__ import annotations

from collections.abc import Generator
from urllib.parse import quote

from fleet_runtime.artifacts.contract import ModelFacts, ModelState
from fleet_runtime.dialects.bounds import text
from fleet_runtime.dialects.commands import Commands
from fleet_runtime.dialects.details import just_loaded, known_details, request_details, with_details
from fleet_runtime.dialects.dialect import Dialect, Reader, Reading
from fleet_runtime.dialects.feed import Feed
from fleet_runtime.dialects.fields import (
    aliases,
    collect,
    context,
    inputs,
    mapping,
    model_of,
    objects,
    purpose,
    tokens,
    word,
    words,
)
from fleet_runtime.dialects.llama_props import running_facts
from fleet_runtime.dialects.messages import ProbeRequest, ProbeResponse
from fleet_runtime.dialects.model_list_response import Item, ModelListResponse, decoded
from fleet_runtime.dialects.observation import Observation
from fleet_runtime.dialects.server_memory import ModelMemory, ServerMemory, read_gauges, size

_LISTED: dict[str, ModelState] = {"loaded": "loaded", "unloaded": "unloaded"}
_RUNNING: dict[str, ModelState] = {"starting": "loading", "ready": "loaded", "stopping": "unloaded"}
_ELSEWHERE = ("peer", "selector", "profile")


def recognises(listing: ModelListResponse) -> bool:
    return any(item.get("owned_by") == "llama-swap" or _own(item) for item in listing.items)


def read(listing: ModelListResponse, previous: Observation | None) -> Reader:
    models, warnings = listing.once(_models)
    states, loaded = yield from _states(listing, models)
    ready = just_loaded(states, previous)
    before = previous.waiting if previous is not None and previous.status == "online" else ()
    waiting = [model for model in before if states.get(model) == "loaded" and model not in ready]
    ambiguous = listing.once(_ambiguous)
    details, waiting_now = yield from request_details(
        [model for model in ready + waiting if model not in ambiguous],
        known_details(previous, models),
        lambda model: ProbeRequest(f"/upstream/{quote(model)}/props"),
        running_facts,
    )
    memory = yield from _memory(loaded, previous)
    return Reading(with_details(models, details), states, tuple(warnings), waiting_now, details, memory)


def _memory(
    loaded: dict[str, ModelMemory], previous: Observation | None
) -> Generator[ProbeRequest, ProbeResponse, ServerMemory]:
    """Return the gauges of ``/metrics`` too, until it responds with an error: it is empty for the first
    seconds, until llama-swap has measured something (`performance.every`, at least 5)."""
    if previous is not None and previous.memory is not None and previous.memory.no_gauges:
        return ServerMemory(loaded, no_gauges=True)
    response = yield ProbeRequest("/metrics")
    if response.status != 200:
        return ServerMemory(loaded, no_gauges=response.status >= 400)
    return ServerMemory(loaded, **read_gauges(response.body))


def _models(listing: ModelListResponse) -> tuple[dict[str, ModelFacts], list[str]]:
    """Return the models; an item that is only another name of a listed model becomes an alias of that."""
    models, warnings = collect((item for item in listing.items if not _own_word(item, "modelID")), _facts)
    others: list[Item] = []
    for item in listing.items:
        target = _own_word(item, "modelID")
        if not target:
            continue
        known = models.get(target)
        if known is None:
            others.append(item)
        elif model_of(item) not in models:
            names = aliases([*known.aliases, model_of(item)], target)
            models[target] = known.model_copy(update={"aliases": names})
    unattached, more = collect(others, _facts)
    return unattached | models, warnings + more


def _own(item: Item) -> Item:
    """Return what llama-swap itself says of an item."""
    return mapping(mapping(item.get("meta")).get("llamaswap"))


def _own_word(item: Item, key: str) -> str:
    return model_of(_own(item), key)


def _facts(item: Item, model: str) -> ModelFacts:
    own, meta = _own(item), mapping(item.get("meta"))
    architecture = mapping(item.get("architecture"))
    able = words(item.get("capabilities"))
    tools = "function_calling" in able or "tools" in words(item.get("supported_parameters"))
    listed = tokens(
        item.get("context_length"),
        item.get("context_window"),
        meta.get("n_ctx"),
        *(own.get(key) for key in ("context_length", "context_window", "n_ctx", "context")),
    )
    seen = inputs(architecture.get("input_modalities"))
    return ModelFacts(
        name=text(item.get("name")),
        input=("text", "image") if seen is None and "vision" in able else seen,
        tools=True if tools else None,
        purpose=purpose(
            outputs=words(architecture.get("output_modalities")),
            abilities={
                "chat": tools,
                "rerank": "reranker" in able,
                "transcription": "audio_transcriptions" in able,
                "speech": "audio_speech" in able,
                "image": bool(able & {"image_generation", "image_to_image"}),
            },
        ),
        aliases=aliases(own.get("aliases"), model),
        **context("listed", listed),
    )


def _states(
    listing: ModelListResponse, models: dict[str, ModelFacts]
) -> Generator[ProbeRequest, ProbeResponse, tuple[dict[str, ModelState], dict[str, ModelMemory]]]:
    """Return states from ``/running`` if it responds, else from the list, which calls a starting model loaded
    too. Neither knows the state of a peer's models. ``/running`` also says after how long models unload.
    """
    here = listing.once(_listed_states)
    states: dict[str, ModelState] = dict.fromkeys(models, "unknown")
    states.update(here)
    loaded: dict[str, ModelMemory] = {}
    running = mapping(decoded((yield ProbeRequest("/running")))).get("running")
    if isinstance(running, list):
        states.update(dict.fromkeys(here, "unloaded"))
        for entry in objects(running):
            model = model_of(entry, "model")
            if model in models:
                states[model] = word(entry.get("state"), _RUNNING) or "unknown"
                loaded[model] = ModelMemory(ttl=size(entry.get("ttl")))
    return states, loaded


def _listed_states(listing: ModelListResponse) -> dict[str, ModelState]:
    """Return what the list says of the models that run here, without those of peers."""
    models, _ = listing.once(_models)
    return {
        model_of(item): word(mapping(item.get("status")).get("value"), _LISTED) or "unknown"
        for item in listing.items
        if model_of(item) in models and _own_word(item, "type") not in _ELSEWHERE
    }


def _commands(listing: ModelListResponse) -> Commands:
    """Any path below ``/upstream/<model>`` loads a model first (internal/server/server.go at 0bdb3720)."""
    return Commands(
        load=lambda model, _purpose: ProbeRequest(f"/upstream/{quote(model)}/health"),
        unload=lambda model: ProbeRequest(f"/api/models/unload/{quote(model)}", body=b""),
        forwarded={model_of(item) for item in listing.items if _own_word(item, "type") in _ELSEWHERE}
        | listing.once(_ambiguous),
    )


def _ambiguous(listing: ModelListResponse) -> frozenset[str]:
    """Return the models whose path below ``/upstream`` may mean another one: ``m/x`` next to a model or an
    alias ``m``, and ``m`` next to ``m/props``."""
    models, _ = listing.once(_models)
    names = {name for model, facts in models.items() for name in (model, *facts.aliases)}
    beginnings = {
        model: {model[:at] for at, character in enumerate(model) if character == "/"} for model in models
    }
    return frozenset(
        model
        for model in models
        if not names.isdisjoint(beginnings[model] | {f"{model}/props", f"{model}/health"})
    )


DIALECT = Dialect(
    "llama-swap",
    title="[llama-swap](https://github.com/mostlygeek/llama-swap)",
    reads="its list, `/running`, `/metrics` if it has gauges, `/api/version` once;"
    " `/upstream/<model>/props` once, after a model became ready",
    recognises=recognises,
    read=read,
    marks={"owned_by": "llama-swap"},
    feed=Feed("/api/events", b"modelStatus"),
    commands=_commands,
    version="/api/version",
)
