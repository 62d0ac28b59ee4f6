"""What a build says it changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet_compiler.emit.build_summary import Build, describe_changes, read_last_build
from fleet_compiler.emit.plan import plan_outputs, write_outputs
from fleet_compiler.lock.model import LockedProvider
from fleet_compiler.pipeline import build, prepare
from fleet_compiler.project import locate_project
from fleet_runtime.artifacts.contract import ModelFacts
from tests.support.projects import compile_text, lock_of

DESK = "http://127.0.0.1:8081"
ATTIC = "http://127.0.0.1:8082"
TAIL = "surfaces: {chat: , code: , arena: {providers: [desk]}}\n"


def built(folder: Path, providers: str = "", tail: str = TAIL, **entries: LockedProvider) -> Build:
    yaml = f"version: 1\ndefault_provider: desk\nproviders:\n  desk: {DESK}\n{providers}{tail}"
    return compile_text(folder, yaml, **entries).build()


def told(before: Build | None, after: Build) -> list[str]:
    return list(describe_changes(before, after))


def test_a_first_build_reports_every_provider(tmp_path: Path) -> None:
    after = built(tmp_path, f"  attic: {ATTIC}\n", desk=lock_of(DESK, "a", "b"), attic=lock_of(ATTIC, "c"))
    assert told(None, after) == ["+ desk: 2 models, on chat, code, arena", "+ attic: 1 model, on chat, code"]


def test_no_change_is_reported_as_nothing(tmp_path: Path) -> None:
    assert told(built(tmp_path), built(tmp_path)) == []


def test_a_provider_that_came_and_one_that_went(tmp_path: Path) -> None:
    small, large = built(tmp_path), built(tmp_path, f"  attic: {ATTIC}\n", attic=lock_of(ATTIC, "m", "n"))
    assert told(small, large) == ["+ attic: 2 models, on chat, code"]
    assert told(large, small) == ["- attic: 2 models"]


def test_a_provider_that_was_renamed_is_not_one_that_went(tmp_path: Path) -> None:
    before = built(tmp_path, f"  attic: {ATTIC}\n", attic=lock_of(ATTIC, "m", "n"))
    providers = f"  loft: {{url: {ATTIC}, formerly: [attic]}}\n"
    tail = "surfaces: {chat: , code: {providers: [desk]}, arena: {providers: [desk]}}\n"
    after = built(tmp_path, providers, tail, loft=lock_of(ATTIC, "n", "new"))
    assert told(before, after) == [
        "~ attic → loft: renamed",
        "~ loft:",
        "    + new",
        "    - m",
        "~ loft: now on chat",
    ]
    assert told(after, before) == ["+ attic: 2 models, on chat, code", "- loft: 2 models"]


def test_of_two_providers_that_became_one_the_other_went(tmp_path: Path) -> None:
    providers = f"  attic: {ATTIC}\n  shed: http://127.0.0.1:8083\n"
    before = built(tmp_path, providers, attic=lock_of(ATTIC, "m"), shed=lock_of(ATTIC, "m"))
    after = built(tmp_path, f"  loft: {{url: {ATTIC}, formerly: [attic, shed]}}\n", loft=lock_of(ATTIC, "m"))
    assert told(before, after) == ["~ attic → loft: renamed", "- shed: 1 model"]


def test_a_provider_on_no_surface(tmp_path: Path) -> None:
    assert told(None, built(tmp_path, tail="")) == ["+ desk: 0 models, on no surface"]


def test_models_that_came_went_and_changed(tmp_path: Path) -> None:
    before = built(tmp_path, desk=lock_of(DESK, "gone", "m"))
    larger = ModelFacts(context=16384, context_source="running", purpose="chat")
    after = built(tmp_path, desk=lock_of(DESK, "new", known={"m": larger}))
    assert told(before, after) == [
        "~ desk:",
        "    + new",
        "    - gone",
        "    ~ m: context 8192 (listed) → 16384 (running)",
    ]


def test_many_models_are_counted(tmp_path: Path) -> None:
    after = built(tmp_path, desk=lock_of(DESK, *(f"model-{number:02}" for number in range(20))))
    lines = told(built(tmp_path), after)
    assert len(lines) == 10
    assert lines[-1] == "    + and 12 more"


def test_roles_and_surfaces_that_changed(tmp_path: Path) -> None:
    models = lock_of(DESK, "a", "b")
    before = built(tmp_path, tail="roles: {default: a, task: b}\nsurfaces: {chat: , old: }\n", desk=models)
    tail = "roles: {default: b}\nsurfaces: {chat: {roles: {default: a}}, new: }\n"
    after = built(tmp_path, tail=tail, desk=models)
    assert told(before, after) == [
        "~ desk: now on chat, new",
        "~ role default: desk/a → desk/b",
        "~ role task: desk/b → none",
        "+ surface new: 1 provider",
        "- surface old",
    ]


def test_the_last_build_is_read_from_the_generated_folder(tmp_path: Path) -> None:
    assert read_last_build(tmp_path) is None
    yaml = (
        f"version: 1\ndefault_provider: desk\nproviders: {{desk: '{DESK}'}}\nsurfaces: {{chat: , arena: }}\n"
    )
    compiled = compile_text(tmp_path, yaml, desk=lock_of(DESK, "m"))
    write_outputs(plan_outputs(tmp_path / "generated", compiled.files))
    before = read_last_build(tmp_path / "generated")
    assert before is not None
    assert told(before, compiled.build()) == []
    (tmp_path / "generated" / "gateway.json").write_text("{")
    assert read_last_build(tmp_path / "generated") is None


@pytest.mark.parametrize("with_manifest", [True, False])
def test_files_of_two_builds_are_reported_and_fixed(tmp_path: Path, with_manifest: bool) -> None:
    """What a build leaves that was killed while it took a provider away: the fleet's table is new, and the
    surfaces still name that provider."""
    generated = tmp_path / "generated"
    head = f"version: 1\ndefault_provider: desk\nproviders:\n  desk: {{url: {DESK}, poll: false}}\n"
    (tmp_path / "fleet.yaml").write_text(f"{head}  attic: {{url: {ATTIC}, poll: false}}\n{TAIL}")
    build(locate_project(tmp_path / "fleet.yaml"), environ={})
    old = {path: path.read_bytes() for path in generated.rglob("*.json")}
    (tmp_path / "fleet.yaml").write_text(head + TAIL)
    build(locate_project(tmp_path / "fleet.yaml"), environ={})
    for path, content in old.items():
        if path.name != "_fleet.json":
            path.write_bytes(content)
    if not with_manifest:
        (generated / "manifest.json").unlink()
    mended = build(locate_project(tmp_path / "fleet.yaml"), environ={})
    assert mended.stale
    assert not prepare(mended.project, environ={}).stale


def test_a_table_under_a_name_that_no_file_can_have_is_no_build(tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text(f"version: 1\ndefault_provider: a\nproviders: {{a: {DESK}}}\n")
    project = locate_project(tmp_path / "fleet.yaml")
    build(project, environ={}, mode="frozen")
    gateway = project.generated / "gateway.json"
    assert read_last_build(project.generated) is not None
    gateway.write_text(gateway.read_text().replace('"surfaces": {}', '"surfaces": {"a": "b\\u0000"}'))
    assert read_last_build(project.generated) is None
