"""The processes of the tests' fork server are like those that an interpreter runs from its start."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import write
from tests.support.fleet_process import FLEET, fleet_running, run_fleet
from tests.support.waiting import eventually

COMMANDS = (
    ("--version",),
    ("resolve", "qwen3"),
    ("config", "--json"),
    ("env", "opencode", "--surface", "nothing"),
    ("bulid",),
    ("build", "--check"),
    ("status", "--url", "http://127.0.0.1:9"),
)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_command_prints_and_ends_alike(command: tuple[str, ...], project: Path) -> None:
    environ = {"FLEET_KEY": "of-a-test", "COLUMNS": "70"}
    begun = subprocess.run(
        [*FLEET, *command], cwd=project, env={**os.environ, **environ}, capture_output=True, text=True
    )
    forked = run_fleet(*command, cwd=project, env=environ)
    said = (begun.returncode, begun.stdout, begun.stderr)
    assert (forked.returncode, forked.stdout, forked.stderr) == said


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 0), (signal.SIGKILL, -9)])
def test_a_signal_ends_a_gateway_with_the_same_code(number: signal.Signals, code: int, project: Path) -> None:
    assert run_fleet("build", cwd=project).returncode == 0
    log = project / "log"
    with fleet_running("serve", "--listen", "127.0.0.1:0", log=log, cwd=project) as process:
        eventually(lambda: "serving http" in log.read_text(), 20)
        process.send_signal(number)
        assert process.wait(20) == code
        assert (process.poll(), process.returncode) == (code, code)


def test_a_bad_yaml_has_the_same_diagnostics(tmp_path: Path) -> None:
    write(tmp_path, "version: 1\nproviders: {desk: {url: 5}}\n")
    begun = subprocess.run([*FLEET, "validate"], cwd=tmp_path, capture_output=True, text=True)
    forked = run_fleet("validate", cwd=tmp_path)
    assert (forked.returncode, forked.stderr) == (begun.returncode, begun.stderr)
    assert forked.returncode == 1
