"""Facts and states of llama-swap, with as few requests as possible."""

from __future__ import annotations

from typing import Any

from fleet_runtime.artifacts.contract import ModelFacts
from fleet_runtime.dialects.details import MAX_DETAILS
from fleet_runtime.dialects.messages import ProbeResponse
from fleet_runtime.dialects.observation import Observation
from fleet_runtime.dialects.registry import KINDS
from fleet_runtime.dialects.status_reason import StatusReason
from tests.runtime.dialects.probing import ProbeRun, answer, listing, probe, replay

PROPS = answer({"default_generation_settings": {"n_ctx": 16384}, "total_slots": 1})


def item(id: str, own: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    return {
        "id": id,
        "object": "model",
        "owned_by": "llama-swap",
        "meta": {"llamaswap": {"type": "model", **(own or {})}},
        **fields,
    }


def running(**states: str) -> Any:
    return answer({"running": [{"model": model, "state": state} for model, state in states.items()]})


def probe_swap(*items: Any, now: Any, previous: Observation | None = None) -> ProbeRun:
    answers = {"/models": listing(*items), "/running": now, "/upstream/m/props": PROPS}
    return probe(answers, previous=previous)


def test_a_model_of_the_present_list_is_read_complete() -> None:
    listed = item(
        "qwen3-vl",
        {"aliases": ["vl", "qwen3-vl"]},
        name="Qwen3 VL",
        architecture={"input_modalities": ["text", "image"], "output_modalities": ["text"]},
        capabilities={"vision": True, "function_calling": True},
        supported_parameters=["tools", "tool_choice"],
        context_length=32768,
        status={"value": "unloaded"},
    )
    assert probe_swap(listed, now=running()).seen.models == {
        "qwen3-vl": ModelFacts(
            name="Qwen3 VL",
            context=32768,
            context_source="listed",
            input=("text", "image"),
            tools=True,
            purpose="chat",
            aliases=("vl",),
        )
    }


def test_contexts_of_all_generations_of_the_list_are_listed_ones() -> None:
    seen = probe_swap(
        item("a", context_length=1),
        item("b", context_window=2),
        {"id": "c", "owned_by": "llama-swap", "meta": {"n_ctx": 3}},
        item("d", {"context_length": 4}),
        {"id": "e", "owned_by": "llama-swap"},
        now=running(),
    ).seen
    assert [facts.context for facts in seen.models.values()] == [1, 2, 3, 4, None]
    assert {facts.context_source for facts in seen.models.values()} == {"listed", None}


def test_purposes_come_from_capabilities() -> None:
    seen = probe_swap(
        item("rank", capabilities={"reranker": True}),
        item("hear", capabilities={"audio_transcriptions": True}),
        item("speak", capabilities={"audio_speech": True}),
        item("draw", capabilities={"image_to_image": True}),
        item("talk", capabilities={"function_calling": True, "vision": True}),
        item("what"),
        now=running(),
    ).seen
    assert [facts.purpose for facts in seen.models.values()] == [
        "rerank",
        "transcription",
        "speech",
        "image",
        "chat",
        None,
    ]


def test_an_alias_item_becomes_an_alias_of_its_target() -> None:
    alias = item("small", {"type": "alias", "modelID": "qwen3-4b"})
    seen = probe_swap(alias, item("qwen3-4b", {"aliases": ["tiny"]}), now=running()).seen
    assert list(seen.models) == ["qwen3-4b"]
    assert seen.models["qwen3-4b"].aliases == ("tiny", "small")


def test_an_alias_item_whose_target_is_not_listed_means_itself() -> None:
    seen = probe_swap(item("small", {"type": "alias", "modelID": "hidden"}), now=running()).seen
    assert list(seen.models) == ["small"]


def test_peers_selectors_and_profiles_are_listed_models_of_unknown_state() -> None:
    others = [
        item(kind, {"type": kind}, status={"value": "unloaded"}) for kind in ("peer", "selector", "profile")
    ]
    seen = probe_swap(*others, now=running()).seen
    assert dict(seen.states) == {"peer": "unknown", "selector": "unknown", "profile": "unknown"}


def test_each_type_of_a_recorded_list_is_read() -> None:
    run = probe(
        {
            "/models": replay("llama-swap-2026-08/models-of-all-types"),
            "/running": replay("llama-swap-2026-08/running"),
        }
    )
    assert run.seen.warnings == ()
    assert {model: facts.aliases for model, facts in run.seen.models.items() if facts.aliases} == {
        "qwen3-8b": ("q8",)
    }
    elsewhere = {model for model, state in run.seen.states.items() if state == "unknown"}
    assert elsewhere == {"closet/qwen3-4b", "warmest", "pinned"}
    assert run.seen.models["hf/qwen3:Q4"].context == 32768
    assert run.seen.listing is not None
    commands = KINDS["llama-swap"].commands(run.seen.listing)
    assert commands is not None
    assert commands.forwarded == elsewhere


def test_states_come_from_running_where_it_responds() -> None:
    items = [item(name, status={"value": "loaded"}) for name in ("a", "b", "c", "d")]
    states = probe_swap(*items, now=running(a="ready", b="starting", c="stopping", other="ready")).seen.states
    assert dict(states) == {"a": "loaded", "b": "loading", "c": "unloaded", "d": "unloaded"}


def test_states_come_from_the_list_where_running_does_not_respond() -> None:
    items = [item("a", status={"value": "loaded"}), item("b", status={"value": "unloaded"}), item("c")]
    seen = probe({"/models": listing(*items)}).seen
    assert seen.status == "online"
    assert dict(seen.states) == {"a": "loaded", "b": "unloaded", "c": "unknown"}


def test_the_first_probe_queries_no_model() -> None:
    paths = probe_swap(item("m"), now=running(m="ready")).paths
    assert paths == ["/models", "/running", "/metrics", "/api/version"]


def test_a_model_is_queried_once_after_it_became_ready() -> None:
    before = probe_swap(item("m", context_length=4096), now=running()).seen
    changed = probe_swap(item("m", context_length=4096), now=running(m="ready"), previous=before)
    assert changed.paths == ["/models", "/running", "/upstream/m/props"]
    assert (changed.seen.models["m"].context, changed.seen.models["m"].context_source) == (16384, "running")
    later = probe_swap(item("m", context_length=4096), now=running(m="ready"), previous=changed.seen)
    assert later.paths == ["/models", "/running"]
    assert later.seen.models["m"].context == 16384


def test_a_model_that_is_still_starting_is_not_queried() -> None:
    before = probe_swap(item("m"), now=running()).seen
    assert probe_swap(item("m"), now=running(m="starting"), previous=before).paths == ["/models", "/running"]


def test_a_model_that_appears_ready_is_not_queried() -> None:
    before = probe_swap(item("other"), now=running()).seen
    assert probe_swap(item("m"), now=running(m="ready"), previous=before).paths == ["/models", "/running"]


def test_a_model_that_is_ready_when_its_provider_comes_back_is_not_queried() -> None:
    before = probe_swap(item("m"), now=running()).seen
    away = Observation("llama-swap", "offline", StatusReason("connection_refused"), states=before.states)
    back = probe_swap(item("m"), now=running(m="ready"), previous=away)
    assert back.paths == ["/models", "/running", "/metrics", "/api/version"]


def test_a_running_context_outlives_the_model() -> None:
    before = probe_swap(item("m", context_length=4096), now=running()).seen
    ready = probe_swap(item("m", context_length=4096), now=running(m="ready"), previous=before).seen
    gone = probe_swap(item("m", context_length=4096), now=running(), previous=ready).seen
    assert (gone.models["m"].context, gone.models["m"].context_source) == (16384, "running")


def test_a_rejected_request_for_the_properties_costs_only_their_fact() -> None:
    before = probe_swap(item("m", context_length=4096), now=running()).seen
    answers = {"/models": listing(item("m", context_length=4096)), "/running": running(m="ready")}
    seen = probe(answers, previous=before).seen
    assert (seen.status, seen.models["m"].context) == ("online", 4096)


def test_the_model_is_percent_encoded_in_the_path() -> None:
    name = "org/qwen 3?#żółć"
    before = probe_swap(item(name), now=running()).seen
    now = answer({"running": [{"model": name, "state": "ready"}]})
    run = probe({"/models": listing(item(name)), "/running": now}, previous=before)
    assert run.paths[-1] == "/upstream/org/qwen%203%3F%23%C5%BC%C3%B3%C5%82%C4%87/props"


def test_a_model_with_an_ambiguous_path_is_not_queried_and_takes_no_command() -> None:
    """llama-swap takes the first of the names that the path begins with; in other versions, the last."""
    names = ("m", "m/x", "m/x/q4", "alias/y", "n", "n/props", "z/x", "mm/x")
    items = [item(name) for name in names] + [item("other", {"aliases": ["alias"]})]
    before = probe_swap(*items, now=running()).seen
    now = answer({"running": [{"model": name, "state": "ready"} for name in names]})
    run = probe({"/models": listing(*items), "/running": now}, previous=before)
    asked = [path for path in run.paths if path.startswith("/upstream/")]
    assert asked == [f"/upstream/{name}/props" for name in ("m", "z/x", "mm/x")]
    assert run.seen.listing is not None
    commands = KINDS["llama-swap"].commands(run.seen.listing)
    assert commands is not None
    assert commands.forwarded == {"m/x", "m/x/q4", "alias/y", "n", "n/props"}


def test_command_lines_in_running_are_not_read() -> None:
    now = answer({"running": [{"model": "m", "state": "ready", "cmd": "serve --api-key canary"}]})
    assert "canary" not in repr(probe_swap(item("m"), now=now).seen)


def test_vision_and_tools_in_the_properties_are_used_and_kept() -> None:
    props = answer(
        {
            "default_generation_settings": {"n_ctx": 16384},
            "modalities": {"vision": True, "audio": False},
            "chat_template_caps": {"supports_tools": True},
        }
    )
    answers = {"/models": listing(item("m")), "/upstream/m/props": props}
    before = probe(answers | {"/running": running()}).seen
    ready = probe(answers | {"/running": running(m="ready")}, previous=before).seen
    assert (ready.models["m"].input, ready.models["m"].tools) == (("text", "image"), True)
    gone = probe(answers | {"/running": running()}, previous=ready).seen
    assert gone.models == ready.models


def test_many_models_that_become_ready_at_once_are_queried_a_few_at_a_time_the_newest_first() -> None:
    names = [f"m{number}" for number in range(MAX_DETAILS + 2)]
    items = [item(name) for name in (*names, "late")]
    props = {f"/upstream/{name}/props": PROPS for name in (*names, "late")}
    answers = props | {"/models": listing(*items)}
    first = probe(answers | {"/running": running()}).seen
    ready = probe(answers | {"/running": running(**dict.fromkeys(names, "ready"))}, previous=first)
    assert len(ready.paths) == 2 + MAX_DETAILS
    assert ready.seen.waiting == tuple(names[MAX_DETAILS:])
    every = dict.fromkeys((*names, "late"), "ready")
    rest = probe(answers | {"/running": running(**every)}, previous=ready.seen)
    asked = [f"/upstream/{name}/props" for name in ("late", *names[MAX_DETAILS:])]
    assert rest.paths[2:] == asked
    assert rest.seen.waiting == ()


def test_a_model_that_does_not_respond_ends_the_requests_of_this_probe() -> None:
    answers = {"/models": listing(item("a"), item("b")), "/upstream/a/props": ProbeResponse(0)}
    before = probe(answers | {"/running": running()}).seen
    now = running(a="ready", b="ready")
    silent = probe(answers | {"/running": now}, previous=before)
    assert silent.paths[2:] == ["/upstream/a/props"]
    assert probe(answers | {"/running": now}, previous=silent.seen).paths[2:] == ["/upstream/b/props"]


def test_a_queued_model_that_was_unloaded_meanwhile_is_not_queried() -> None:
    answers = {"/models": listing(item("a"), item("b")), "/upstream/a/props": ProbeResponse(0)}
    before = probe(answers | {"/running": running()}).seen
    silent = probe(answers | {"/running": running(a="ready", b="ready")}, previous=before).seen
    assert probe(answers | {"/running": running(a="ready")}, previous=silent).paths[2:] == []
