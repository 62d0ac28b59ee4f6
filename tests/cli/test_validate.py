"""``fleet validate``."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet_runtime.simulator import ServerSpec, SimulatedModel, SimulationThread
from tests.cli.conftest import ONE_MACHINE, Fleet, write

WRONG = ONE_MACHINE.replace("default_provider: desk", "default_provider: dexk")
DOUBTFUL = ONE_MACHINE.replace("default: desk/qwen3-8b", "default: desk/qwen9")


@pytest.fixture(scope="module")
def machines() -> Iterator[SimulationThread]:
    with SimulationThread([ServerSpec("desk", models=(SimulatedModel("a"), SimulatedModel("b")))]) as running:
        yield running


def live(machines: SimulationThread) -> str:
    return f"""
    version: 1
    default_provider: desk
    providers:
      desk: {machines.url("desk")}
    roles: {{default: desk/a}}
    """


def test_a_valid_file_is_summed_up(fleet: Fleet, project: Path) -> None:
    ran = fleet("validate")
    assert (ran.code, ran.out, ran.err) == (0, "fleet.yaml is valid: 1 provider, 2 surfaces\n", "")


def test_an_error_points_at_its_place(fleet: Fleet, tmp_path: Path) -> None:
    write(tmp_path, WRONG)
    ran = fleet("validate")
    assert (ran.code, ran.out) == (1, "")
    assert "error[F201]" in ran.err
    assert "--> fleet.yaml:2:19" in ran.err
    assert "did you mean 'desk'" in ran.err


def test_warnings_are_shown_and_are_errors_only_if_strict(fleet: Fleet, tmp_path: Path) -> None:
    write(tmp_path, DOUBTFUL)
    ran = fleet("validate")
    assert (ran.code, ran.out) == (0, "fleet.yaml is valid: 1 provider, 2 surfaces, 1 warning\n")
    assert "warning[F302]" in ran.err
    strict = fleet("validate", "--strict")
    assert (strict.code, strict.out) == (1, "")
    assert "error[F302]" in strict.err


def test_a_file_may_be_named_once(fleet: Fleet, project: Path) -> None:
    assert fleet("validate", "fleet.yaml").code == 0
    assert fleet("validate", "-f", "fleet.yaml").code == 0
    assert fleet("validate", "fleet.yaml", "-f", "fleet.yaml").code == 2


@pytest.mark.parametrize(("text", "code"), [(ONE_MACHINE, 0), (WRONG, 1), ("", 1)])
def test_a_piped_file(fleet: Fleet, monkeypatch: pytest.MonkeyPatch, text: str, code: int) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.lstrip().encode())))
    ran = fleet("validate", "-")
    assert ran.code == code
    assert "<stdin>" in ran.out + ran.err


def test_a_piped_file_has_no_providers_to_ask(fleet: Fleet) -> None:
    assert fleet("validate", "-", "--live").code == 2


def test_json_is_the_product_and_nothing_else_is_said(fleet: Fleet, tmp_path: Path) -> None:
    write(tmp_path, WRONG)
    ran = fleet("validate", "--format", "json")
    assert (ran.code, ran.err) == (1, "")
    assert "F201" in json.dumps(json.loads(ran.out))
    write(tmp_path, ONE_MACHINE)
    ran = fleet("validate", "--format", "json")
    assert (ran.code, ran.err) == (0, "")
    json.loads(ran.out)


def test_github_and_sarif_name_the_code_and_the_line(fleet: Fleet, tmp_path: Path) -> None:
    write(tmp_path, WRONG)
    github = fleet("validate", "--format", "github").out
    assert github.startswith("::error ")
    assert "line=2" in github
    sarif = json.loads(fleet("validate", "--format", "sarif").out)
    assert sarif["runs"][0]["results"][0]["ruleId"] == "F201"


def test_colours_are_for_terminals_and_for_who_wants_them(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, WRONG)
    assert "\x1b[" not in fleet("validate").err
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in fleet("validate").err
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in fleet("validate").err


def test_live_finds_nothing_where_the_lock_is_right(
    fleet: Fleet, tmp_path: Path, machines: SimulationThread
) -> None:
    write(tmp_path, live(machines))
    fleet("lock")
    ran = fleet("validate", "--live")
    assert (ran.code, ran.err) == (0, "")


def test_live_finds_drifted_roles_and_lock(fleet: Fleet, tmp_path: Path, machines: SimulationThread) -> None:
    """The provider serves another list than fleet.lock says."""
    write(tmp_path, live(machines))
    fleet("lock")
    lock = (tmp_path / "fleet.lock").read_bytes()
    machines.set("desk", list_body='{"data": [{"id": "b"}, {"id": "c"}, {"id": ".."}]}')
    try:
        ran = fleet("validate", "--live")
        assert ran.code == 0
        assert "warning[F302]: role 'default': provider 'desk' has no model 'a'" in ran.err
        assert "warning[F306]: provider 'desk': " in ran.err
        assert "warning[F307]: fleet.lock differs from provider 'desk': " in ran.err
        assert fleet("validate", "--live", "--strict").code == 1
    finally:
        machines.reset("desk")
    assert (tmp_path / "fleet.lock").read_bytes() == lock


def test_live_reports_how_many_providers_responded(fleet: Fleet, tmp_path: Path) -> None:
    with SimulationThread([ServerSpec("desk", models=(SimulatedModel("a"),))]) as machines:
        write(tmp_path, live(machines))
        fleet("lock")
        machines.set("desk", offline=True)
        ran = fleet("validate", "--live")
    assert ran.code == 4
    assert (
        ran.out
        == "fleet.yaml is valid: 1 provider, 0 surfaces, 1 warning, but only 0 of 1 provider responded\n"
    )
    assert "warning[F303]" in ran.err
