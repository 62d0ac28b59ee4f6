"""The repository's generated/ is what its fleet.yaml compiles to."""

from __future__ import annotations

from pathlib import Path

from tests.support.fleet_process import run_fleet

ROOT = Path(__file__).parents[2]


def test_the_committed_files_are_current() -> None:
    checked = run_fleet("build", "--check", "-f", str(ROOT / "fleet.yaml"), cwd=ROOT)
    assert checked.returncode == 0, checked.stderr
