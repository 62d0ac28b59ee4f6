"""Running the fleet command in this process, as a user would."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest

from fleet_compiler.cli import main
from tests.support.favorites_fleet import own_stack, shared_stack, stack

__all__ = ["own_stack", "shared_stack", "stack"]


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended, and what it said where."""

    code: int
    out: str
    err: str


Fleet = Callable[..., Ran]

DESK = "http://127.0.0.1:9"

ONE_MACHINE = f"""
version: 1
default_provider: desk
providers:
  desk: {{url: "{DESK}", models: [qwen3-8b, qwen3-4b], poll: false}}
roles: {{default: desk/qwen3-8b}}
surfaces: {{chat: , code: {{client: opencode}}}}
"""


def one(url: str) -> str:
    """A fleet of the one provider at `url`."""
    return f"version: 1\ndefault_provider: desk\nproviders: {{desk: '{url}'}}\n"


def write(folder: Path, yaml: str) -> Path:
    """fleet.yaml in `folder`."""
    path = folder / "fleet.yaml"
    path.write_text(dedent(yaml).lstrip(), encoding="utf-8")
    return path


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Fleet:
    """Runs ``fleet`` with arguments, in the test's own folder and with no colours wanted or forbidden."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)

    def run(*arguments: str) -> Ran:
        monkeypatch.setattr(sys, "argv", ["fleet", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capfd.readouterr()
        assert isinstance(ended.value.code, int)
        return Ran(ended.value.code, said.out, said.err)

    return run


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a valid fleet.yaml of one provider that is never contacted."""
    write(tmp_path, ONE_MACHINE)
    return tmp_path
