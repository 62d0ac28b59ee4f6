"""Commands that change fleet.yaml, killed at every step: nothing is half done, the next run finishes it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fleet_compiler.lock.lockfile import load_lock, save_lock
from fleet_compiler.lock.model import Lock
from tests.cli.conftest import Fleet, write
from tests.support.paths import KILL_COMMANDS
from tests.support.projects import lock_of

BOX, ATTIC = "http://127.0.0.1:9", "http://127.0.0.2:9"
"""Nothing listens there: what is known of the two is in fleet.lock alone."""


@pytest.fixture
def known(fleet: Fleet, tmp_path: Path) -> Path:
    """A built fleet of two providers that are offline."""
    folder = tmp_path / "known"
    folder.mkdir()
    write(
        folder,
        f"""
        version: 1
        default_provider: box   # the desk
        providers:
          # first
          box: {BOX}   # by cable
          # second
          attic: {ATTIC}   # upstairs
        roles: {{default: [box/qwen3-8b, attic/gemma]}}   # first choices
        surfaces: {{chat: , code: {{client: opencode}}}}
        """,
    )
    entries = {"box": lock_of(BOX, "qwen3-8b"), "attic": lock_of(ATTIC, "gemma", kind="ollama")}
    save_lock(folder / "fleet.lock", Lock(providers=entries))
    assert fleet("build", "-f", str(folder / "fleet.yaml")).code == 0
    return folder


def facts(folder: Path) -> set[str]:
    """Every model that fleet.lock knows."""
    return {model for entry in load_lock(folder / "fleet.lock").providers.values() for model in entry.models}


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("add", "shed", "http://127.0.0.3:9", "--yes"), id="add"),
        pytest.param(("move", "box", "http://127.0.0.3:9"), id="move"),
        pytest.param(("rename", "box", "cube"), id="rename"),
        pytest.param(("remove", "attic", "--fix"), id="remove"),
    ],
)
def test_a_killed_change_is_made_or_not_and_the_next_build_finishes_it(
    fleet: Fleet, known: Path, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    copies = tmp_path / "copies"
    copies.mkdir()
    command = [sys.executable, str(KILL_COMMANDS), str(known), str(copies), *arguments]
    killed = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert killed >= 10
    *broken, finished = sorted(copies.iterdir())
    before, after = ((folder / "fleet.yaml").read_bytes() for folder in (known, finished))
    kept = facts(finished)
    assert kept >= facts(known) - ({"gemma"} if arguments[0] == "remove" else set())
    for folder in broken:
        found = (folder / "fleet.yaml").read_bytes()
        assert found in (before, after)
        assert facts(folder) >= kept
        again = arguments if found == before else ("build",)
        assert fleet(*again, "-f", str(folder / "fleet.yaml")).code == 0
        assert contents(folder) == contents(finished)
