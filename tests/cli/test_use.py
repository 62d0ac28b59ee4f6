"""`fleet use`: one fleet or gateway for every folder, and the order in which commands look for one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet_runtime.simulator import ServerSpec, SimulatedModel, SimulationThread
from fleet_runtime.targets import default_file
from tests.cli.conftest import Fleet
from tests.support.ports import free_port
from tests.support.stack import Stack, running_stack


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    def fleet_yaml(machines: SimulationThread, listen: str) -> str:
        return (
            f'version: 1\ndefault_provider: box\nproviders: {{box: "{machines.url("box")}"}}\n'
            f'gateway: {{listen: "{listen}"}}\n'
        )

    specs = (ServerSpec("box", models=(SimulatedModel("qwen3-8b"), SimulatedModel("qwen3-4b"))),)
    with running_stack(tmp_path_factory.mktemp("use"), specs, fleet_yaml, online=("box",)) as stack:
        yield stack


@pytest.fixture(autouse=True)
def nothing_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.mark.parametrize("chosen", ["gateway", "folder", "file"])
def test_a_chosen_fleet_is_used_in_any_folder(running: Stack, fleet: Fleet, chosen: str) -> None:
    names = {"gateway": running.url, "folder": running.folder, "file": running.folder / "fleet.yaml"}
    assert fleet("use", str(names[chosen])).code == 0
    assert "online" in fleet("status").out
    assert "box/qwen3-8b" in fleet("models").out
    assert fleet("doctor").code in (0, 1)
    assert "box/qwen3-4b" in fleet("favorites", "add", "box/qwen3-4b").out
    assert fleet("ask", "box/qwen3-8b", "hi").code == 0
    assert fleet("validate").code == (2 if chosen == "gateway" else 0)


def test_a_folder_without_fleet_yaml_is_left_as_it_is(running: Stack, fleet: Fleet, tmp_path: Path) -> None:
    assert fleet("use", running.url).code == 0
    for command in (["status"], ["models", "--json"], ["favorites", "list"], ["doctor", "--json"]):
        fleet(*command)
    assert [path.name for path in tmp_path.iterdir()] == ["config"]
    assert default_file().stat().st_mode & 0o777 == 0o600


def test_what_is_nearer_decides_and_is_shown(
    fleet: Fleet, tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "fleet.yaml").write_text((project / "fleet.yaml").read_text())

    def in_force() -> tuple[tuple[str | None, str], tuple[str, str]]:
        found = json.loads(fleet("use", "--json").out)
        gateway, config = found["gateway"], found["config"]
        return (gateway["url"], gateway["source"]), (config["path"], config["source"])

    fleet("use", str(elsewhere))
    here = (str(project / "fleet.yaml"), "nearest fleet.yaml")
    assert in_force() == ((None, "nearest fleet.yaml"), here)
    fleet("build")
    assert in_force() == (("http://127.0.0.1:8400", "nearest fleet.yaml"), here)
    monkeypatch.setenv("FLEET_CONFIG", "elsewhere/fleet.yaml")
    assert in_force()[1] == ("elsewhere/fleet.yaml", "$FLEET_CONFIG")
    monkeypatch.setenv("FLEET_URL", "http://u:SECRET@127.0.0.1:9")
    assert in_force()[0] == ("http://***@127.0.0.1:9", "$FLEET_URL")
    monkeypatch.undo()


def test_nothing_and_a_forgotten_choice_look_alike(fleet: Fleet, project: Path, tmp_path: Path) -> None:
    (project / "fleet.yaml").rename(tmp_path / "other.yaml")
    before = fleet("use").out
    assert before.splitlines() == [
        "gateway     none: name one with --url or `fleet use URL`",
        "fleet.yaml  none: make one with `fleet init`",
        "default     none",
    ]
    assert "other.yaml  (fleet use)" in fleet("use", "other.yaml").out
    assert fleet("use", "--forget").out == before
    assert fleet("use", "--forget").code == 0


def test_a_gateway_that_does_not_respond_is_chosen_with_a_warning(fleet: Fleet) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    ran = fleet("use", url)
    assert (ran.code, ran.err) == (0, f"warning: '{url}' does not respond (connection refused)\n")


def test_a_server_that_is_not_a_gateway_is_chosen_with_a_warning(running: Stack, fleet: Fleet) -> None:
    assert "is not a" in fleet("use", running.machines.url("box")).err


def test_what_cannot_be_used_is_one_line(fleet: Fleet, tmp_path: Path) -> None:
    missing = "error: no 'gone': name a fleet.yaml, its folder, or the URL of a gateway\n"
    assert fleet("use", "gone").err.endswith(missing)
    assert fleet("use", "attic.lan:8400").err.endswith(
        "error: no 'attic.lan:8400': write http://attic.lan:8400\n"
    )
    assert "is not the URL of a gateway" in fleet("use", "ftp://x").err
    assert fleet("use", "x", "--forget").code == 2
    kept = tmp_path / "fleet.yaml"
    kept.write_text("version: 1\n")
    fleet("use", "fleet.yaml")
    kept.unlink()
    gone = fleet("validate")
    assert (gone.code, gone.err) == (
        2,
        f"error: '{kept}', the default set by `fleet use`, does not exist: set another one, or "
        "remove it with `fleet use --forget`\n",
    )
    default_file().write_text("{")
    damaged = fleet("status")
    assert damaged.code == 2
    assert damaged.err.endswith("was not written by `fleet use`: remove it with `fleet use --forget`\n")
