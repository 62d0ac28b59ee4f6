"""A build from end to end: it is complete, without effect, or repaired by the next one."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from fleet_compiler.diagnostics.errors import OutputError
from fleet_compiler.emit.plan import plan_outputs, write_outputs
from fleet_compiler.lock.lockfile import load_lock, save_lock
from fleet_compiler.lock.model import Lock
from fleet_compiler.pipeline import Prepared, build, prepare
from fleet_compiler.project import locate_project
from fleet_runtime.artifacts.snapshot import ArtifactError, load_snapshot
from tests.support.golden import FLEETS, NAMES
from tests.support.paths import KILL_COMMANDS

Folder = tuple[Path, Callable[[], None]]


def copy_of(name: str, folder: Path) -> Path:
    """A project of its own, with fleet.yaml and fleet.lock."""
    return Path(shutil.copytree(FLEETS / name, folder))


def built(folder: Path) -> Prepared:
    return build(locate_project(folder / "fleet.yaml"), environ={}, mode="frozen")


def frozen_files(folder: Path) -> Mapping[str, bytes]:
    """What a build would write to generated/."""
    return prepare(locate_project(folder / "fleet.yaml"), environ={}, mode="frozen").compiled.files


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def edit(folder: Path) -> None:
    """One surface goes, another comes, all routing tables change."""
    config = folder / "fleet.yaml"
    text = config.read_text()
    config.write_text(text.replace("  boochat:\n", "  notes:\n").replace("llama-swap]", "llama-swap, boo]"))


@pytest.mark.parametrize("name", NAMES)
def test_what_is_built_can_be_served(name: str, tmp_path: Path) -> None:
    project = copy_of(name, tmp_path / "project")
    prepared = built(project)
    snapshot = load_snapshot(project / "generated")
    assert snapshot.gateway == prepared.compiled.resolved.gateway
    assert set(snapshot.tables) == {"", *(f"/{name}" for name in snapshot.gateway.surfaces)}
    assert snapshot.root == project


def test_a_second_build_finds_nothing_to_do(tmp_path: Path) -> None:
    project = copy_of("shipped", tmp_path / "project")
    built(project)
    before = contents(project)
    assert not built(project).stale
    assert contents(project) == before


def test_another_output_folder_leads_back_to_fleet_yaml(tmp_path: Path) -> None:
    project = copy_of("shipped", tmp_path / "project")
    output = tmp_path / "srv" / "fleet" / "generated"
    build(locate_project(project / "fleet.yaml", output), environ={}, mode="frozen")
    assert load_snapshot(output).gateway.root == "../../../project"
    assert load_snapshot(output).root == project


def test_fault_33_a_build_killed_at_any_step_is_never_served_mixed_and_is_fixed_by_the_next(
    tmp_path: Path,
) -> None:
    """SIGKILL before each fsync, rename and removal of a build that changes, adds and removes files."""
    project = copy_of("shipped", tmp_path / "project")
    built(project)
    old = load_snapshot(project / "generated").id
    edit(project)
    clean = copy_of("shipped", tmp_path / "clean")
    shutil.copy(project / "fleet.yaml", clean)
    built(clean)
    copies = tmp_path / "copies"
    copies.mkdir()
    command = [sys.executable, str(KILL_COMMANDS), str(project), str(copies), "build", "--frozen"]
    killed = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert killed >= 15
    whole = {old, load_snapshot(clean / "generated").id}
    for copy in sorted(copies.iterdir()):
        with suppress(ArtifactError):
            assert load_snapshot(copy / "generated").id in whole
        built(copy)
        assert contents(copy) == contents(clean)


def test_fault_33_builds_at_the_same_time_take_turns(tmp_path: Path) -> None:
    """Four processes, one result, nothing left over."""
    project = copy_of("shipped", tmp_path / "project")
    command = [sys.executable, "-m", "fleet_compiler", "build", "--frozen", "-f", str(project / "fleet.yaml")]
    running = [
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    assert [(process.communicate()[1], process.returncode)[1] for process in running] == [0, 0, 0, 0]
    clean = copy_of("shipped", tmp_path / "clean")
    built(clean)
    assert contents(project) == contents(clean)


def test_a_read_only_folder_is_said_to_be_and_stays_as_it_is(make_read_only: Folder) -> None:
    folder, close = make_read_only
    project = copy_of("shipped", folder / "project")
    built(project)
    edit(project)
    before = contents(project)
    close()
    with pytest.raises(OutputError, match=r"(read-only file system|permission denied); nothing was changed"):
        built(project)
    assert contents(project) == before


def test_a_full_disk_keeps_the_last_build_complete(small_disk: Path) -> None:
    project = copy_of("shipped", small_disk / "project")
    built(project)
    old = load_snapshot(project / "generated").id
    edit(project)
    free = os.statvfs(small_disk)
    (small_disk / "filler").write_bytes(b"x" * (free.f_bavail * free.f_frsize))
    before = contents(project)
    with pytest.raises(OutputError, match="no space left on device; nothing was changed"):
        built(project)
    assert contents(project) == before
    assert load_snapshot(project / "generated").id == old


def test_a_build_that_cannot_write_leaves_the_lock_too(tmp_path: Path) -> None:
    project = copy_of("shipped", tmp_path / "project")
    text = (project / "fleet.yaml").read_text()
    (project / "fleet.yaml").write_text(text.replace("100.90.172.55:8411", "100.90.172.55:9000"))
    (project / "generated").write_text("a file")
    before = contents(project)
    with pytest.raises(OutputError, match="is not a folder"):
        built(project)
    assert contents(project) == before


def test_a_moved_provider_keeps_its_models_and_is_marked_in_the_lock(tmp_path: Path) -> None:
    project = copy_of("shipped", tmp_path / "project")
    text = (project / "fleet.yaml").read_text()
    (project / "fleet.yaml").write_text(text.replace("100.90.172.55:8411", "100.90.172.55:9000"))
    assert prepare(locate_project(project / "fleet.yaml"), environ={}, mode="frozen").stale
    built(project)
    entries = load_lock(project / "fleet.lock").providers
    assert {name: entry.stale for name, entry in entries.items()} == {
        "sam-desktop": None,
        "embedding": "url changed",
    }
    assert not prepare(locate_project(project / "fleet.yaml"), environ={}, mode="frozen").stale


def test_an_entry_whose_provider_left_leaves_the_lock_with_a_build(tmp_path: Path) -> None:
    project = copy_of("shipped", tmp_path / "project")
    lock = load_lock(project / "fleet.lock")
    gone = lock.providers["embedding"].model_copy(update={"url": "http://127.0.0.1:1"})
    save_lock(project / "fleet.lock", Lock(providers={**lock.providers, "gone": gone}))
    assert prepare(locate_project(project / "fleet.yaml"), environ={}, mode="frozen").stale
    built(project)
    assert load_lock(project / "fleet.lock") == lock


def test_the_environment_does_not_show_in_what_is_generated(tmp_path: Path) -> None:
    project = copy_of("cloud_only", tmp_path / "project")
    located = locate_project(project / "fleet.yaml")
    with_key = prepare(located, environ={"DEEPSEEK_API_KEY": "canary"}, mode="frozen")
    without = prepare(located, environ={}, mode="frozen")
    assert with_key.compiled.files == without.compiled.files


def shuffled(text: str, chance: random.Random) -> str:
    """The same fleet with comments, and with the blocks of unordered keys in another order."""
    head, *blocks = text.split("\n\n")
    tail = [line for block in blocks[1:] for line in _blocks(block)]
    chance.shuffle(tail)
    commented = [f"# {chance.random()}\n{block}" for block in tail]
    return "\n\n".join([f"# another comment\n{head}", blocks[0], *commented]) + "\n"


def _blocks(text: str) -> list[str]:
    """The top-level keys of a part of YAML, each with all that is in it."""
    found: list[str] = []
    for line in text.splitlines():
        if line.startswith((" ", "#")) and found:
            found[-1] += f"\n{line}"
        elif line.strip():
            found.append(line)
    return found


@pytest.mark.parametrize("seed", range(5))
def test_fault_33_comments_and_the_order_of_keys_change_no_byte(tmp_path: Path, seed: int) -> None:
    project = copy_of("shipped", tmp_path / "project")
    expected = frozen_files(project)
    text = (project / "fleet.yaml").read_text()
    other = shuffled(text, random.Random(seed))
    assert other != text
    (project / "fleet.yaml").write_text(other)
    assert frozen_files(project) == expected


def test_the_order_of_surfaces_and_of_a_models_facts_changes_no_byte(tmp_path: Path) -> None:
    project = copy_of("shipped", tmp_path / "project")
    expected = frozen_files(project)
    text = (project / "fleet.yaml").read_text()
    for old, new in {
        "  boochat:\n  boocoder:\n": "  boocoder:\n  boochat:\n",
        "{context: 131072, output: 8192}": "{output: 8192, context: 131072}",
        "deepseek-chat: {": "'deepseek-chat': {",
    }.items():
        assert old in text
        text = text.replace(old, new)
    (project / "fleet.yaml").write_text(text)
    assert frozen_files(project) == expected


def test_fault_33_locale_time_zone_and_hash_seed_change_no_byte(tmp_path: Path) -> None:
    """Two processes that have nothing of these in common, started from different folders."""
    environments = [
        {"TZ": "UTC", "LC_ALL": "C", "PYTHONHASHSEED": "1", "PYTHONUTF8": "0"},
        {"TZ": "Pacific/Kiritimati", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "2", "HOME": "/nowhere"},
    ]
    results = []
    for index, environment in enumerate(environments):
        project = copy_of("odd_ids", tmp_path / str(index) / "project")
        cwd, config = (project, "fleet.yaml") if index else (tmp_path, str(project / "fleet.yaml"))
        command = [sys.executable, "-m", "fleet_compiler", "build", "--frozen", "-f", config]
        subprocess.run(command, check=True, capture_output=True, cwd=cwd, env=environment)
        results.append(contents(project))
    assert results[0] == results[1]


def test_plans_are_carried_out_only_by_writing(tmp_path: Path) -> None:
    project = copy_of("shipped", tmp_path / "project")
    prepared = prepare(locate_project(project / "fleet.yaml"), environ={}, mode="frozen")
    assert not (project / "generated").exists()
    write_outputs(prepared.plan)
    assert plan_outputs(project / "generated", prepared.compiled.files).pending == ()
