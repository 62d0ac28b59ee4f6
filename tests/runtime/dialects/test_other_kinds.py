"""Facts of Ollama, vLLM, LM Studio and of other servers of OpenAI's API."""

from __future__ import annotations

import json

import pytest

from fleet_runtime.artifacts.contract import ModelFacts
from fleet_runtime.dialects.details import MAX_DETAILS
from fleet_runtime.dialects.messages import ProbeRequest, ProbeResponse
from fleet_runtime.dialects.status_reason import StatusReason
from tests.runtime.dialects.probing import answer, listing, probe

OLLAMA_LIST = listing({"id": "qwen3:8b", "owned_by": "library"}, {"id": "me/nomic:latest", "owned_by": "me"})
SHOWN = answer(
    {
        "model_info": {"general.architecture": "qwen3", "qwen3.context_length": 40960},
        "capabilities": ["completion", "tools", "thinking", "vision"],
    }
)


def test_ollama_shows_what_a_model_can_do() -> None:
    run = probe({"/models": OLLAMA_LIST, "/api/show": SHOWN, "/api/ps": answer({"models": []})})
    assert run.seen.models["qwen3:8b"] == ModelFacts(
        context=40960,
        context_source="trained",
        input=("text", "image"),
        tools=True,
        reasoning=True,
        purpose="chat",
    )
    assert dict(run.seen.states) == {"qwen3:8b": "unloaded", "me/nomic:latest": "unloaded"}


def test_ollama_gets_one_post_for_each_model() -> None:
    answers = {"/models": OLLAMA_LIST, "/api/show": SHOWN}
    first = probe(answers)
    bodies = [json.loads(ask.body) for ask in first.requests if ask.body is not None]
    assert bodies == [{"model": "qwen3:8b"}, {"model": "me/nomic:latest"}]
    assert probe(answers, previous=first.seen).paths == ["/models", "/api/ps"]


def ollama(*models: tuple[str, int]) -> ProbeResponse:
    """A list of models, each with the time at which it changed."""
    return listing(*({"id": id, "created": changed, "owned_by": "library"} for id, changed in models))


def shown_of(asked: list[ProbeRequest]) -> list[str]:
    """The models that ``/api/show`` was asked of."""
    return [json.loads(ask.body)["model"] for ask in asked if ask.body is not None]


def test_an_ollama_that_names_no_capabilities_is_queried_only_once() -> None:
    answers = {"/models": OLLAMA_LIST, "/api/show": answer({"model_info": {}})}
    first = probe(answers)
    assert shown_of(probe(answers, previous=first.seen).requests) == []


def test_only_a_changed_model_of_ollama_is_queried_again() -> None:
    first = probe({"/models": ollama(("a", 1), ("b", 1)), "/api/show": SHOWN})
    changed = {"/models": ollama(("a", 1), ("b", 2)), "/api/show": answer({"capabilities": ["embedding"]})}
    later = probe(changed, previous=first.seen)
    assert shown_of(later.requests) == ["b"]
    assert [facts.purpose for facts in later.seen.models.values()] == ["chat", "embedding"]


def test_one_probe_of_ollama_queries_a_few_models_and_later_probes_the_others() -> None:
    many = [(f"m{number}", 1) for number in range(MAX_DETAILS * 2 + 1)]
    answers = {"/models": ollama(*many), "/api/show": SHOWN}
    run = probe(answers)
    asked, waiting = [shown_of(run.requests)], [len(run.seen.waiting)]
    while run.seen.waiting:
        run = probe(answers, previous=run.seen)
        asked.append(shown_of(run.requests))
        waiting.append(len(run.seen.waiting))
    assert [len(models) for models in asked] == [MAX_DETAILS, MAX_DETAILS, 1]
    assert waiting == [MAX_DETAILS + 1, 1, 0]
    assert [model for models in asked for model in models] == [id for id, _ in many]
    assert all(facts.purpose == "chat" for facts in run.seen.models.values())


def test_failed_queries_of_ollama_models_are_repeated_after_all_others() -> None:
    models = ollama(*((f"m{number}", 1) for number in range(MAX_DETAILS + 1)))
    first = probe({"/models": models})
    second = probe({"/models": models, "/api/show": SHOWN}, previous=first.seen)
    assert shown_of(second.requests) == [
        f"m{MAX_DETAILS}",
        *(f"m{number}" for number in range(MAX_DETAILS - 1)),
    ]


