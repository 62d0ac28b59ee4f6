"""How the command ends: 0, 1, 2, 3, 4, 70 and 130, and never with a traceback for a user's mistake."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fleet_compiler import pipeline
from fleet_runtime.simulator import ServerSpec, SimulatedModel, SimulationThread
from tests.cli.conftest import Fleet, one, write


def test_0_fine(fleet: Fleet, project: Path) -> None:
    for arguments in (["validate"], ["build"], ["build", "--check"], ["models"], ["diff"], ["lock"]):
        assert fleet(*arguments).code == 0


@pytest.mark.parametrize("command", ["validate", "build", "lock", "models", "diff"])
def test_1_an_invalid_configuration(fleet: Fleet, tmp_path: Path, command: str) -> None:
    write(tmp_path, "version: 1\ndefault_provider: nobody\nproviders: {desk: ftp://x}\n")
    ran = fleet(command)
    assert (ran.code, ran.out) == (1, "")
    assert "error[F" in ran.err
    assert "fleet.yaml:3:" in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize("made", ["missing", "folder", "empty"])
def test_1_a_configuration_that_cannot_be_read(fleet: Fleet, tmp_path: Path, made: str) -> None:
    path = tmp_path / "fleet.yaml"
    if made == "folder":
        path.mkdir()
    elif made == "empty":
        path.touch()
    ran = fleet("build", "-f", "fleet.yaml")
    assert ran.code == 1
    assert "error[F00" in ran.err
    assert not (tmp_path / "generated").exists()


def test_1_a_place_that_cannot_be_written_to(fleet: Fleet, project: Path) -> None:
    (project / "generated").write_text("a file")
    ran = fleet("build")
    assert ran.code == 1
    assert ran.err == "error: 'generated' is not a folder: move it away, or choose another with --generated\n"
    assert (project / "generated").read_text() == "a file"


@pytest.mark.parametrize("command", ["build", "diff"])
@pytest.mark.parametrize(
    ("output", "reason"), [("x" * 300, "file name too long"), ("fleet.yaml/x", "not a directory")]
)
def test_1_a_folder_that_cannot_be_made(
    fleet: Fleet, project: Path, command: str, output: str, reason: str
) -> None:
    ran = fleet(command, "--generated", output)
    assert ran.code == 1
    assert ran.err == f"error: cannot write to '{output}': {reason}; choose another folder with --generated\n"


@pytest.mark.parametrize("file", ["gone/fleet.yaml", "fleet.yaml/fleet.yaml"])
def test_1_a_configuration_in_no_folder(fleet: Fleet, project: Path, file: str) -> None:
    ran = fleet("build", "-f", file)
    assert ran.code == 1
    assert ran.err.startswith(f"error[F001]: '{file}' does not exist")


@pytest.mark.parametrize("command", ["build", "lock", "serve", "status"])
def test_1_a_folder_that_was_removed(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    ran = fleet(command)
    monkeypatch.chdir(tmp_path)
    assert (ran.code, ran.err) == (1, "error: the current folder no longer exists: change to another one\n")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("mode", [0o300, 0o000])
def test_a_folder_that_may_not_be_read(fleet: Fleet, project: Path, mode: int) -> None:
    """What may be written and not listed is written to; all else is one error."""
    project.chmod(mode)
    ran = fleet("build", "--frozen", "-f", "fleet.yaml")
    project.chmod(0o700)
    assert ran.code == (0 if mode else 1)
    assert "Traceback" not in ran.err


@pytest.mark.parametrize("option", ["--at", "--from-gateway"])
@pytest.mark.parametrize("address", ["127.0.0.1:99999", "[::1", "a..b", "h" * 64])
def test_2_an_address_that_cannot_exist(fleet: Fleet, project: Path, option: str, address: str) -> None:
    write(project, one("http://127.0.0.1:9"))
    ran = fleet("lock", "desk", option, f"http://{address}")
    assert ran.code == 2
    assert ran.err.startswith(f"error: cannot probe 'http://{address}': ")


def test_1_a_damaged_lock(fleet: Fleet, project: Path) -> None:
    (project / "fleet.lock").write_text("{\n")
    ran = fleet("build")
    assert ran.code == 1
    assert "error[F301]: 'fleet.lock' is not JSON" in ran.err


def test_2_a_missing_argument_is_named_on_one_line(fleet: Fleet) -> None:
    ran = fleet("completion")
    assert ran.code == 2
    assert ran.err.endswith("error: missing argument '{bash|zsh|fish}'. Choose from: bash, zsh, fish\n")


def test_2_no_configuration_anywhere(fleet: Fleet) -> None:
    ran = fleet("build")
    assert ran.code == 2
    assert ran.err.startswith("error: no fleet.yaml in this folder or one above it")


def test_2_a_configuration_with_the_other_ending(fleet: Fleet, tmp_path: Path) -> None:
    (tmp_path / "fleet.yml").touch()
    ran = fleet("build")
    assert ran.code == 2
    assert "but a 'fleet.yml': rename it to fleet.yaml, or name it with -f fleet.yml\n" in ran.err


def test_1_a_configuration_that_is_a_link_to_nowhere(fleet: Fleet, tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").symlink_to("gone.yaml")
    ran = fleet("build")
    assert ran.code == 1
    assert "'fleet.yaml' is a link to 'gone.yaml', which does not exist" in ran.err


@pytest.mark.parametrize("long", ["A" * 100_000, "a b " * 25_000])
@pytest.mark.parametrize(
    "arguments",
    [
        ["add", "@", "http://127.0.0.1:1"],
        ["add", "x", "@"],
        ["rename", "@", "b"],
        ["rename", "desk", "@"],
        ["explain", "@"],
        ["lock", "@"],
        ["schema", "@"],
        ["run", "@"],
        ["env", "@"],
        ["completion", "@"],
        ["validate", "-f", "@"],
        ["build", "--generated", "@"],
        ["@"],
    ],
    ids=" ".join,
)
def test_no_message_repeats_a_very_long_argument(
    fleet: Fleet, project: Path, arguments: list[str], long: str
) -> None:
    ran = fleet(*(long if word == "@" else word for word in arguments))
    assert ran.code in (1, 2)
    assert "error" in ran.err
    assert len(ran.out + ran.err) < 5_000


def test_3_generated_files_that_are_out_of_date(fleet: Fleet, project: Path) -> None:
    ran = fleet("build", "--check")
    assert ran.code == 3
    assert "run `fleet build`" in ran.err


def test_4_a_provider_that_had_to_respond_and_did_not(fleet: Fleet, tmp_path: Path) -> None:
    with SimulationThread([ServerSpec("desk", models=(SimulatedModel("m"),))]) as machines:
        write(tmp_path, one(machines.url("desk")))
        assert fleet("lock", "desk").code == 0
        machines.set("desk", offline=True)
        named, every, live = fleet("lock", "desk"), fleet("lock"), fleet("validate", "--live")
    assert (named.code, every.code, live.code) == (4, 4, 4)
    assert named.err.endswith("error: no model list from 'desk': connection refused\n")
    assert every.err.endswith("error: 0 of 1 provider responded: fleet.lock is unchanged\n")


def test_70_a_bug_of_ours_is_said_to_be_one(
    fleet: Fleet, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(pipeline, "resolve_fleet", broken)
    ran = fleet("build")
    assert ran.code == 70
    assert "Traceback" in ran.err
    assert ran.err.endswith("error: this is a bug in fleet: please report it with the lines above\n")


def test_130_ctrl_c(tmp_path: Path) -> None:
    """Interrupted while it waits for a provider that never answers."""
    with SimulationThread([ServerSpec("desk")]) as machines:
        machines.set("desk", hang=True)
        write(tmp_path, one(machines.url("desk")))
        process = subprocess.Popen(
            [sys.executable, "-m", "fleet_compiler", "lock"],
            cwd=tmp_path,
            stderr=subprocess.PIPE,
            text=True,
        )
        machines.until("desk", lambda machine: bool(machine.records))
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert not (tmp_path / "fleet.lock").exists()


def test_a_reader_that_has_seen_enough_is_no_error(project: Path) -> None:
    """`fleet schema | head -1`, with a pipe that is closed before anything is written."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "fleet_compiler", "schema"]
    ran = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, cwd=project)
    os.close(writing)
    assert (ran.returncode, ran.stderr) == (0, b"")
