"""The commands that only print: models, resolve, explain, schema."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from fleet_compiler.assets import SCHEMAS
from fleet_compiler.diagnostics.codes import codes
from tests.cli.conftest import Fleet
from tests.support.golden import FLEETS


@pytest.fixture
def names(tmp_path: Path, fleet: Fleet) -> Path:
    """The fleet with aliases, former names, namespaces and roles, built."""
    shutil.copytree(FLEETS / "names", tmp_path, dirs_exist_ok=True)
    assert fleet("build", "--frozen").code == 0
    return tmp_path


def resolved(fleet: Fleet, *arguments: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(fleet("resolve", "--json", *arguments).out)
    return data


def test_models_are_grouped_by_provider(fleet: Fleet, names: Path) -> None:
    ran = fleet("models")
    assert ran.code == 0
    assert ran.err.startswith("models of 'fleet.yaml' and 'fleet.lock'; ")
    assert ran.out == (
        "sam-desktop\n"
        "  sam-desktop/qwen3-4b         8192 tokens (listed), tools\n"
        "  sam-desktop/qwen3-coder-30b  65536 tokens (running), tools\n"
        "\n"
        "embedding\n"
        "  embedding/deepseek-r1-qwen3-8b  16384 tokens (listed), tools, reasoning\n"
        "  embedding/qwen3-4b              8192 tokens (listed), tools\n"
        "  embedding/qwen3-8b              16384 tokens (listed), tools\n"
    )


def test_models_of_a_surface(fleet: Fleet, names: Path) -> None:
    assert "embedding" not in fleet("models", "--surface", "desk").out
    ran = fleet("models", "--surface", "nope")
    assert ran.code == 2
    assert "there is 'everywhere', 'desk' and 'code'" in ran.err


def test_models_as_json(fleet: Fleet, names: Path) -> None:
    data = json.loads(fleet("models", "--json").out)
    assert [provider["name"] for provider in data["providers"]] == ["sam-desktop", "embedding"]
    first = data["providers"][0]["models"][0]
    assert (first["id"], first["provider"], first["model"]) == (
        "sam-desktop/qwen3-4b",
        "sam-desktop",
        "qwen3-4b",
    )
    assert (first["context"], first["context_source"], first["output"]) == (8192, "listed", 1024)


@pytest.mark.parametrize(
    ("text", "id", "rule"),
    [
        ("embedding/qwen3-8b", "embedding/qwen3-8b", "provider"),
        ("sam-pc/qwen3-8b", "sam-desktop/qwen3-8b", "provider"),
        ("qwen3-8b", "sam-desktop/qwen3-8b", "bare"),
        ("llama-swap/qwen3-8b", "sam-desktop/qwen3-8b", "bare"),
        ("llama-swap/embedding/qwen3-8b", "embedding/qwen3-8b", "provider"),
        ("gpt-4o", "sam-desktop/qwen3-coder-30b", "alias"),
        ("@task", "embedding/qwen3-4b", "role"),
    ],
)
def test_a_name_is_resolved_as_the_gateway_does(
    fleet: Fleet, names: Path, text: str, id: str, rule: str
) -> None:
    data = resolved(fleet, text)
    assert (data["requested"], data["id"], data["rule"], data["available"]) == (text, id, rule, True)


def test_a_surface_resolves_by_its_own_roles(fleet: Fleet, names: Path) -> None:
    assert resolved(fleet, "@default", "--surface", "desk")["id"] == "sam-desktop/qwen3-coder-30b"
    assert resolved(fleet, "@default", "--surface", "code")["id"] == "embedding/qwen3-4b"


def test_an_unknown_bare_id_falls_back_where_the_surface_says_so(fleet: Fleet, names: Path) -> None:
    fallback = resolved(fleet, "gone", "--surface", "everywhere")
    assert (fallback["id"], fallback["fallback"]) == ("embedding/qwen3-4b", True)
    assert resolved(fleet, "gone", "--surface", "desk")["reason"] == "model_not_found"


def test_a_fallback_says_who_lacks_what_and_what_takes_its_place(fleet: Fleet, names: Path) -> None:
    rule = "bare: sam-desktop does not list 'gone'; the role 'default' of everywhere is used instead"
    assert f"  rule      {rule}\n" in fleet("resolve", "gone", "--surface", "everywhere").out


def test_a_result_from_an_older_fleet_yaml_has_a_warning(fleet: Fleet, names: Path) -> None:
    config = names / "fleet.yaml"
    assert fleet("resolve", "gone").err == ""
    config.write_text("# only a comment\n" + config.read_text())
    assert fleet("resolve", "gone").err == ""
    config.write_text(config.read_text() + "inventory: {interval: 77}\n")
    changed = fleet("resolve", "gone")
    assert "warning: 'fleet.yaml' has changed since the last build, which this result is from" in changed.err
    config.write_text("version: 2\n")
    assert "warning: 'fleet.yaml' is invalid; this result" in fleet("resolve", "gone").err
    assert fleet("resolve", "gone", "--generated", "generated").err == ""


def test_a_name_that_means_nothing_exits_1_with_suggestions(fleet: Fleet, names: Path) -> None:
    ran = fleet("resolve", "embedding/qwen3-9b")
    assert ran.code == 1
    assert "rejected  provider 'embedding' has no model 'qwen3-9b'" in ran.out
    assert "try       embedding/qwen3-8b" in ran.out


def test_a_provider_that_a_surface_may_not_use_is_rejected(fleet: Fleet, names: Path) -> None:
    assert resolved(fleet, "embedding/qwen3-8b", "--surface", "desk")["reason"] == "surface_not_allowed"


def test_the_result_has_provider_route_rule_and_context(fleet: Fleet, tmp_path: Path) -> None:
    shutil.copytree(FLEETS / "sidecar", tmp_path, dirs_exist_ok=True)
    fleet("build", "--frozen")
    assert fleet("resolve", "qwen3-8b").out == (
        "desk/qwen3-8b\n"
        "  provider  desk (local), http://desk.lan:8401\n"
        "  via       sidecar\n"
        "  rule      bare: no provider is named, so the default provider is meant\n"
        "  context   8192 (listed)\n"
    )
    disabled = resolved(fleet, "cellar/old")
    assert (disabled["available"], disabled["reason"]) == (False, "provider_disabled")


@pytest.mark.parametrize("damage", ["missing", "mixed"])
def test_files_that_the_gateway_would_not_serve_are_not_believed(
    fleet: Fleet, names: Path, damage: str
) -> None:
    if damage == "missing":
        shutil.rmtree(names / "generated")
    else:
        (names / "generated" / "gateway.json").write_text("{}")
    ran = fleet("resolve", "x")
    assert ran.code == 3
    assert "run `fleet build`" in ran.err


def test_an_unknown_surface_is_wrong_usage(fleet: Fleet, names: Path) -> None:
    ran = fleet("resolve", "x", "--surface", "nope")
    assert ran.code == 2
    assert "no surface 'nope' in 'generated'" in ran.err


@pytest.mark.parametrize("code", sorted(codes()))
def test_every_code_is_explained(fleet: Fleet, code: str) -> None:
    ran = fleet("explain", code.lower())
    assert ran.code == 0
    assert ran.out.startswith(f"{code}: {codes()[code].title}\n\n{codes()[code].text}\n")


def test_an_unknown_code_is_wrong_usage(fleet: Fleet) -> None:
    ran = fleet("explain", "F9999")
    assert (ran.code, ran.out) == (2, "")
    assert fleet("explain", "nope").err == f"error: no code 'nope'; codes run from F000 to {max(codes())}\n"


@pytest.mark.parametrize("name", ["fleet", "lock", "gateway", "routing", "manifest"])
def test_a_schema_is_printed_as_it_is(fleet: Fleet, name: str) -> None:
    ran = fleet("schema", name)
    assert ran.code == 0
    assert ran.out == (SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8")
