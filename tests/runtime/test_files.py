"""Files that a person or an artifact names are read only when they are ordinary and of a sane size."""

import os
import socket
from pathlib import Path

import pytest

from fleet_runtime.files import (
    OversizedFileError,
    UnreadableFileError,
    copy_access,
    read_ca,
    read_file,
    read_text,
    replace_file,
    resolve_path,
    unreadable_reason,
)


def reason(path: Path, limit: int = 100) -> str:
    with pytest.raises(OSError) as caught:  # noqa: PT011 - the words are what is tested
        read_file(path, limit)
    return unreadable_reason(caught.value)


def test_a_file_of_exactly_the_limit_is_read(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x" * 100)
    assert read_file(tmp_path / "f", 100) == b"x" * 100


def test_a_larger_file_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x" * 101)
    with pytest.raises(OversizedFileError):
        read_file(tmp_path / "f", 100)
    assert reason(tmp_path / "f") == "is larger than 100 bytes"


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x")
    (tmp_path / "link").symlink_to("f")
    assert read_file(tmp_path / "link", 100) == b"x"


def test_what_is_not_a_regular_file_is_named_and_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        assert reason(tmp_path / "pipe") == "is a named pipe, not a regular file"
        assert reason(tmp_path / "socket") == "is a socket, not a regular file"
    assert reason(Path("/dev/zero")) == "is a device, not a regular file"
    assert reason(tmp_path) == "is a directory, not a file"


def test_what_is_not_there_is_reported_plainly(tmp_path: Path) -> None:
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "f").write_bytes(b"")
    assert reason(tmp_path / "gone") == "does not exist"
    assert reason(tmp_path / "f" / "below") == "does not exist: a part of its path is not a directory"
    assert reason(tmp_path / "circle") == "cannot be read: its symbolic links form a loop"
    assert reason(tmp_path / ("x" * 300)) == "cannot be read: its name is too long"
    assert reason(Path("a\0b")) == "cannot be read: no file can have this name"


def test_text_that_is_not_utf_8_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"\xff")
    with pytest.raises(UnreadableFileError, match="is not UTF-8 text"):
        read_text(tmp_path / "f", 100)


def test_a_certificate_file_without_certificates_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(b"")
    with pytest.raises(UnreadableFileError, match="does not contain a certificate"):
        read_ca(tmp_path / "ca.pem")


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert resolve_path(tmp_path, "~/key.txt") == Path("/home/me/key.txt")
    assert resolve_path(tmp_path, "~") == Path("/home/me")
    assert resolve_path(tmp_path, "keys/a") == tmp_path / "keys" / "a"
    assert resolve_path(tmp_path, "/etc/key") == Path("/etc/key")
    with pytest.raises(UnreadableFileError, match="home folder is not known"):
        resolve_path(tmp_path, "~nobody-here-at-all/key")


def test_a_file_is_replaced_where_its_link_leads_with_its_permissions(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"old")
    (tmp_path / "f").chmod(0o640)
    (tmp_path / "link").symlink_to("f")
    replace_file(tmp_path / "link", b"new")
    assert (tmp_path / "f").read_bytes() == b"new"
    assert (tmp_path / "f").stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f", "link"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")
def test_a_file_that_root_replaces_stays_its_owners(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"old")
    os.chown(tmp_path / "f", 12345, 54321)
    replace_file(tmp_path / "f", b"new")
    assert ((tmp_path / "f").stat().st_uid, (tmp_path / "f").stat().st_gid) == (12345, 54321)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
def test_a_file_of_somebody_else_keeps_its_group_for_a_member_of_it(tmp_path: Path) -> None:
    theirs, new = tmp_path / "theirs", tmp_path / "new"
    theirs.touch()
    os.chown(theirs, 0, 4242)
    status = theirs.stat()
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT)
    os.chown(new, 65534, 65534)
    child = os.fork()
    if not child:
        os.setgroups([4242])
        os.setuid(65534)
        copy_access(descriptor, status)
        os._exit(0)
    os.waitpid(child, 0)
    os.close(descriptor)
    assert (new.stat().st_uid, new.stat().st_gid) == (65534, 4242)


def test_what_cannot_be_replaced_is_left_as_it_is_with_nothing_next_to_it(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in ("folder", "pipe", "folder/gone/f"):
        with pytest.raises(OSError):  # noqa: PT011 - which one is the system's
            replace_file(tmp_path / name, b"new")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["folder", "pipe"]


def test_a_full_disk_leaves_the_old_file_and_nothing_else(small_disk: Path) -> None:
    (small_disk / "f").write_bytes(b"old")
    with pytest.raises(OSError, match="No space left"):
        replace_file(small_disk / "f", b"x" * 1_000_000)
    assert [(path.name, path.read_bytes()) for path in small_disk.iterdir()] == [("f", b"old")]