def test_an_ollama_that_does_not_respond_gets_no_further_query_in_this_probe_and_keeps_its_facts() -> None:
    models = {"/models": ollama(("a", 1), ("b", 1), ("c", 1))}
    silent = probe(models | {"/api/show": ProbeResponse(0, reason=StatusReason("no_response"))})
    assert shown_of(silent.requests) == ["a"]
    answering = probe(models | {"/api/show": SHOWN}, previous=silent.seen)
    assert shown_of(answering.requests) == ["b", "c", "a"]
    refused = ProbeResponse(0, reason=StatusReason("connection_refused"))
    away = probe({"/models": refused}, previous=answering.seen)
    back = probe(models | {"/api/show": SHOWN}, previous=away.seen)
    assert shown_of(back.requests) == []
    assert back.seen.models == answering.seen.models


def test_ollama_reports_the_context_of_a_loaded_model() -> None:
    loaded = answer({"models": [{"name": "qwen3:8b", "model": "qwen3:8b", "context_length": 4096}]})
    seen = probe({"/models": OLLAMA_LIST, "/api/show": SHOWN, "/api/ps": loaded}).seen
    facts = seen.models["qwen3:8b"]
    assert (facts.context, facts.context_source, seen.states["qwen3:8b"]) == (4096, "running", "loaded")


def test_an_embedding_model_of_ollama() -> None:
    shown = answer({"model_info": {"nomic-bert.context_length": 2048}, "capabilities": ["embedding"]})
    facts = probe({"/models": OLLAMA_LIST, "/api/show": shown}).seen.models["qwen3:8b"]
    assert (facts.purpose, facts.tools, facts.context) == ("embedding", False, 2048)


def test_an_ollama_without_details_is_still_online() -> None:
    seen = probe({"/models": OLLAMA_LIST}).seen
    assert (seen.status, set(seen.states.values())) == ("online", {"unknown"})


def test_vllm_lists_the_context_that_runs() -> None:
    run = probe({"/models": listing({"id": "org/m", "owned_by": "vllm", "max_model_len": 32768})})
    assert run.seen.models == {"org/m": ModelFacts(context=32768, context_source="running")}
    assert dict(run.seen.states) == {"org/m": "loaded"}
    assert run.paths == ["/models", "/version"]


def test_lm_studios_own_list_has_the_other_facts() -> None:
    listed = listing(*({"id": id, "owned_by": "organization_owner"} for id in ("a", "b", "c")))
    own = listing(
        {"id": "a", "type": "vlm", "state": "not-loaded", "max_context_length": 131072, "capabilities": []},
        {
            "id": "b",
            "type": "llm",
            "state": "loaded",
            "max_context_length": 131072,
            "loaded_context_length": 4096,
            "capabilities": ["tool_use"],
        },
        {"id": "c", "type": "embeddings", "state": "loaded", "max_context_length": 2048},
        {"id": "not listed", "type": "llm"},
    )
    seen = probe({"/models": listed, "/api/v0/models": own}).seen
    assert seen.models == {
        "a": ModelFacts(
            context=131072,
            context_source="trained",
            input=("text", "image"),
            tools=False,
            purpose="chat",
        ),
        "b": ModelFacts(context=4096, context_source="running", input=("text",), tools=True, purpose="chat"),
        "c": ModelFacts(context=2048, context_source="trained", input=("text",), purpose="embedding"),
    }
    assert dict(seen.states) == {"a": "unloaded", "b": "loaded", "c": "loaded"}


def test_an_lm_studio_without_its_own_list_is_still_online() -> None:
    seen = probe({"/models": listing({"id": "a", "owned_by": "organization_owner"})}).seen
    assert (seen.status, dict(seen.states)) == ("online", {"a": "unknown"})


def test_a_list_of_mistral_says_context_input_tools_and_reasoning() -> None:
    able = {
        "completion_chat": True,
        "function_calling": True,
        "reasoning": True,
        "vision": True,
        "ocr": False,
    }
    item = {"id": "m", "max_context_length": 131072, "aliases": ["m-latest"], "capabilities": able}
    assert probe({"/models": listing(item)}, kind="openai").seen.models["m"] == ModelFacts(
        context=131072,
        context_source="listed",
        input=("text", "image"),
        tools=True,
        reasoning=True,
        purpose="chat",
        aliases=("m-latest",),
    )


def test_a_hosted_providers_list_is_read_by_the_names_in_use() -> None:
    item = {
        "id": "org/m",
        "name": "M",
        "context_length": 200000,
        "architecture": {"input_modalities": ["text", "file", "image"], "output_modalities": ["text"]},
        "supported_parameters": ["tools", "reasoning"],
        "top_provider": {"max_completion_tokens": 8192},
    }
    seen = probe({"/models": listing(item)}, kind="openai").seen
    assert seen.models["org/m"] == ModelFacts(
        name="M",
        context=200000,
        context_source="listed",
        output=8192,
        input=("text", "image"),
        tools=True,
        reasoning=True,
        purpose="chat",
    )


