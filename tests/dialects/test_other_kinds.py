"""Facts of Ollama, vLLM, LM Studio and of other servers of OpenAI's API."""

from __future__ import annotations

import json

from fleet_runtime.contract import ModelFacts
from fleet_runtime.dialects.observation import Answer
from tests.dialects.script import answer, listing, look_at

OLLAMA_LIST = listing({"id": "qwen3:8b", "owned_by": "library"}, {"id": "me/nomic:latest", "owned_by": "me"})
SHOWN = answer(
    {
        "model_info": {"general.architecture": "qwen3", "qwen3.context_length": 40960},
        "capabilities": ["completion", "tools", "thinking", "vision"],
    }
)


def test_ollama_shows_what_a_model_can_do() -> None:
    looked = look_at({"/models": OLLAMA_LIST, "/api/show": SHOWN, "/api/ps": answer({"models": []})})
    assert looked.seen.models["qwen3:8b"] == ModelFacts(
        context=40960,
        context_source="trained",
        input=("text", "image"),
        tools=True,
        reasoning=True,
        purpose="chat",
    )
    assert dict(looked.seen.states) == {"qwen3:8b": "unloaded", "me/nomic:latest": "unloaded"}


def test_ollama_is_asked_by_post_for_each_model_once() -> None:
    answers = {"/models": OLLAMA_LIST, "/api/show": SHOWN}
    first = look_at(answers)
    bodies = [json.loads(ask.body) for ask in first.asked if ask.body is not None]
    assert bodies == [{"model": "qwen3:8b"}, {"model": "me/nomic:latest"}]
    assert look_at(answers, previous=first.seen).paths == ["/models", "/api/ps"]


def test_ollama_says_with_which_context_a_loaded_model_runs() -> None:
    loaded = answer({"models": [{"name": "qwen3:8b", "model": "qwen3:8b", "context_length": 4096}]})
    seen = look_at({"/models": OLLAMA_LIST, "/api/show": SHOWN, "/api/ps": loaded}).seen
    facts = seen.models["qwen3:8b"]
    assert (facts.context, facts.context_source, seen.states["qwen3:8b"]) == (4096, "running", "loaded")


def test_an_embedding_model_of_ollama() -> None:
    shown = answer({"model_info": {"nomic-bert.context_length": 2048}, "capabilities": ["embedding"]})
    facts = look_at({"/models": OLLAMA_LIST, "/api/show": shown}).seen.models["qwen3:8b"]
    assert (facts.purpose, facts.tools, facts.context) == ("embedding", False, 2048)


def test_an_ollama_that_shows_nothing_is_online_all_the_same() -> None:
    seen = look_at({"/models": OLLAMA_LIST}).seen
    assert (seen.status, set(seen.states.values())) == ("online", {"unknown"})


def test_vllm_lists_the_context_that_runs() -> None:
    looked = look_at({"/models": listing({"id": "org/m", "owned_by": "vllm", "max_model_len": 32768})})
    assert looked.seen.models == {"org/m": ModelFacts(context=32768, context_source="running")}
    assert dict(looked.seen.states) == {"org/m": "loaded"}
    assert looked.paths == ["/models"]


def test_lm_studios_own_list_says_the_rest() -> None:
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
    seen = look_at({"/models": listed, "/api/v0/models": own}).seen
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


def test_an_lm_studio_without_its_own_list_is_online_all_the_same() -> None:
    seen = look_at({"/models": listing({"id": "a", "owned_by": "organization_owner"})}).seen
    assert (seen.status, dict(seen.states)) == ("online", {"a": "unknown"})


def test_a_hosted_providers_list_is_read_by_the_names_in_use() -> None:
    item = {
        "id": "org/m",
        "name": "M",
        "context_length": 200000,
        "architecture": {"input_modalities": ["text", "file", "image"], "output_modalities": ["text"]},
        "supported_parameters": ["tools", "reasoning"],
        "top_provider": {"max_completion_tokens": 8192},
    }
    seen = look_at({"/models": listing(item)}, kind="openai").seen
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
    bare = Answer(200, body=b'[{"id": "m"}]')
    assert list(look_at({"/models": bare}, kind="openai").seen.models) == ["m"]
