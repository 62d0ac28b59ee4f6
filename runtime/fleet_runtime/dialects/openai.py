"""Any other server of OpenAI's API. What it says beyond OpenAI's own fields is read by the names that are in
use: `context_length`, `architecture`, `supported_parameters` (OpenRouter and its like), `context_window`
(Groq), `type` and `context_length` (Together: types/models.py of its Python client 1.5.34),
`max_context_length`, `capabilities`, `aliases` (Mistral: docs/models/basemodelcard.md and
modelcapabilities.md of its Python client 2.5.1), `max_model_len` (SGLang:
srt/entrypoints/openai/protocol.py at 004c82e), `meta.n_ctx` (a fleet gateway)."""

from __future__ import annotations

from fleet_runtime.artifacts.contract import ModelFacts, Purpose
from fleet_runtime.dialects.bounds import text
from fleet_runtime.dialects.dialect import Dialect, Reader, Reading
from fleet_runtime.dialects.fields import (
    aliases,
    collect,
    context,
    inputs,
    mapping,
    purpose,
    tokens,
    word,
    words,
)
from fleet_runtime.dialects.model_list_response import Item, ModelListResponse
from fleet_runtime.dialects.observation import Observation

_TYPES: dict[str, Purpose] = {
    "chat": "chat",
    "language": "chat",
    "code": "chat",
    "llm": "chat",
    "vlm": "chat",
    "embedding": "embedding",
    "embeddings": "embedding",
    "rerank": "rerank",
    "transcribe": "transcription",
    "audio": "speech",
    "image": "image",
}


def read(listing: ModelListResponse, previous: Observation | None) -> Reader:
    yield from ()
    models, warnings = listing.once(_models)
    return Reading(models, {}, tuple(warnings))


def _models(listing: ModelListResponse) -> tuple[dict[str, ModelFacts], list[str]]:
    return collect(listing.items, _facts)


def _facts(item: Item, model: str) -> ModelFacts:
    top, meta = mapping(item.get("top_provider")), mapping(item.get("meta"))
    architecture = mapping(item.get("architecture"))
    able = words(item.get("capabilities"))
    parameters = words(item.get("supported_parameters"))
    tools = bool({"tools", "function_calling"} & (able | parameters))
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
        reasoning=True if "reasoning" in able | parameters else None,
        purpose=_purpose(item, able, tools),
        aliases=aliases(item.get("aliases"), model),
        **context("listed", listed),
    )


def _purpose(item: Item, able: frozenset[str], tools: bool) -> Purpose | None:
    """Return what the model is for. Mistral's `capabilities` name all that its API does but embeddings (chat,
    fim, ocr, moderation, classification, audio), so a model that is able to do none of it embeds: by
    exclusion, its API has no field for it."""
    kind = word(item.get("type"), _TYPES)
    if kind is not None:
        return kind
    unable = mapping(item.get("capabilities")).get("completion_chat") is False
    return purpose(
        outputs=words(mapping(item.get("architecture")).get("output_modalities")),
        abilities={
            "chat": tools or "completion_chat" in able,
            "transcription": "audio_transcription" in able,
            "speech": "audio_speech" in able,
            "embedding": unable and not able,
        },
    )


DIALECT = Dialect(
    "openai",
    title="any other server of OpenAI's API, cloud services too",
    reads="its list",
    recognises=lambda listing: False,
    read=read,
)
