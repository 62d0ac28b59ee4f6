"""From bytes to text: what can be read, and what is said of what cannot."""

import io
import os
import sys
from pathlib import Path

import pytest

from fleet_compiler.diagnostics.diagnostic import Diagnostic, Span
from fleet_compiler.diagnostics.errors import ConfigError
from fleet_compiler.document.read import STDIN_NAME, decode, read_source
from fleet_runtime.files import MAX_CONFIG

GOOD = b"version: 1\n"


def refusal(path: Path) -> Diagnostic:
    with pytest.raises(ConfigError) as caught:
        read_source(path)
    assert caught.value.exit_code == 1
    (diagnostic,) = caught.value.diagnostics
    return diagnostic


def test_file_is_named_as_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("fleet.yaml").write_bytes(GOOD)
    source = read_source(Path("fleet.yaml"))
    assert (source.name, source.text) == ("fleet.yaml", "version: 1\n")


def test_dash_is_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(GOOD)))
    assert read_source("-").name == STDIN_NAME


def test_windows_line_ends_become_plain_ones() -> None:
    assert decode("f", b"a: 1\r\nb: 2\r\n").text == "a: 1\nb: 2\n"


def test_a_byte_order_mark_is_passed_over() -> None:
    assert decode("f", b"\xef\xbb\xbfversion: 1\n").text == "version: 1\n"


def test_a_link_to_nowhere_is_said_to_be_one(tmp_path: Path) -> None:
    link = tmp_path / "fleet.yaml"
    link.symlink_to("gone.yaml")
    assert "is a link to 'gone.yaml', which does not exist" in refusal(link).message


def test_missing_file_is_said_without_a_place(tmp_path: Path) -> None:
    diagnostic = refusal(tmp_path / "fleet.yaml")
    assert diagnostic.code == "F001"
    assert "does not exist" in diagnostic.message
    assert diagnostic.span is None


def test_directory_is_said_to_be_one(tmp_path: Path) -> None:
    assert "is a directory, not a file" in refusal(tmp_path).message


def test_name_that_no_system_accepts_is_rejected() -> None:
    assert "no file can have this name" in refusal(Path("fleet\0.yaml")).message


def test_name_too_long_for_the_system_is_rejected() -> None:
    assert refusal(Path("x" * 5000)).code == "F001"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file_is_said_to_be_so(tmp_path: Path) -> None:
    path = tmp_path / "fleet.yaml"
    path.write_bytes(GOOD)
    path.chmod(0)
    assert "permission denied" in refusal(path).message


def test_unreadable_file_is_said_to_be_so_whoever_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", refuse)
    assert "permission denied" in refusal(tmp_path / "fleet.yaml").message


def test_symbolic_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real.yaml").write_bytes(GOOD)
    link = tmp_path / "fleet.yaml"
    link.symlink_to("real.yaml")
    assert read_source(link).text == "version: 1\n"


def test_symbolic_link_to_itself_is_rejected(tmp_path: Path) -> None:
    link = tmp_path / "fleet.yaml"
    link.symlink_to("fleet.yaml")
    assert refusal(link).code == "F001"


def test_a_device_is_not_read() -> None:
    diagnostic = refusal(Path("/dev/zero"))
    assert diagnostic.message == "'/dev/zero' is a device, not a regular file"
    assert diagnostic.help == "name a regular file, or read standard input with '-f -'"


def test_a_named_pipe_without_a_writer_is_rejected_at_once(tmp_path: Path) -> None:
    path = tmp_path / "fleet.yaml"
    os.mkfifo(path)
    assert "is a named pipe, not a regular file" in refusal(path).message


def test_file_of_exactly_the_limit_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "fleet.yaml"
    path.write_bytes(b"#" * MAX_CONFIG)
    assert len(read_source(path).text) == MAX_CONFIG


def test_file_over_the_limit_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "fleet.yaml"
    path.write_bytes(b"#" * (MAX_CONFIG + 1))
    assert refusal(path).code == "F005"


def test_place_of_a_bad_byte_counts_characters() -> None:
    with pytest.raises(ConfigError) as caught:
        decode("f", "a: 1\r\n# 日本 ".encode() + b"\xff")
    assert caught.value.diagnostics[0].span == Span(2, 6, 7)


def test_each_line_with_a_forbidden_character_is_named_once() -> None:
    with pytest.raises(ConfigError) as caught:
        decode("f", b"aa\x00\x01\nb\nc\x02\n")
    assert [d.span for d in caught.value.diagnostics] == [Span(1, 3, 4), Span(3, 2, 3)]
