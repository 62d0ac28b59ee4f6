"""Files are replaced completely or not at all."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet_compiler.diagnostics.errors import OutputError
from fleet_compiler.files import TEMPORARY_SUFFIX, path_problem, write_files


def test_a_file_on_a_full_disk_keeps_its_old_content(small_disk: Path) -> None:
    path = small_disk / "fleet.lock"
    write_files([(path, b"old")])
    with pytest.raises(OutputError, match="no space left"):
        write_files([(path, b"x" * 300_000)])
    assert [(path.name, path.read_bytes()) for path in small_disk.iterdir()] == [("fleet.lock", b"old")]


def test_a_file_that_is_replaced_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "fleet.yaml"
    path.touch(mode=0o600)
    write_files([(path, b"new")])
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"new", 0o600)


def test_a_temporary_file_of_a_killed_process_is_deleted(tmp_path: Path) -> None:
    (tmp_path / f".gone{TEMPORARY_SUFFIX}").write_bytes(b"half")
    write_files([(tmp_path / "a", b"1")])
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("../out.json", "not a path inside"),
        ("/etc/hostname", "not a path inside"),
        ("a//b", "not a path inside"),
        ("a/./b", "not a path inside"),
        ("", "not a path inside"),
        ("C:/x", "not a path inside"),
        ("a\\b", "not a path inside"),
        ("x\0.json", "not visible"),
        ("\u202egnp.json", "not visible"),
        ("a\nb", "not visible"),
        ("\ud800", "not visible"),
        (" ", "space"),
        ("a/ b", "space"),
        ("-rf", "begins with '-'"),
        ("a/-b", "begins with '-'"),
        (".git/hooks/x", "git's own"),
        ("a/.GIT/config", "git's own"),
        (".manifest.json.fleet-tmp", "temporary"),
        (".Manifest.json.FLEET-TMP", "temporary"),
        (".x.fleet-tmp/opencode.json", "temporary"),
        ("é" * 121, "more than 240 bytes"),
    ],
)
def test_a_path_that_no_output_may_have_is_reported_with_its_reason(path: str, reason: str) -> None:
    problem = path_problem(path)
    assert problem is not None
    assert reason in problem[0]


@pytest.mark.parametrize(
    "path", ["a.json", "laptop/opencode.json", "é" * 120, "with space.json", "fleet-tmp"]
)
def test_a_path_inside_the_folder_is_fine(path: str) -> None:
    assert path_problem(path) is None


@settings(deadline=None)
@given(st.text(max_size=300))
def test_a_path_without_a_problem_can_be_written(path: str) -> None:
    if path_problem(path) is None:
        with TemporaryDirectory() as folder:
            write_files([(Path(folder) / path, b"1")])
            assert (Path(folder) / path).read_bytes() == b"1"
