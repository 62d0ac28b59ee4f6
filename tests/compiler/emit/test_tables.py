"""What fleet.yaml and the lock together mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet_compiler.pipeline import Compiled
from fleet_runtime.artifacts.contract import FLEET_TABLE, RoutedModel, RoutingTable
from fleet_runtime.routing.resolver import lock_view, resolve_model
from tests.support.projects import CHAT, compile_text, lock_of

DESK = "http://127.0.0.1:8081"
ATTIC = "http://127.0.0.1:8082"
HEAD = f"""
version: 1
default_provider: desk
providers:
  desk: {DESK}
  attic: {ATTIC}
  cloud: {{url: "https://api.example.com", class: cloud, models: {{big: {{context: 1000000}}}}}}
"""


def table(compiled: Compiled, surface: str | None = None) -> RoutingTable:
    return compiled.resolved.tables[f"routing/{surface}.json" if surface else FLEET_TABLE]


def models(compiled: Compiled, provider: str = "desk") -> dict[str, RoutedModel]:
    return next(each.models for each in table(compiled).providers if each.name == provider)


def desk(folder: Path, settings: str, *ids: str) -> dict[str, RoutedModel]:
    """The models of a lone provider with `settings`, in flow style, that lists `ids`."""
    yaml = f"version: 1\ndefault_provider: desk\nproviders:\n  desk: {{url: '{DESK}', {settings}}}\n"
    return models(compile_text(folder, yaml, desk=lock_of(DESK, *ids)))


def test_providers_keep_the_order_of_the_file_and_models_that_of_their_ids(tmp_path: Path) -> None:
    compiled = compile_text(tmp_path, HEAD, desk=lock_of(DESK, "b", "a", "B"))
    assert [provider.name for provider in table(compiled).providers] == ["desk", "attic", "cloud"]
    assert list(models(compiled)) == ["B", "a", "b"]


def test_a_fact_of_the_file_wins_over_one_of_the_provider(tmp_path: Path) -> None:
    known = desk(tmp_path, "models: {m: {context: 4096, tools: false, name: Mine}}", "m", "n")
    assert (known["m"].context, known["m"].context_source) == (4096, "configured")
    assert (known["m"].tools, known["m"].name, known["m"].purpose) == (False, "Mine", "chat")
    assert known["n"] == RoutedModel(**CHAT.model_dump())


def test_a_declared_model_counts_as_listed(tmp_path: Path) -> None:
    assert list(desk(tmp_path, "models: [declared]", "listed")) == ["declared", "listed"]


@pytest.mark.parametrize(
    ("globs", "left"),
    [
        ("include: ['qwen*']", ["qwen-a", "qwen-base"]),
        ("exclude: ['*-base']", ["llama", "qwen-a"]),
        ("include: ['qwen*'], exclude: ['*-base']", ["qwen-a"]),
        ("include: ['QWEN*']", []),
    ],
)
def test_globs_leave_models_out(tmp_path: Path, globs: str, left: list[str]) -> None:
    assert list(desk(tmp_path, globs, "qwen-a", "qwen-base", "llama")) == left


def test_a_hidden_model_is_routed_and_marked(tmp_path: Path) -> None:
    assert desk(tmp_path, "models: {m: {hidden: true}}", "m")["m"].hidden


def test_the_tag_rule_of_a_kind_of_server_gives_aliases(tmp_path: Path) -> None:
    yaml = f"version: 1\ndefault_provider: desk\nproviders: {{desk: '{DESK}'}}\n"
    compiled = compile_text(tmp_path, yaml, desk=lock_of(DESK, "qwen3:latest", kind="ollama"))
    assert resolve_model(table(compiled), lock_view(table(compiled)), "desk/qwen3").available


def test_a_lock_of_another_address_counts_until_the_next_probe(tmp_path: Path) -> None:
    compiled = compile_text(tmp_path, HEAD, desk=lock_of("http://127.0.0.1:9999", "m"))
    assert list(models(compiled)) == ["m"]


def test_former_names_lead_to_the_present_one(tmp_path: Path) -> None:
    yaml = f"version: 1\ndefault_provider: desk\nproviders: {{desk: {{url: '{DESK}', formerly: [sam-pc]}}}}\n"
    compiled = compile_text(tmp_path, yaml, desk=lock_of(DESK, "m"))
    assert table(compiled).names == {"desk": "desk", "sam-pc": "desk"}


@pytest.mark.parametrize(
    ("limits", "providers"),
    [
        ("", ["desk", "attic", "cloud"]),
        ("classes: [local]", ["desk", "attic"]),
        ("classes: [cloud]", ["cloud"]),
        ("providers: [attic, cloud]", ["attic", "cloud"]),
        ("providers: [attic, cloud], classes: [local]", ["attic"]),
    ],
)
def test_a_surface_has_the_providers_that_it_may_use(
    tmp_path: Path, limits: str, providers: list[str]
) -> None:
    compiled = compile_text(tmp_path, f"{HEAD}surfaces: {{chat: {{{limits}}}}}\n")
    assert [provider.name for provider in table(compiled, "chat").providers] == providers


def test_a_surface_inherits_roles_overrides_them_and_drops_what_it_may_not_use(tmp_path: Path) -> None:
    roles = "roles: {default: [cloud/big, desk/a], task: cloud/big, compaction: desk/a}\n"
    surface = "surfaces: {chat: {classes: [local], roles: {compaction: attic/b}}}\n"
    both = {"desk": lock_of(DESK, "a"), "attic": lock_of(ATTIC, "b")}
    compiled = compile_text(tmp_path, HEAD + roles + surface, **both)
    assert table(compiled, "chat").roles == {"default": ("desk/a",), "compaction": ("attic/b",)}
    assert table(compiled).roles["default"] == ("cloud/big", "desk/a")


def test_roles_may_use_aliases_bare_ids_and_namespaces(tmp_path: Path) -> None:
    extra = "aliases: {old: attic/b}\nnamespaces: [wrap]\nroles: {default: [old, a, wrap/attic/b, wrap/a]}\n"
    both = {"desk": lock_of(DESK, "a"), "attic": lock_of(ATTIC, "b")}
    compiled = compile_text(tmp_path, HEAD + extra, **both)
    assert table(compiled).roles["default"] == ("attic/b", "desk/a", "attic/b", "desk/a")


@pytest.mark.parametrize(
    ("settings", "legacy"),
    [("", "fallback"), ("client: opencode", "strict"), ("client: opencode, legacy: fallback", "fallback")],
)
def test_whether_an_unknown_bare_id_falls_back(tmp_path: Path, settings: str, legacy: str) -> None:
    compiled = compile_text(tmp_path, f"{HEAD}surfaces: {{chat: {{{settings}}}}}\n")
    assert table(compiled, "chat").legacy == legacy
    assert table(compiled).legacy == "strict"


def test_every_surface_has_a_table_below_its_base(tmp_path: Path) -> None:
    compiled = compile_text(tmp_path, f"{HEAD}surfaces: {{chat: , arena: {{label: Arena}}}}\n")
    assert compiled.resolved.gateway.surfaces == {"arena": "routing/arena.json", "chat": "routing/chat.json"}
    assert (table(compiled, "arena").base, table(compiled, "arena").label) == ("/arena", "Arena")
