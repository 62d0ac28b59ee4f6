"""``fleet add``, ``move``, ``rename`` and ``remove`` with a fleet.lock or a generated/ that is in the way."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fleet_compiler.lock.lockfile import load_lock, save_lock
from fleet_compiler.lock.model import Lock
from tests.cli.conftest import Fleet, write
from tests.support.projects import lock_of

BOX, ATTIC = "http://127.0.0.1:9", "http://127.0.0.2:9"
"""Nothing listens there: what is known of the two is in fleet.lock alone."""


@pytest.fixture
def folder(fleet: Fleet, tmp_path: Path) -> Path:
    """A built fleet of two providers that are offline; the current folder."""
    write(tmp_path, f"version: 1\ndefault_provider: box\nproviders: {{box: '{BOX}', attic: '{ATTIC}'}}\n")
    entries = {"box": lock_of(BOX, "qwen3-8b"), "attic": lock_of(ATTIC, "gemma")}
    save_lock(tmp_path / "fleet.lock", Lock(providers=entries))
    assert fleet("build").code == 0
    return tmp_path


@pytest.mark.parametrize("arguments", [("rename", "box", "desk"), ("build",), ("lock",)], ids=" ".join)
def test_a_linked_lock_stays_a_link_to_the_file_that_changes(
    fleet: Fleet, folder: Path, arguments: tuple[str, ...]
) -> None:
    (folder / "dotfiles").mkdir()
    real = (folder / "fleet.lock").rename(folder / "dotfiles" / "fleet.lock")
    (folder / "fleet.lock").symlink_to(real)
    if arguments[0] != "rename":
        assert fleet("rename", "box", "desk", "--no-build").code == 0
        save_lock(real, Lock(providers={"box": lock_of(BOX, "qwen3-8b"), "attic": lock_of(ATTIC, "gemma")}))
    fleet(*arguments)
    assert (folder / "fleet.lock").is_symlink()
    assert sorted(load_lock(real).providers) == ["attic", "desk"]


def test_a_lock_that_cannot_be_used_is_reported_before_a_change_is_shown(fleet: Fleet, folder: Path) -> None:
    (folder / "fleet.lock").write_text('{\n<<<<<<< HEAD\n  "providers": {}\n=======\n}\n>>>>>>> other\n')
    ran = fleet("rename", "box", "desk")
    assert (ran.code, ran.out) == (1, "")
    assert "'fleet.lock' has a merge-conflict marker\n --> fleet.lock:2:1\n" in ran.err
    assert "desk" not in (folder / "fleet.yaml").read_text()


def test_a_second_fleet_in_the_folder_has_a_lock_of_its_own(fleet: Fleet, folder: Path) -> None:
    before = (folder / "fleet.lock").read_bytes()
    (folder / "test.yaml").write_text(f"version: 1\ndefault_provider: shed\nproviders: {{shed: '{BOX}'}}\n")
    save_lock(folder / "test.lock", Lock(providers={"shed": lock_of(BOX, "phi")}))
    for command in (["build", "--generated", "elsewhere"], ["rename", "shed", "hut", "--no-build"], ["lock"]):
        fleet(*command, "-f", "test.yaml")
    assert (folder / "fleet.lock").read_bytes() == before
    assert list(load_lock(folder / "test.lock").providers) == ["hut"]
    assert "hut/phi" in fleet("models", "-f", "test.yaml").out


@pytest.mark.parametrize("name", ["fleet.yaml", "fleet.lock"])
@pytest.mark.parametrize("arguments", [("rename", "box", "desk"), ("build",), ("lock",)], ids=" ".join)
def test_a_link_to_itself_is_one_error(
    fleet: Fleet, folder: Path, name: str, arguments: tuple[str, ...]
) -> None:
    (folder / name).unlink()
    (folder / name).symlink_to(name)
    ran = fleet(*arguments)
    assert ran.code == 1
    assert f"'{name}' cannot be read: its symbolic links form a loop" in ran.err


def test_a_damaged_lock_is_reported_before_a_probe(fleet: Fleet, folder: Path) -> None:
    (folder / "fleet.lock").write_text("{")
    ran = fleet("lock")
    assert (ran.code, "'fleet.lock' is not JSON" in ran.err, "refused" in ran.err) == (1, True, False)


def test_a_file_that_would_become_too_large_is_reported_as_that(fleet: Fleet, folder: Path) -> None:
    config = folder / "fleet.yaml"
    config.write_text(config.read_text().ljust(1024 * 1024 - 1, "#") + "\n")
    ran = fleet("add", "shed", BOX, "--yes", "--no-build")
    assert (ran.code, "error[F005]: file is larger than 1 MiB" in ran.err) == (1, True)


def test_a_program_that_wakes_a_renamed_provider_is_reported(fleet: Fleet, tmp_path: Path) -> None:
    provider = f"{{url: '{BOX}', models: [a], wake: {{command: wake.sh}}}}"
    write(tmp_path, f"version: 1\ndefault_provider: box\nproviders:\n  box: {provider}\n")
    (tmp_path / "wake.sh").write_text("#!/bin/sh\n")
    (tmp_path / "wake.sh").chmod(0o755)
    [warning] = [line for line in fleet("rename", "box", "nas").err.splitlines() if "wake.sh" in line]
    assert warning == (
        "warning: fleet.yaml:4:65: 'wake.sh' is now called with 'nas': change it if it uses the name"
    )


def in_the_way(folder: Path) -> None:
    """Put a file in the place of generated/."""
    (folder / "generated").rename(folder / "moved")
    (folder / "generated").write_text("a file")


def test_a_change_whose_build_fails_is_not_called_unchanged(fleet: Fleet, folder: Path) -> None:
    in_the_way(folder)
    ran = fleet("rename", "box", "desk")
    assert (ran.code, ran.out.endswith("wrote fleet.yaml\n")) == (1, True)
    last = "fleet.yaml is changed, but not built: when that is fixed, run `fleet build`"
    assert ran.err.splitlines()[-1] == last
    assert "error: 'generated' is not a folder" in ran.err


def test_as_json_a_change_whose_build_fails_is_written_with_a_build_that_failed(
    fleet: Fleet, folder: Path
) -> None:
    in_the_way(folder)
    ran = fleet("rename", "box", "desk", "--json")
    result = json.loads(ran.out)
    assert (ran.code, result["status"], result["build"]["status"]) == (1, "written", "failed")
    assert result["build"]["remedy"] == "fleet build"
