"""vLLM: the list contains the context of the model and its adapters.

A LoRA adapter's card names its base model as `parent` and has no `max_model_len`; it runs with its parent's
(``show_available_models`` in vllm/entrypoints/openai/models/serving.py, commit 00153c8, and the same in
vllm/entrypoints/openai/serving_models.py, commit 075e9ba, of 2025).
"""

from __future__ import annotations

from fleet_runtime.artifacts.contract import ModelFacts
from fleet_runtime.dialects.dialect import Dialect, Reader, Reading
from fleet_runtime.dialects.fields import collect, context, model_of, tokens
from fleet_runtime.dialects.model_list_response import Item, ModelListResponse
from fleet_runtime.dialects.observation import Observation


def recognises(listing: ModelListResponse) -> bool:
    return any(item.get("owned_by") == "vllm" for item in listing.items)


def read(listing: ModelListResponse, previous: Observation | None) -> Reader:
    yield from ()
    models, warnings = listing.once(_models)
    return Reading(models, dict.fromkeys(models, "loaded"), tuple(warnings))


def _models(listing: ModelListResponse) -> tuple[dict[str, ModelFacts], list[str]]:
    lengths = {model_of(item): tokens(item.get("max_model_len")) for item in listing.items}

    def facts(item: Item, model: str) -> ModelFacts:
        return ModelFacts(**context("running", lengths[model] or lengths.get(model_of(item, "parent"))))

    return collect(listing.items, facts)


DIALECT = Dialect(
    "vllm",
    title="[vLLM](https://docs.vllm.ai)",
    reads="its list, `/version` once",
    recognises=recognises,
    read=read,
    marks={"owned_by": "vllm"},
    version="/version",
)
