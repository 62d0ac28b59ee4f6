"""The generated folder: planning, and writing all or nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from fleet_compiler.diagnostics.errors import OutputError
from fleet_compiler.emit.plan import MANIFEST, diff, line_counts, plan_outputs, write_outputs
from fleet_runtime.artifacts.contract import Manifest
from fleet_runtime.artifacts.hashes import sha256_hex

Files = dict[str, bytes]


def with_manifest(files: Files) -> Files:
    manifest = Manifest(model="m", lock="l", files={path: sha256_hex(data) for path, data in files.items()})
    return files | {MANIFEST: manifest.model_dump_json().encode()}


def written(folder: Path, files: Files) -> Files:
    """Write a first build."""
    whole = with_manifest(files)
    write_outputs(plan_outputs(folder, whole))
    return whole


def contents(folder: Path) -> Files:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def kinds(folder: Path, files: Files) -> dict[str, str]:
    return {change.path: change.kind for change in plan_outputs(folder, files).changes}


def test_a_first_build_adds_every_file(tmp_path: Path) -> None:
    folder = tmp_path / "generated"
    files = with_manifest({"a.json": b"1", "routing/b.json": b"2"})
    assert kinds(folder, files) == {"a.json": "add", "routing/b.json": "add", MANIFEST: "add"}
    assert not folder.exists()
    write_outputs(plan_outputs(folder, files))
    assert contents(folder) == files


def test_the_manifest_comes_last_in_a_plan(tmp_path: Path) -> None:
    files = with_manifest({"a.json": b"1", "z.json": b"2"})
    assert [change.path for change in plan_outputs(tmp_path, files).changes] == ["a.json", "z.json", MANIFEST]


def version(file: Path) -> tuple[int, int]:
    """What is another after each write, and the same after a read."""
    found = file.stat()
    return found.st_ino, found.st_mtime_ns


def test_a_second_build_of_the_same_changes_nothing(tmp_path: Path) -> None:
    files = written(tmp_path, {"a.json": b"1"})
    before = version(tmp_path / "a.json")
    plan = plan_outputs(tmp_path, files)
    assert plan.pending == ()
    write_outputs(plan)
    assert version(tmp_path / "a.json") == before


def test_a_build_distinguishes_added_changed_removed_and_same(tmp_path: Path) -> None:
    written(tmp_path, {"same": b"1", "changed": b"1", "removed": b"1"})
    files = with_manifest({"same": b"1", "changed": b"2", "added": b"1"})
    assert kinds(tmp_path, files) == {
        "added": "add",
        "changed": "change",
        "removed": "remove",
        "same": "same",
        MANIFEST: "change",
    }
    write_outputs(plan_outputs(tmp_path, files))
    assert contents(tmp_path) == files


def test_only_files_of_the_last_build_are_removed(tmp_path: Path) -> None:
    written(tmp_path, {"surface.json": b"1"})
    (tmp_path / "notes.txt").write_text("mine")
    write_outputs(plan_outputs(tmp_path, with_manifest({})))
    assert sorted(contents(tmp_path)) == [MANIFEST, "notes.txt"]


def test_a_folder_that_is_empty_without_a_removed_file_goes_too(tmp_path: Path) -> None:
    written(tmp_path, {"laptop/deep/opencode.json": b"1", "disk/opencode.json": b"1"})
    (tmp_path / "disk" / "mine").touch()
    write_outputs(plan_outputs(tmp_path, with_manifest({})))
    assert not (tmp_path / "laptop").exists()
    assert (tmp_path / "disk" / "mine").exists()


@pytest.mark.parametrize("path", ["../outside", "/etc/hostname", "a/../../outside", "", "nul\0"])
def test_a_manifest_that_names_files_elsewhere_removes_none(tmp_path: Path, path: str) -> None:
    outside = tmp_path / "outside"
    outside.write_text("precious")
    folder = tmp_path / "generated"
    folder.mkdir()
    manifest = Manifest(model="m", lock="l", files={path: sha256_hex(b"precious")})
    (folder / MANIFEST).write_text(manifest.model_dump_json())
    assert kinds(folder, with_manifest({})) == {MANIFEST: "change"}
    write_outputs(plan_outputs(folder, with_manifest({})))
    assert outside.read_text() == "precious"


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"files": 3}', b"\xff"])
def test_a_damaged_manifest_owns_nothing_and_is_replaced(tmp_path: Path, damage: bytes) -> None:
    files = written(tmp_path, {"a.json": b"1"})
    (tmp_path / MANIFEST).write_bytes(damage)
    plan = plan_outputs(tmp_path, files)
    assert [change.path for change in plan.pending] == [MANIFEST]
    write_outputs(plan)
    assert contents(tmp_path) == files


def test_a_file_edited_by_hand_is_named_as_such(tmp_path: Path) -> None:
    files = written(tmp_path, {"a.json": b"1", "b.json": b"1"})
    (tmp_path / "a.json").write_bytes(b"by hand")
    plan = plan_outputs(tmp_path, files)
    assert [change.path for change in plan.foreign] == ["a.json"]
    write_outputs(plan)
    assert contents(tmp_path) == files


def test_a_file_that_no_build_wrote_is_named_before_it_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"somebody else's")
    plan = plan_outputs(tmp_path, with_manifest({"a.json": b"1"}))
    assert [change.path for change in plan.foreign] == ["a.json"]


def test_a_file_where_the_folder_should_be_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "generated").write_text("a file")
    with pytest.raises(OutputError, match="is not a folder"):
        plan_outputs(tmp_path / "generated", with_manifest({"a": b"1"}))
    assert (tmp_path / "generated").read_text() == "a file"


def test_a_folder_where_a_file_should_be_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "a.json").mkdir()
    with pytest.raises(OutputError, match=r"cannot read '.*a\.json': is a directory"):
        plan_outputs(tmp_path, with_manifest({"a.json": b"1"}))


def test_a_file_where_a_subfolder_should_be_is_rejected_and_kept(tmp_path: Path) -> None:
    (tmp_path / "routing").write_text("a file")
    plan = plan_outputs(tmp_path, with_manifest({"routing/a.json": b"1"}))
    with pytest.raises(OutputError, match="nothing was changed"):
        write_outputs(plan)
    assert contents(tmp_path) == {"routing": b"a file"}


def test_leftovers_of_a_killed_build_are_cleared(tmp_path: Path) -> None:
    files = written(tmp_path, {"a.json": b"1"})
    (tmp_path / ".a.json.fleet-tmp").write_bytes(b"half")
    (tmp_path / ".gone.json.fleet-tmp").write_bytes(b"half")
    (tmp_path / "a.json").write_bytes(b"old")
    write_outputs(plan_outputs(tmp_path, files))
    assert contents(tmp_path) == files


def test_new_files_get_the_usual_permissions(tmp_path: Path) -> None:
    mask = os.umask(0o022)
    try:
        written(tmp_path, {"a.json": b"1"})
    finally:
        os.umask(mask)
    assert (tmp_path / "a.json").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("content", [b"elsewhere", b"1"])
def test_a_link_in_the_place_of_a_file_is_replaced_and_its_target_kept(
    tmp_path: Path, content: bytes
) -> None:
    """Also if the target holds what would be written."""
    target = tmp_path / "target"
    target.write_bytes(content)
    folder = tmp_path / "generated"
    folder.mkdir()
    (folder / "a.json").symlink_to(target)
    plan = plan_outputs(folder, with_manifest({"a.json": b"1"}))
    assert [change.path for change in plan.foreign] == ["a.json"]
    write_outputs(plan)
    assert target.read_bytes() == content
    assert (folder / "a.json").read_bytes() == b"1"
    assert not (folder / "a.json").is_symlink()


def test_a_link_below_the_folder_is_never_written_through(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "b.json").write_bytes(b"precious")
    folder = tmp_path / "generated"
    folder.mkdir()
    (folder / "routing").symlink_to(elsewhere)
    with pytest.raises(OutputError, match=r"routing' is a link"):
        plan_outputs(folder, with_manifest({"routing/b.json": b"1"}))
    assert contents(elsewhere) == {"b.json": b"precious"}


def test_a_file_behind_a_link_is_not_removed_though_the_manifest_names_it(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious").write_bytes(b"mine")
    folder = tmp_path / "generated"
    written(folder, {"x/precious": b"mine"})
    (folder / "x" / "precious").unlink()
    (folder / "x").rmdir()
    (folder / "x").symlink_to(elsewhere)
    write_outputs(plan_outputs(folder, with_manifest({})))
    assert contents(elsewhere) == {"precious": b"mine"}


def test_a_file_that_was_changed_since_is_kept_when_it_is_no_longer_generated(tmp_path: Path) -> None:
    written(tmp_path, {"a.json": b"1", "b.json": b"1"})
    (tmp_path / "a.json").write_bytes(b"by hand")
    plan = plan_outputs(tmp_path, with_manifest({}))
    assert plan.kept == ("a.json",)
    write_outputs(plan)
    assert sorted(contents(tmp_path)) == ["a.json", MANIFEST]


@pytest.mark.parametrize("path", ["a.json", MANIFEST])
@pytest.mark.parametrize(
    "make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")], ids=["fifo", "endless"]
)
def test_what_is_not_a_regular_file_is_replaced_unread(
    tmp_path: Path, path: str, make: Callable[[Path], None]
) -> None:
    files = written(tmp_path, {"a.json": b"1"})
    (tmp_path / path).unlink()
    make(tmp_path / path)
    write_outputs(plan_outputs(tmp_path, files))
    assert contents(tmp_path) == files


def test_a_diff_shows_every_change(tmp_path: Path) -> None:
    written(tmp_path, {"changed": b"one\ntwo\n", "removed": b"x\n"})
    plan = plan_outputs(tmp_path, {"changed": b"one\n2\nthree\n", "added": b"y\n"})
    lines = list(diff(plan))
    assert {"--- /dev/null", "+++ b/added", "+y", "+++ /dev/null", "-x", "-two", "+2", "+three"} <= set(lines)
    changed = next(change for change in plan.changes if change.path == "changed")
    assert line_counts(changed) == (2, 1)


def test_a_full_disk_leaves_the_old_files_and_no_others(small_disk: Path) -> None:
    folder = small_disk / "generated"
    old = written(folder, {"a.json": b"a" * 1000, "b.json": b"b" * 1000})
    new = with_manifest({"a.json": b"A" * 100_000, "b.json": b"B" * 200_000})
    with pytest.raises(OutputError, match="no space left on device; nothing was changed"):
        write_outputs(plan_outputs(folder, new))
    assert contents(folder) == old
