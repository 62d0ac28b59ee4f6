"""LM Studio: its own list ``/api/v0/models`` (since 0.3.6) says types, states and contexts; a request for it
loads nothing. ``/v1/models`` names the same models, all owned by ``organization_owner``.

`type`, `state` and `max_context_length` are documented (lmstudio-ai/docs at 86cb996,
1_developer/2_rest/endpoints.mdx). `loaded_context_length`, `capabilities` and the state ``loading`` are not:
a list without them loses only what they say.
"""

from __future__ import annotations

from typing import Any

from fleet_runtime.artifacts.contract import ModelFacts, ModelState, Purpose
from fleet_runtime.dialects.details import keep_running
from fleet_runtime.dialects.dialect import Dialect, Reader, Reading
from fleet_runtime.dialects.fields import context, mapping, model_of, names, objects, tokens, word, words
from fleet_runtime.dialects.messages import ProbeRequest
from fleet_runtime.dialects.model_list_response import Item, ModelListResponse, decoded
from fleet_runtime.dialects.observation import Observation

_PURPOSES: dict[str, Purpose] = {"llm": "chat", "vlm": "chat", "embeddings": "embedding"}
_STATES: dict[str, ModelState] = {"loaded": "loaded", "loading": "loading", "not-loaded": "unloaded"}


def recognises(listing: ModelListResponse) -> bool:
    return any(item.get("owned_by") == "organization_owner" for item in listing.items)


def read(listing: ModelListResponse, previous: Observation | None) -> Reader:
    listed, warnings = listing.once(names)
    models = dict(listed)
    states: dict[str, ModelState] = dict.fromkeys(models, "unknown")
    for item in objects(mapping(decoded((yield ProbeRequest("/api/v0/models")))).get("data")):
        model = model_of(item)
        if model in models:
            models[model] = _facts(item)
            states[model] = word(item.get("state"), _STATES) or "unknown"
    return Reading(keep_running(models, previous), states, tuple(warnings))


def _facts(item: Item) -> ModelFacts:
    kind = item.get("type")
    facts: dict[str, Any] = {}
    if isinstance(kind, str) and kind in _PURPOSES:
        facts["purpose"] = _PURPOSES[kind]
        facts["input"] = ("text", "image") if kind == "vlm" else ("text",)
    if isinstance(item.get("capabilities"), list):
        facts["tools"] = "tool_use" in words(item["capabilities"])
    running = tokens(item.get("loaded_context_length"))
    most = tokens(item.get("max_context_length"))
    return ModelFacts(**facts, **(context("running", running) or context("trained", most)))


DIALECT = Dialect(
    "lmstudio",
    title="[LM Studio](https://lmstudio.ai)",
    reads="its list, `/api/v0/models`",
    recognises=recognises,
    read=read,
    marks={"owned_by": "organization_owner"},
)
