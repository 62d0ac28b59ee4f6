"""Named pipes in the place of files that commands read: an error that says so, and nobody waits."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fleet_runtime.targets import default_file
from tests.cli.conftest import Fleet
from tests.support.ports import free_port

PIPE = "is a named pipe, not a regular file"


@pytest.mark.parametrize(
    "command",
    [
        ["status"],
        ["env", "opencode"],
        ["run", "opencode"],
        ["connect"],
        ["connect", "opencode"],
        ["resolve", "desk/qwen3-8b"],
        ["favorites", "list"],
    ],
)
def test_one_in_generated_is_named(fleet: Fleet, project: Path, command: list[str]) -> None:
    fleet("build")
    (project / "generated" / "gateway.json").unlink()
    os.mkfifo(project / "generated" / "gateway.json")
    ran = fleet(*command)
    assert ran.code in (1, 2, 3)
    assert PIPE in ran.err


@pytest.mark.parametrize("name", ["opencode.json", "manifest.json"])
def test_one_in_the_place_of_a_clients_file_or_the_manifest_is_not_waited_for(
    fleet: Fleet, project: Path, name: str
) -> None:
    with (project / "fleet.yaml").open("a") as config:
        config.write(f'gateway: {{listen: "127.0.0.1:{free_port()}"}}\n')
    fleet("build")
    (project / "generated" / name).unlink()
    os.mkfifo(project / "generated" / name)
    assert fleet("doctor", "--json").code == 4
    ran = fleet("env", "opencode") if name == "opencode.json" else fleet("resolve", "desk/qwen3-8b")
    assert PIPE in ran.err


def test_one_in_the_place_of_the_users_default_is_named(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    default_file().parent.mkdir()
    os.mkfifo(default_file())
    ran = fleet("use")
    assert (ran.code, ran.err) == (2, f"error: '{default_file()}' {PIPE}\n")


def test_one_of_favorites_is_named(fleet: Fleet, project: Path) -> None:
    os.mkfifo(project / "pipe")
    assert PIPE in fleet("favorites", "import", "pipe", "--url", "http://127.0.0.1:9").err
    assert PIPE in fleet("favorites", "import", "--from-opencode", "pipe", "--url", "http://127.0.0.1:9").err
