"""FAULTS 18: whatever a machine answers, the look ends in words that help, and never in an exception."""

from __future__ import annotations

import json

import pytest

from fleet_runtime.artifacts.contract import ProviderKind
from fleet_runtime.dialects import KINDS
from fleet_runtime.dialects.listing import MAX_MODELS
from fleet_runtime.dialects.observation import Observation, ProbeResponse
from tests.runtime.dialects.script import answer, listing, look_at

HTML = {"content-type": "text/html; charset=utf-8"}


@pytest.mark.parametrize(
    ("hostile", "reason"),
    [
        (
            ProbeResponse(200, HTML, b"<!doctype html><p>secret"),
            "answered an HTML page instead of a list of models",
        ),
        (ProbeResponse(200, {}, b"<html>"), "answered an HTML page instead of a list of models"),
        (
            ProbeResponse(200, {}, b"secret"),
            "answered something that is not JSON instead of a list of models",
        ),
        (ProbeResponse(200, {}, b""), "answered an empty body instead of a list of models"),
        (ProbeResponse(200, {}, b"{}"), "answered JSON without a list of models"),
        (ProbeResponse(200, {}, b'{"data": {"a": 1}}'), "answered JSON without a list of models"),
        (ProbeResponse(200, {}, b'{"data": null}'), "answered JSON without a list of models"),
        (ProbeResponse(200, {}, b"7"), "answered JSON without a list of models"),
        (
            ProbeResponse(200, {}, b"[" * 100_000),
            "answered something that is not JSON instead of a list of models",
        ),
        (
            ProbeResponse(200, {}, b"\xff\xfe"),
            "answered something that is not JSON instead of a list of models",
        ),
        (ProbeResponse(204, {}, b""), "answered 204"),
        (ProbeResponse(302, {"location": "http://other/"}, b""), "answered 302"),
        (ProbeResponse(404, {}, b"secret"), "answered 404"),
        (ProbeResponse(500, {}, b"secret"), "answered 500"),
        (ProbeResponse(503, {}, b'{"error": {"message": "secret"}}'), "answered 503"),
    ],
)
@pytest.mark.parametrize("kind", ["auto", "llama-swap", "openai"])
def test_fault_18_an_unusable_list_is_degraded_and_says_why(
    kind: ProviderKind, hostile: ProbeResponse, reason: str
) -> None:
    seen = look_at({"/models": hostile}, kind=kind).seen
    assert (seen.status, seen.reason) == ("degraded", f"'/models' {reason}")
    assert "secret" not in repr(seen)


@pytest.mark.parametrize("status", [401, 403])
def test_fault_13_a_refused_key_is_a_matter_of_configuration(status: int) -> None:
    seen = look_at({"/models": ProbeResponse(status)}).seen
    assert seen.status == "config_error"


def test_no_answer_is_offline_with_the_transports_reason() -> None:
    seen = look_at({"/models": ProbeResponse(0, reason="connection refused")}, kind="vllm").seen
    assert (seen.kind, seen.status, seen.reason) == ("vllm", "offline", "connection refused")


def test_a_machine_that_went_away_keeps_the_kind_that_was_found() -> None:
    seen = look_at(
        {"/models": ProbeResponse(0, reason="refused")}, previous=Observation("ollama", "online")
    ).seen
    assert seen.kind == "ollama"


@pytest.mark.parametrize(
    ("id", "named"),
    [
        ("", "model '' is skipped: its id is empty"),
        ("a\x00b", "model 'a\\x00b' is skipped: its id holds a control character"),
        ("a/../b", "model 'a/../b' is skipped: its id holds a '.' or '..' path segment"),
        ("./a", "model './a' is skipped: its id holds a '.' or '..' path segment"),
        ("x" * 513, f"model '{'x' * 60}…' is skipped: its id is longer than 512 bytes"),
        ("\ud800", "model '\\ud800' is skipped: its id is not valid unicode"),
    ],
)
def test_fault_18_a_bad_id_is_skipped_by_name_and_the_rest_stays(id: str, named: str) -> None:
    seen = look_at({"/models": listing({"id": id}, {"id": "good"})}, kind="openai").seen
    assert seen.status == "online"
    assert list(seen.models) == ["good"]
    assert seen.warnings == (named,)


