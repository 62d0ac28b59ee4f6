"""The kind of server is recognised from its response, whatever the configuration says."""

from __future__ import annotations

import pytest

from fleet_runtime.artifacts.contract import ProviderKind
from fleet_runtime.dialects.model_names import other_names
from fleet_runtime.dialects.observation import Observation
from fleet_runtime.dialects.registry import KINDS
from tests.runtime.dialects.probing import answer, listing, probe, replay

LISTS = {
    "llama-swap": listing({"id": "m", "object": "model", "owned_by": "llama-swap"}),
    "llama-server": replay("llama-server-2k/models"),
    "ollama": listing({"id": "m:latest", "object": "model", "owned_by": "library"}),
    "vllm": listing({"id": "m", "owned_by": "vllm", "max_model_len": 4096}),
    "lmstudio": listing({"id": "m", "object": "model", "owned_by": "organization_owner"}),
}


@pytest.mark.parametrize("kind", LISTS)
def test_a_list_that_only_one_kind_writes_is_recognised(kind: str) -> None:
    assert probe({"/models": LISTS[kind]}).seen.kind == kind


@pytest.mark.parametrize("name", ["llama-cpp-python/models", "transformers-serve/models"])
def test_a_server_of_no_known_kind_is_generic_openai(name: str) -> None:
    assert probe({"/models": replay(name)}).seen.kind == "openai"


def test_the_router_of_llama_server_is_of_its_kind() -> None:
    assert probe({"/models": replay("llama-server-router/models-initial")}).seen.kind == "llama-server"


def test_a_list_that_names_no_server_costs_one_more_request() -> None:
    run = probe({"/models": listing({"id": "m"}), "/api/version": answer({"version": "0.12.6"})})
    assert run.seen.kind == "ollama"
    assert run.paths[:2] == ["/models", "/api/version"]


def test_an_empty_llama_swap_is_distinguished_from_an_empty_ollama_by_its_version() -> None:
    version = answer({"version": "v255", "commit": "0bdb3720", "build_date": "2026-08-22"})
    assert probe({"/models": listing(), "/api/version": version}).seen.kind == "llama-swap"


def test_the_version_request_is_not_repeated_for_a_known_provider() -> None:
    before = Observation("openai", "online")
    run = probe({"/models": listing({"id": "m"})}, previous=before)
    assert run.paths == ["/models"]


def test_a_configured_kind_is_believed_where_the_list_names_no_server() -> None:
    run = probe({"/models": listing({"id": "m"})}, kind="vllm")
    assert run.seen.kind == "vllm"
    assert run.seen.warnings == ()
    assert run.paths == ["/models", "/version"]


@pytest.mark.parametrize("configured", KINDS)
def test_fault_20_another_product_than_configured_is_a_warning_and_read_as_what_it_is(
    configured: ProviderKind,
) -> None:
    actual = "llama-server" if configured != "llama-server" else "llama-swap"
    seen = probe({"/models": LISTS[actual]}, kind=configured).seen
    assert (seen.kind, seen.status) == (actual, "online")
    assert seen.remarks == (
        f"configured as '{configured}', but its responses are those of '{actual}', so it is treated as one",
    )


def test_an_ollama_without_a_model_is_online_and_empty() -> None:
    null = answer({"object": "list", "data": None})
    run = probe({"/models": null, "/api/version": answer({"version": "0.12.6"})})
    assert (run.seen.kind, run.seen.status, dict(run.seen.models)) == ("ollama", "online", {})


@pytest.mark.parametrize(
    ("kind", "model", "names"),
    [
        ("ollama", "qwen3:latest", ("qwen3",)),
        ("ollama", "user/qwen3:latest", ("user/qwen3",)),
        ("ollama", "qwen3:8b", ()),
        ("ollama", ":latest", ()),
        ("llama-swap", "qwen3:latest", ()),
        ("auto", "qwen3:latest", ()),
    ],
)
def test_a_tag_is_left_out_only_by_ollamas_rule(
    kind: ProviderKind, model: str, names: tuple[str, ...]
) -> None:
    assert other_names(kind, model) == names
