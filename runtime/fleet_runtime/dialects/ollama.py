"""Ollama: ``/api/show`` says what a model can do, ``/api/ps`` with which context those in memory run.

Files named here are Ollama's own at fb30760 (0.33.0-rc2). ``/api/show`` is requested for a model once, and
again only if `created`, when the model changed, is another; the new and changed ones first, then those whose
request failed, longest ago first. Its `parameters` are the options of the Modelfile, a line each
(server/routes.go, ``GetModelInfo``), numbers as Go writes floats: one million is ``1e+06``. The model runs
with `num_ctx` there, but never with more than it was trained for (server/sched.go, ``effectiveContext``).
Without it the trained context is only an upper bound: what counts is the server's OLLAMA_CONTEXT_LENGTH or,
unset, 4096, 32768 or 262144 by the size of its GPUs (routes.go, ``Serve``; envconfig/config.go). Several
requests at once each have all of it (llm/llama_server.go). The list over OpenAI's API is ``null`` while it
has no model, and `owned_by` is the namespace of a model's name, ``library`` for most (openai/openai.go,
``ToListCompletion``).
"""

from __future__ import annotations

import json
import re
from typing import Any

from fleet_runtime.artifacts.contract import ModelFacts, ModelState, Purpose
from fleet_runtime.dialects.commands import Commands
from fleet_runtime.dialects.details import keep_running, known_details, request_details
from fleet_runtime.dialects.dialect import Dialect, Reader, Reading
from fleet_runtime.dialects.fields import context, mapping, model_of, names, objects, tokens, words
from fleet_runtime.dialects.messages import ProbeRequest, ProbeResponse
from fleet_runtime.dialects.model_list_response import ModelListResponse, decoded
from fleet_runtime.dialects.observation import Observation
from fleet_runtime.dialects.server_memory import ModelMemory, ServerMemory, moment, size

_NUM_CTX = re.compile(r"^num_ctx[ \t]+(\d{1,16}(?:\.\d{1,16})?(?:e\+\d{2})?)[ \t]*$", re.MULTILINE | re.ASCII)


def recognises(listing: ModelListResponse) -> bool:
    return any(item.get("owned_by") == "library" for item in listing.items)


def read(listing: ModelListResponse, previous: Observation | None) -> Reader:
    listed, warnings = listing.once(names)
    changed = listing.once(_changed)
    known = {
        model: details
        for model, details in known_details(previous, listed).items()
        if details.changed in (None, changed[model])
    }
    new = [model for model in listed if model not in known]
    failed = [model for model, details in known.items() if details.changed is None]
    details, rest = yield from request_details(
        new + failed,
        known,
        lambda model: ProbeRequest("/api/show", body=json.dumps({"model": model}).encode()),
        _shown,
        changed,
    )
    models = {model: details[model].facts if model in details else facts for model, facts in listed.items()}
    models = keep_running(models, previous)
    loaded = mapping(decoded((yield ProbeRequest("/api/ps")))).get("models")
    states: dict[str, ModelState] = dict.fromkeys(
        models, "unloaded" if isinstance(loaded, list) else "unknown"
    )
    memory: dict[str, ModelMemory] = {}
    for entry in objects(loaded):
        name = model_of(entry, "model") or model_of(entry, "name")
        if name in models:
            states[name] = "loaded"
            memory[name] = ModelMemory(
                size=size(entry.get("size")),
                vram=size(entry.get("size_vram")),
                expires_at=moment(entry.get("expires_at")),
            )
            running = context("running", tokens(entry.get("context_length")))
            models[name] = models[name].model_copy(update=running)
    waiting = tuple(model for model in rest if model not in details)
    return Reading(models, states, tuple(warnings), waiting, details, ServerMemory(memory))


def _changed(listing: ModelListResponse) -> dict[str, int]:
    """Return when each model last changed, in unix seconds; 0 if the list does not say."""
    return {model_of(item): at if isinstance(at := item.get("created"), int) else 0 for item in listing.items}


def _shown(response: ProbeResponse) -> ModelFacts:
    shown = mapping(decoded(response))
    info = mapping(shown.get("model_info"))
    able = words(shown.get("capabilities"))
    trained = tokens(*(value for key, value in info.items() if key.endswith(".context_length")))
    configured = _num_ctx(shown.get("parameters"))
    if configured and trained:
        configured = min(configured, trained)
    facts: dict[str, Any] = context("listed", configured) or context("trained", trained)
    if able:
        facts["purpose"] = "embedding" if "embedding" in able and "completion" not in able else "chat"
        facts["input"] = ("text", "image") if "vision" in able else ("text",)
        facts["tools"] = "tools" in able
        facts["reasoning"] = "thinking" in able
    return ModelFacts(**facts)


def _num_ctx(parameters: object) -> int | None:
    found = _NUM_CTX.search(parameters) if isinstance(parameters, str) else None
    return tokens(float(found[1])) if found else None


def _load(model: str, purpose: Purpose) -> ProbeRequest:
    """A request without a prompt only loads; a model for embeddings has another path (server/routes.go)."""
    path = "/api/embed" if purpose == "embedding" else "/api/generate"
    body = {"model": model, "input": []} if purpose == "embedding" else {"model": model}
    return ProbeRequest(path, body=json.dumps(body).encode())


_COMMANDS = Commands(
    load=_load,
    unload=lambda model: ProbeRequest(
        "/api/generate", body=json.dumps({"model": model, "keep_alive": 0}).encode()
    ),
)


DIALECT = Dialect(
    "ollama",
    title="[Ollama](https://ollama.com)",
    reads="its list, `/api/show` once per model, `/api/ps`, `/api/version` once",
    recognises=recognises,
    read=read,
    marks={"owned_by": "library"},
    dated=True,
    commands=lambda _listing: _COMMANDS,
    version="/api/version",
)