def test_a_bare_list_is_a_list() -> None:
    bare = ProbeResponse(200, body=b'[{"id": "m"}]')
    assert list(probe({"/models": bare}, kind="openai").seen.models) == ["m"]


def shown(parameters: object) -> ProbeResponse:
    return answer({"parameters": parameters, "model_info": {"qwen2.context_length": 131072}})


def test_the_context_in_an_ollama_modelfile_is_what_will_run_and_beats_the_trained_one() -> None:
    lines = 'num_ctx                        32768\nstop                           "<|im_end|>"'
    facts = probe({"/models": OLLAMA_LIST, "/api/show": shown(lines)}).seen.models["qwen3:8b"]
    assert (facts.context, facts.context_source) == (32768, "listed")


@pytest.mark.parametrize(
    "line", ["num_ctx 262144", "num_ctx 1e+06", "num_ctx 1.048576e+06", "num_ctx 131072"]
)
def test_an_ollama_model_never_runs_with_more_than_it_was_trained_for(line: str) -> None:
    facts = probe({"/models": OLLAMA_LIST, "/api/show": shown(line)}).seen.models["qwen3:8b"]
    assert (facts.context, facts.context_source) == (131072, "listed")


@pytest.mark.parametrize(("line", "tokens"), [("num_ctx 1e+06", 10**6), ("num_ctx 1.048576e+06", 2**20)])
def test_a_context_of_a_million_in_an_ollama_modelfile_is_a_number_as_go_writes_floats(
    line: str, tokens: int
) -> None:
    shows = answer({"parameters": line, "model_info": {"llama4.context_length": 10485760}})
    facts = probe({"/models": OLLAMA_LIST, "/api/show": shows}).seen.models["qwen3:8b"]
    assert (facts.context, facts.context_source) == (tokens, "listed")


def test_an_ollama_model_of_unknown_training_has_the_context_of_its_modelfile() -> None:
    shows = answer({"parameters": "num_ctx 8192"})
    facts = probe({"/models": OLLAMA_LIST, "/api/show": shows}).seen.models["qwen3:8b"]
    assert (facts.context, facts.context_source) == (8192, "listed")


@pytest.mark.parametrize(
    "parameters",
    [
        None,
        7,
        "",
        "num_ctx 1.5",
        "num_ctx 1e",
        "num_ctx 1e+99",
        "num_ctx",
        "num_ctx x",
        "num_ctx 0",
        'stop "num_ctx 5"',
    ],
)
def test_an_ollama_model_without_a_context_has_only_the_trained_one(parameters: object) -> None:
    facts = probe({"/models": OLLAMA_LIST, "/api/show": shown(parameters)}).seen.models["qwen3:8b"]
    assert (facts.context, facts.context_source) == (131072, "trained")


def test_an_adapter_of_vllm_runs_with_the_context_of_its_base_model() -> None:
    """A card of vLLM's `show_available_models`: `parent`, and no length of its own."""
    base = {"id": "base", "owned_by": "vllm", "max_model_len": 32768, "root": "org/base", "parent": None}
    adapter = {"id": "sql", "owned_by": "vllm", "max_model_len": None, "root": "/sql", "parent": "base"}
    seen = probe({"/models": listing(adapter, base)}).seen
    assert [facts.context for facts in seen.models.values()] == [32768, 32768]


@pytest.mark.parametrize(
    ("item", "purpose"),
    [
        ({"type": "embedding"}, "embedding"),
        ({"type": "chat"}, "chat"),
        ({"type": "rerank"}, "rerank"),
        ({"type": "moderation"}, None),
        ({"capabilities": {"completion_chat": True, "function_calling": True}}, "chat"),
        ({"capabilities": {"completion_chat": False, "vision": False}}, "embedding"),
        ({"capabilities": {"completion_chat": False, "audio_transcription": True}}, "transcription"),
        ({"capabilities": {"completion_chat": False, "audio_speech": True}}, "speech"),
        ({"capabilities": {"completion_chat": False, "ocr": True}}, None),
    ],
)
def test_what_a_hosted_model_is_for_is_read_by_the_names_in_use(
    item: dict[str, object], purpose: str | None
) -> None:
    seen = probe({"/models": listing({"id": "m", **item})}, kind="openai").seen
    assert seen.models["m"].purpose == purpose