def test_fault_18_ids_with_spaces_unicode_and_percent_signs_are_ids() -> None:
    ids = ["a b", "żółć/🦙", "a%2Fb", "org/model:tag@1", "x" * 512]
    assert list(look_at({"/models": listing(*({"id": id} for id in ids))}).seen.models) == ids


@pytest.mark.parametrize("id", [None, 7, True, ["a"], {"a": 1}])
def test_fault_18_an_id_that_is_no_text_is_skipped(id: object) -> None:
    for kind in KINDS:
        seen = look_at({"/models": listing({"id": id}, {"id": "good"})}, kind=kind).seen
        assert list(seen.models) == ["good"]
        assert seen.warnings == ("a listed model without an id is skipped",)


def test_fault_18_items_that_are_no_objects_are_skipped() -> None:
    assert list(look_at({"/models": listing(None, 7, "m", ["m"], {"id": "good"})}).seen.models) == ["good"]


def test_fault_18_equal_ids_are_one_model_with_what_either_says() -> None:
    twice = listing({"id": "m", "context_length": 4096}, {"id": "m", "name": "M"})
    facts = look_at({"/models": twice}, kind="openai").seen.models["m"]
    assert (facts.context, facts.name) == (4096, "M")


@pytest.mark.parametrize(
    "context", ["8192", -1, 0, 1e308, True, None, [], {}, 0.5, 2**53, float("inf"), float("nan")]
)
@pytest.mark.parametrize("kind", KINDS)
def test_fault_18_a_context_that_is_none_is_unknown(kind: ProviderKind, context: object) -> None:
    item = {
        "id": "m",
        "context_length": context,
        "max_model_len": context,
        "meta": {"n_ctx": context, "n_ctx_train": context},
    }
    props = answer({"default_generation_settings": {"n_ctx": context}})
    facts = look_at({"/models": listing(item), "/props": props}, kind=kind).seen.models["m"]
    assert (facts.context, facts.context_source) == (None, None)


def test_a_context_written_as_a_whole_float_is_one() -> None:
    facts = look_at({"/models": listing({"id": "m", "context_length": 8192.0})}, kind="openai").seen.models
    assert facts["m"].context == 8192


def test_names_and_aliases_that_cannot_be_shown_are_left_out() -> None:
    item = {"id": "m", "name": "a\x1b[31m", "aliases": ["ok", "", "../x", 7, "m", "ok"]}
    facts = look_at({"/models": listing(item)}, kind="openai").seen.models["m"]
    assert (facts.name, facts.aliases) == (None, ("ok",))


def test_a_thousand_bad_ids_do_not_make_a_thousand_warnings() -> None:
    bad = look_at({"/models": listing(*({"id": f"../{number}"} for number in range(1000)))}).seen.warnings
    assert len(bad) == 21
    assert bad[-1] == "and 980 more"


def test_a_list_of_more_models_than_anybody_chooses_from_is_not_read() -> None:
    items = [{"id": f"m{number}", "filler": "x" * 1000} for number in range(10_000)]
    whole, fitting = (json.dumps({"data": some}).encode() for some in (items, items[:MAX_MODELS]))
    assert len(look_at({"/models": ProbeResponse(200, {}, fitting)}, kind="openai").seen.models) == MAX_MODELS
    seen = look_at({"/models": ProbeResponse(200, {}, whole)}, kind="openai").seen
    assert (seen.status, seen.reason) == (
        "degraded",
        "'/models' answered a list of 10000 models, and 2000 are read at most",
    )


def test_an_answer_that_came_and_cannot_be_used_degrades_and_is_no_silence() -> None:
    for status, reason in ((200, "sent an answer of more than 2000000 bytes"), (308, "redirected (308)")):
        seen = look_at({"/models": ProbeResponse(status, reason=reason)}, kind="openai").seen
        assert (seen.status, seen.reason) == ("degraded", reason)
