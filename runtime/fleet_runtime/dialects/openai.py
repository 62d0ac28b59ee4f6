"""Any other server of OpenAI's API. What it says beyond OpenAI's own fields is taken by the names that are in
use: `context_length`, `architecture`, `supported_parameters` (OpenRouter and its like), `context_window`
(Groq), `max_context_length`, `capabilities` (Mistral), `max_model_len` (SGLang), `meta.n_ctx` (a fleet
gateway)."""

from __future__ import annotations

from fleet_runtime.artifacts.contract import ModelFacts
from fleet_runtime.dialects.dialect import Dialect, Reading, Seen
from fleet_runtime.dialects.listing import (
    Item,
    ModelListResponse,
    aliases,
    collect,
    context,
    inputs,
    mapping,
    purpose,
    text,
    tokens,
    words,
)
from fleet_runtime.dialects.observation import Observation


def read(listing: ModelListResponse, previous: Observation | None) -> Reading:
    yield from ()
    models, warnings = listing.once(_models)
    return Seen(models, {}, tuple(warnings))


def _models(listing: ModelListResponse) -> tuple[dict[str, ModelFacts], list[str]]:
    return collect(listing.items, _facts)


def _facts(item: Item, model: str) -> ModelFacts:
    top, meta = mapping(item.get("top_provider")), mapping(item.get("meta"))
    architecture = mapping(item.get("architecture"))
    able = words(item.get("capabilities"))
    tools = bool({"tools", "function_calling"} & (able | words(item.get("supported_parameters"))))
    listed = tokens(
        *(
            item.get(key)
            for key in ("context_length", "context_window", "max_model_len", "max_context_length")
        ),
        meta.get("n_ctx"),
        top.get("context_length"),
    )
    seen = inputs(architecture.get("input_modalities"))
    return ModelFacts(
        name=text(item.get("name")),
        output=tokens(item.get("max_completion_tokens"), top.get("max_completion_tokens")),
        input=("text", "image") if seen is None and "vision" in able else seen,
        tools=True if tools else None,
        reasoning=True if "reasoning" in words(item.get("supported_parameters")) else None,
        purpose=purpose(
            outputs=words(architecture.get("output_modalities")),
            abilities={"chat": tools or "completion_chat" in able},
        ),
        aliases=aliases(item.get("aliases"), model),
        **context("listed", listed),
    )


DIALECT = Dialect("openai", lambda listing: False, read)
