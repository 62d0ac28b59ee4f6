"""vLLM (its OpenAI server, 0.11): the list says with which context the model runs, adapters included."""

from __future__ import annotations

from fleet_runtime.artifacts.contract import ModelFacts
from fleet_runtime.dialects.dialect import Dialect, Reading, Seen
from fleet_runtime.dialects.listing import Item, ModelListResponse, collect, context, tokens
from fleet_runtime.dialects.observation import Observation


def recognises(listing: ModelListResponse) -> bool:
    return any(item.get("owned_by") == "vllm" for item in listing.items)


def read(listing: ModelListResponse, previous: Observation | None) -> Reading:
    yield from ()
    models, warnings = listing.once(_models)
    return Seen(models, dict.fromkeys(models, "loaded"), tuple(warnings))


def _models(listing: ModelListResponse) -> tuple[dict[str, ModelFacts], list[str]]:
    return collect(listing.items, _facts)


def _facts(item: Item, _model: str) -> ModelFacts:
    return ModelFacts(**context("running", tokens(item.get("max_model_len"))))


DIALECT = Dialect("vllm", recognises, read)
