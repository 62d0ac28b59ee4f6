"""FAULTS 18: whatever a provider sends, a probe ends with a helpful reason and never with an exception."""

from __future__ import annotations

import gzip
import json

import pytest

from fleet_runtime.artifacts.contract import ProviderKind
from fleet_runtime.dialects.bounds import MAX_MODELS
from fleet_runtime.dialects.messages import ProbeResponse
from fleet_runtime.dialects.observation import Observation
from fleet_runtime.dialects.registry import KINDS
from fleet_runtime.dialects.status_reason import ReasonCode, StatusReason, reason_text
from fleet_runtime.routing.model_id import model_id_remedy
from tests.runtime.dialects.probing import answer, listing, probe

REFUSED = StatusReason("connection_refused")
HTML = {"content-type": "text/html; charset=utf-8"}

PATH = "its id contains a '.' or '..' path segment"


def unlisted(code: ReasonCode, detail: str = "") -> StatusReason:
    return StatusReason(code, "/models", detail=detail)


@pytest.mark.parametrize(
    ("hostile", "reason"),
    [
        (ProbeResponse(200, HTML, b"<!doctype html><p>secret"), unlisted("not_json", "an HTML page")),
        (ProbeResponse(200, {}, b"<html>"), unlisted("not_json", "an HTML page")),
        (ProbeResponse(200, {}, b"secret"), unlisted("not_json", "something that is not JSON")),
        (ProbeResponse(200, {}, b""), unlisted("not_json", "an empty body")),
        (ProbeResponse(200, {}, b"{}"), unlisted("no_model_list")),
        (ProbeResponse(200, {}, b'{"data": {"a": 1}}'), unlisted("no_model_list")),
        (ProbeResponse(200, {}, b'{"data": null}'), unlisted("no_model_list")),
        (ProbeResponse(200, {}, b"7"), unlisted("no_model_list")),
        (ProbeResponse(200, {}, b"[" * 100_000), unlisted("not_json", "something that is not JSON")),
        (ProbeResponse(200, {}, b"\xff\xfe"), unlisted("not_json", "something that is not JSON")),
        *(
            (ProbeResponse(status, {}, b"secret"), StatusReason("unexpected_status", "/models", status))
            for status in (204, 302, 404, 500, 503)
        ),
    ],
)
@pytest.mark.parametrize("kind", ["auto", "llama-swap", "openai"])
def test_fault_18_an_unusable_list_is_degraded_and_says_why(
    kind: ProviderKind, hostile: ProbeResponse, reason: StatusReason
) -> None:
    seen = probe({"/models": hostile}, kind=kind).seen
    assert (seen.status, seen.reason) == ("degraded", reason)
    assert "secret" not in repr(seen)


@pytest.mark.parametrize("encoding", ["gzip", "gzip, gzip", "\x1b]0;x"])
def test_fault_38_an_encoded_list_is_rejected_without_decoding_it(encoding: str) -> None:
    """`identity` is requested; 13 KB of gzip can be a gigabyte."""
    sent = ProbeResponse(200, {"content-encoding": encoding}, gzip.compress(b'{"data": [{"id": "m"}]}'))
    seen = probe({"/models": sent}).seen
    assert (seen.status, seen.reason and seen.reason.code) == ("degraded", "encoded_response")
    assert seen.reason is not None
    assert reason_text(seen.reason).isprintable()


@pytest.mark.parametrize("status", [401, 403])
def test_fault_13_a_rejected_key_is_a_matter_of_configuration(status: int) -> None:
    seen = probe({"/models": ProbeResponse(status)}).seen
    assert seen.status == "config_error"


@pytest.mark.parametrize(
    ("kind", "body", "code"),
    [
        ("ollama", b"", "host_rejected"),
        ("auto", b"", "host_rejected"),
        ("ollama", b"<html>Forbidden</html>", "key_rejected"),
        ("auto", b"Forbidden", "key_rejected"),
        ("openai", b"", "key_rejected"),
    ],
)
def test_fault_44_only_a_403_without_a_body_is_ollamas_rule_for_hosts(
    kind: ProviderKind, body: bytes, code: ReasonCode
) -> None:
    """Ollama aborts without a body, and has no keys (server/routes.go, `allowedHostsMiddleware`): a page is
    of the proxy before it, and other kinds have no such rule."""
    seen = probe({"/models": ProbeResponse(403, {}, body)}, kind=kind).seen
    assert (seen.status, seen.reason) == ("config_error", StatusReason(code, "/models", 403))


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (503, b'{"error":{"message":"Loading model","type":"unavailable_error","code":503}}', "loading"),
        (503, b'{"error":"Model x is currently loading","estimated_time":20.0}', "loading"),
        (500, b'{"error":"write /models/blob: no space left on device"}', "disk_full"),
    ],
)
def test_fault_44_a_cold_start_and_a_full_disk_are_reasons_by_themselves(
    status: int, body: bytes, code: ReasonCode
) -> None:
    seen = probe({"/models": ProbeResponse(status, {}, body)}).seen
    assert (seen.status, seen.reason) == ("degraded", StatusReason(code, "/models", status))


INVISIBLE = "its id contains an invisible character, or one that changes the direction of text"


def test_no_response_is_offline_with_the_transports_reason() -> None:
    seen = probe({"/models": ProbeResponse(0, reason=REFUSED)}, kind="vllm").seen
    assert (seen.kind, seen.status, seen.reason) == ("vllm", "offline", REFUSED)


