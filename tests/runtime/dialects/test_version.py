"""The version of a server's software: what it says, requested only when it begins to respond."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fleet_runtime.dialects.status_reason import StatusReason
from tests.runtime.dialects.probing import answer, listing, probe, replay

VLLM = listing({"id": "m", "owned_by": "vllm", "max_model_len": 4096})


@pytest.mark.parametrize(
    ("item", "path", "kind"),
    [
        ({"id": "m", "owned_by": "llama-swap"}, "/api/version", "llama-swap"),
        ({"id": "m", "owned_by": "library", "created": 1}, "/api/version", "ollama"),
        ({"id": "m", "owned_by": "vllm"}, "/version", "vllm"),
    ],
)
def test_each_kind_is_requested_for_its_version(item: dict[str, object], path: str, kind: str) -> None:
    seen = probe({"/models": listing(item), path: answer({"version": "v1.2.3-rc1+5"})}).seen
    assert (seen.kind, seen.version) == (kind, "v1.2.3-rc1+5")


@pytest.mark.parametrize("recording", ["llama-server-2k", "llama-server-router"])
def test_a_llama_server_reports_its_build_in_its_properties(recording: str) -> None:
    models = "models" if recording.endswith("2k") else "models-initial"
    props = answer({"build_info": "b6123-1a2b3c4d"})
    run = probe({"/models": replay(f"{recording}/{models}"), "/props": props})
    assert run.seen.version == "b6123-1a2b3c4d"
    again = probe({"/models": replay(f"{recording}/{models}"), "/props": props}, previous=run.seen)
    assert again.seen.version == "b6123-1a2b3c4d"


def test_it_is_requested_again_only_after_the_server_was_gone() -> None:
    first = probe({"/models": VLLM, "/version": answer({"version": "0.11.0"})}).seen
    later = probe({"/models": VLLM}, previous=first)
    assert (later.paths, later.seen.version) == (["/models"], "0.11.0")
    gone = replace(first, status="offline", reason=StatusReason("connection_refused"))
    updated = probe({"/models": VLLM, "/version": answer({"version": "0.12.0"})}, previous=gone)
    assert (updated.paths, updated.seen.version) == (["/models", "/version"], "0.12.0")


def test_a_server_that_does_not_respond_keeps_the_version_that_was_seen() -> None:
    first = probe({"/models": VLLM, "/version": answer({"version": "0.11.0"})}).seen
    failed = probe({"/models": answer({}, status=500)}, previous=first).seen
    assert (failed.status, failed.version) == ("degraded", "0.11.0")


@pytest.mark.parametrize("version", ["", "1" * 41, "<b>1</b>", "1\u202e2", 7, None])
def test_what_is_not_a_version_is_not_shown(version: object) -> None:
    assert probe({"/models": VLLM, "/version": answer({"version": version})}).seen.version is None
