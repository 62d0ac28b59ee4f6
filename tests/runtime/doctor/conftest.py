"""Running `fleet doctor` as a person does, on a computer of its own: a home, a PATH, a fleet."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.fleet_process import run_fleet

CLEAN = ("FLEET_KEY", "OPENCODE_CONFIG", "NO_COLOR", "FORCE_COLOR")


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What one run came to; `findings` as ``--json`` has them."""

    code: int
    findings: list[dict[str, str]]

    def of(self, where: str) -> list[tuple[str, str]]:
        """Severity and text of what was found about one thing."""
        return [(each["severity"], each["what"]) for each in self.findings if each["where"] == where]


@dataclass(frozen=True, slots=True)
class Computer:
    """`home` is its home; `programs` comes first on its PATH."""

    home: Path
    programs: Path

    def environment(self, **more: str) -> dict[str, str]:
        blank = dict.fromkeys((*CLEAN, "XDG_CONFIG_HOME"), "")
        return blank | {"HOME": str(self.home), "PATH": f"{self.programs}:/usr/bin:/bin"} | more

    def install_opencode(self) -> None:
        program = self.programs / "opencode"
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)

    def configure_opencode(self, text: str, name: str = "opencode.json") -> Path:
        file = self.home / ".config" / "opencode" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    def run(self, folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        return run_fleet("doctor", *arguments, cwd=folder, env=self.environment(**more))

    def diagnose(self, folder: Path, *arguments: str, **more: str) -> Diagnosis:
        ran = self.run(folder, "--json", *arguments, **more)
        assert "Traceback" not in ran.stderr, ran.stderr
        findings: list[dict[str, str]] = json.loads(ran.stdout)["findings"] if ran.stdout else []
        assert all("`" in finding["remedy"] for finding in findings), findings
        return Diagnosis(ran.returncode, findings)


@pytest.fixture(scope="session")
def new_computer(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Computer]:
    def make() -> Computer:
        folder = tmp_path_factory.mktemp("computer")
        computer = Computer(folder / "home", folder / "bin")
        computer.home.mkdir()
        computer.programs.mkdir()
        return computer

    return make


@pytest.fixture
def computer(new_computer: Callable[[], Computer]) -> Computer:
    """A computer without opencode."""
    return new_computer()


def listing(*models: Mapping[str, Any]) -> str:
    """A list of models as vLLM answers it."""
    items = [{"object": "model", "owned_by": "vllm", **model} for model in models]
    return json.dumps({"object": "list", "data": items})