def test_a_provider_that_went_away_keeps_the_kind_that_was_found() -> None:
    seen = probe({"/models": ProbeResponse(0, reason=REFUSED)}, previous=Observation("ollama", "online")).seen
    assert seen.kind == "ollama"


@pytest.mark.parametrize(
    ("id", "named"),
    [
        ("", "model '' is skipped: its id is empty"),
        ("a\x00b", "model 'a\\x00b' is skipped: its id contains a control character"),
        ("gpt\u202e4o", f"model 'gpt\\u202e4o' is skipped: {INVISIBLE}"),
        ("a\u200bb", f"model 'a\\u200bb' is skipped: {INVISIBLE}"),
        ("a\u2066b", f"model 'a\\u2066b' is skipped: {INVISIBLE}"),
        ("\ufeffa", f"model '\\ufeffa' is skipped: {INVISIBLE}"),
        ("a/../b", f"model 'a/../b' is skipped: {PATH}; {model_id_remedy('../b')}"),
        ("./a", f"model './a' is skipped: {PATH}; {model_id_remedy('./a')}"),
        ("x" * 513, f"model '{'x' * 59}…' is skipped: its id is longer than 512 bytes"),
        ("\ud800", "model '\\ud800' is skipped: its id is not valid unicode"),
    ],
)
def test_fault_18_a_bad_id_is_skipped_by_name_and_the_rest_stays(id: str, named: str) -> None:
    seen = probe({"/models": listing({"id": id}, {"id": "good"})}, kind="openai").seen
    assert seen.status == "online"
    assert list(seen.models) == ["good"]
    assert seen.warnings == (named,)


def test_fault_18_ids_with_spaces_unicode_and_percent_signs_are_ids() -> None:
    ids = ["a b", "żółć/🦙", "漢字", "👩\u200d💻", "می\u200cخواهم", "a%2Fb", "org/model:tag@1", "x" * 512]
    assert list(probe({"/models": listing(*({"id": id} for id in ids))}).seen.models) == ids


@pytest.mark.parametrize("id", [None, 7, True, ["a"], {"a": 1}])
def test_fault_18_an_id_that_is_no_text_is_skipped(id: object) -> None:
    for kind in KINDS:
        seen = probe({"/models": listing({"id": id}, {"id": "good"})}, kind=kind).seen
        assert list(seen.models) == ["good"]
        assert seen.warnings == ("a listed model without an id is skipped",)


def test_fault_18_items_that_are_no_objects_are_skipped() -> None:
    assert list(probe({"/models": listing(None, 7, "m", ["m"], {"id": "good"})}).seen.models) == ["good"]


def test_fault_18_equal_ids_are_one_model_with_what_either_says() -> None:
    twice = listing({"id": "m", "context_length": 4096}, {"id": "m", "name": "M"})
    facts = probe({"/models": twice}, kind="openai").seen.models["m"]
    assert (facts.context, facts.name) == (4096, "M")


@pytest.mark.parametrize(
    "context", ["8192", -1, 0, 1e308, True, None, [], {}, 0.5, 2**53, float("inf"), float("nan")]
)
@pytest.mark.parametrize("kind", KINDS)
def test_fault_18_an_invalid_context_is_unknown(kind: ProviderKind, context: object) -> None:
    item = {
        "id": "m",
        "context_length": context,
        "max_model_len": context,
        "meta": {"n_ctx": context, "n_ctx_train": context},
    }
    props = answer({"default_generation_settings": {"n_ctx": context}})
    facts = probe({"/models": listing(item), "/props": props}, kind=kind).seen.models["m"]
    assert (facts.context, facts.context_source) == (None, None)


def test_a_context_written_as_a_complete_float_is_one() -> None:
    facts = probe({"/models": listing({"id": "m", "context_length": 8192.0})}, kind="openai").seen.models
    assert facts["m"].context == 8192


def test_names_and_aliases_that_cannot_be_shown_are_left_out() -> None:
    item = {"id": "m", "name": "a\x1b[31m", "aliases": ["ok", "", "../x", 7, "m", "ok"]}
    facts = probe({"/models": listing(item)}, kind="openai").seen.models["m"]
    assert (facts.name, facts.aliases) == (None, ("ok",))


def test_a_thousand_bad_ids_do_not_make_a_thousand_warnings() -> None:
    bad = probe({"/models": listing(*({"id": f"../{number}"} for number in range(1000)))}).seen.warnings
    assert len(bad) == 21
    assert bad[-1] == "and 980 more"


def test_a_list_with_too_many_models_is_not_read() -> None:
    items = [{"id": f"m{number}", "filler": "x" * 1000} for number in range(10_000)]
    whole, fitting = (json.dumps({"data": some}).encode() for some in (items, items[:MAX_MODELS]))
    assert len(probe({"/models": ProbeResponse(200, {}, fitting)}, kind="openai").seen.models) == MAX_MODELS
    seen = probe({"/models": ProbeResponse(200, {}, whole)}, kind="openai").seen
    too_many = StatusReason("too_many_models", "/models", count=10_000, limit=2000)
    assert (seen.status, seen.reason) == ("degraded", too_many)


def test_an_unusable_response_degrades_the_provider_and_does_not_count_as_silence() -> None:
    for reason in (
        StatusReason("response_too_large", "/models", 200, limit=2_000_000),
        StatusReason("redirected", "/models", 308),
    ):
        seen = probe({"/models": ProbeResponse(reason.status, reason=reason)}, kind="openai").seen
        assert (seen.status, seen.reason) == ("degraded", reason)
