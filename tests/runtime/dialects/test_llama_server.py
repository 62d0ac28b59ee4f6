"""Facts and states of llama-server, from recorded responses."""

from __future__ import annotations

import pytest

from fleet_runtime.artifacts.contract import ModelFacts
from fleet_runtime.dialects.status_reason import StatusReason
from tests.runtime.dialects.probing import answer, probe, replay


@pytest.mark.parametrize(("size", "context"), [("2k", 2048), ("4k", 4096)])
def test_one_model_with_the_context_of_a_slot(size: str, context: int) -> None:
    recordings = f"llama-server-{size}"
    run = probe({"/models": replay(f"{recordings}/models"), "/props": replay(f"{recordings}/props")})
    assert run.seen.models == {
        "tiny-chat": ModelFacts(context=context, context_source="running", input=("text",), tools=True)
    }
    assert dict(run.seen.states) == {"tiny-chat": "loaded"}
    assert run.paths == ["/models", "/props"]


def test_the_slots_context_counts_not_the_lists() -> None:
    props = answer({"default_generation_settings": {"n_ctx": 512}, "total_slots": 4})
    seen = probe({"/models": replay("llama-server-2k/models"), "/props": props}).seen
    assert (seen.models["tiny-chat"].context, seen.models["tiny-chat"].context_source) == (512, "running")


def test_without_properties_the_list_says_what_runs() -> None:
    seen = probe({"/models": replay("llama-server-4k/models")}).seen
    assert seen.models["tiny-chat"].context_source == "running"


def test_an_older_list_leaves_only_what_the_model_was_trained_for() -> None:
    listed = answer({"data": [{"id": "m", "owned_by": "llamacpp", "meta": {"n_ctx_train": 4096}}]})
    facts = probe({"/models": listed}).seen.models["m"]
    assert (facts.context, facts.context_source) == (4096, "trained")


def test_a_list_without_meta_leaves_the_context_to_the_properties() -> None:
    listed = answer({"data": [{"id": "m", "owned_by": "llamacpp", "meta": None}]})
    assert probe({"/models": listed}).seen.models["m"].context is None
    props = {"/models": listed, "/props": replay("llama-server-2k/props")}
    assert probe(props).seen.models["m"].context == 2048


def test_other_aliases_are_read_and_the_id_is_none_of_them() -> None:
    seen = probe({"/models": replay("llama-server-api-key/models-two-aliases")}).seen
    assert seen.models["tiny-alias"].aliases == ("tiny-chat",)


def test_a_sleeping_server_is_online_with_its_model_unloaded() -> None:
    answers = {
        "/models": replay("llama-server-sleep/models-sleeping"),
        "/props": replay("llama-server-sleep/props-sleeping"),
    }
    seen = probe(answers).seen
    assert seen.status == "online"
    assert set(seen.states.values()) == {"unloaded"}


def test_fault_12_a_loading_server_is_degraded_and_not_gone() -> None:
    seen = probe({"/models": replay("llama-server-loading/models-while-loading")}).seen
    assert (seen.status, seen.reason) == ("degraded", StatusReason("loading", "/models", 503))


def test_fault_13_a_rejected_key_is_an_error_of_configuration() -> None:
    seen = probe({"/models": replay("llama-server-api-key/models-nokey")}).seen
    assert seen.status == "config_error"
    assert seen.reason == StatusReason("key_rejected", "/models", 401)


def test_a_router_lists_unloaded_models_which_are_not_queried() -> None:
    run = probe({"/models": replay("llama-server-router/models-initial")})
    assert run.paths == ["/models", "/props"]
    assert set(run.seen.states.values()) == {"unloaded"}
    assert run.seen.models["preset-chat"].aliases == ("preset-alias",)


def test_a_routers_loaded_model_brings_its_context_in_the_list() -> None:
    run = probe({"/models": replay("llama-server-router/models-loaded")})
    assert run.paths == ["/models", "/props"]
    assert run.seen.states["tiny-chat-2k"] == "loaded"
    facts = run.seen.models["tiny-chat-2k"]
    assert (facts.context, facts.context_source) == (2048, "running")


def test_a_router_is_queried_only_for_loaded_models_without_autoload_and_once() -> None:
    items = [
        {"id": "a b", "owned_by": "llamacpp", "status": {"value": "loaded"}},
        {"id": "c", "owned_by": "llamacpp", "status": {"value": "loading"}},
    ]
    path = "/props?model=a+b&autoload=false"
    answers = {"/models": answer({"data": items}), path: replay("llama-server-router/props-loaded")}
    first = probe(answers)
    assert first.paths == ["/models", path, "/props"]
    assert first.seen.models["a b"].context == 2048
    assert probe(answers, previous=first.seen).paths == ["/models"]
    assert dict(first.seen.states) == {"a b": "loaded", "c": "loading"}


def routed(*args: str) -> ModelFacts:
    status = {"value": "unloaded", "args": ["/srv/bin/llama-server", *args]}
    item = {"id": "m", "owned_by": "llamacpp", "status": status}
    return probe({"/models": answer({"data": [item]})}).seen.models["m"]


@pytest.mark.parametrize(
    ("args", "context"),
    [
        (("--ctx-size", "8192"), 8192),
        (("-c", "8192"), 8192),
        (("--ctx-size", "8192", "--parallel", "4"), 2048),
        (("--ctx-size", "8192", "--parallel", "4", "--kv-unified"), 8192),
        (("--ctx-size", "8192", "--parallel", "-1"), 8192),
        (("--ctx-size", "8192", "--kv-unified-per-slot", "4096"), 4096),
        (("--ctx-size", "8192", "--parallel", "4", "--kv-unified-per-slot", "4096"), 2048),
        (("--parallel", "4", "--kv-unified-per-slot", "4096"), 4096),
        (("--ctx-size", "0", "--kv-unified-per-slot", "4096"), 4096),
        (("--ctx-size", "0"), None),
        (("--ctx-size",), None),
        (("--ctx-size", "many"), None),
        ((), None),
    ],
)
def test_a_routers_unloaded_model_has_the_context_of_its_command_line(
    args: tuple[str, ...], context: int | None
) -> None:
    assert routed(*args).context == context


def test_the_contexts_in_a_recorded_routers_list_are_known_before_a_model_is_loaded() -> None:
    seen = probe({"/models": replay("llama-server-router/models-initial")}).seen
    facts = seen.models["preset-chat"]
    assert (facts.context, facts.context_source) == (4096, "listed")
    assert [seen.models[f"preset-{name}"].purpose for name in ("embed", "rerank")] == ["embedding", "rerank"]


def test_what_a_routers_model_can_do_is_kept_after_the_one_request_for_its_properties() -> None:
    items = [{"id": "m", "owned_by": "llamacpp", "status": {"value": "loaded"}}]
    path = "/props?model=m&autoload=false"
    answers = {"/models": answer({"data": items}), path: replay("llama-server-router/props-loaded")}
    first = probe(answers).seen
    assert (first.models["m"].tools, first.models["m"].input) == (True, ("text",))
    assert probe(answers, previous=first).seen.models == first.models
