"""Files replaced as a whole, or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fleet_compiler.diagnostics.errors import OutputError
from fleet_compiler.files import TEMPORARY_SUFFIX, read_regular_file, write_files


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


def test_a_regular_file_is_read_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    (tmp_path / "endless").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "fifo")
    found = {path.name: read_regular_file(path, 5) for path in tmp_path.iterdir()}
    assert found == {"file": b"12345", "link": None, "endless": None, "fifo": None}
    assert read_regular_file(tmp_path / "file", 4) is None
    assert read_regular_file(tmp_path / "missing", 4) is None
