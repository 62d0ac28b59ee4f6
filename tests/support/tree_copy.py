"""A copy of the working tree in which a test may edit the sources and run them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.support.paths import ROOT

PARTS = (
    "compiler",
    "runtime",
    "docs",
    "schema",
    "templates",
    "tests",
    "fleet.yaml",
    "fleet.lock",
    "generated",
    "pyproject.toml",
)
SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class TreeCopy:
    folder: Path

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace the only `old` in a source."""
        path = self.folder / file
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, (file, old)
        path.write_text(text.replace(old, new), encoding="utf-8")

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Python on the copy's own packages, in the copy.

        It writes no compiled modules: one of a source edited twice in a second might be of the first edit."""
        paths = (self.folder / "compiler", self.folder / "runtime", self.folder)
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )


def copy_tree(folder: Path) -> TreeCopy:
    ignore = shutil.ignore_patterns(
        "*.pyc.*", ".cache", "node_modules"
    )  # not a module that is being compiled
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=ignore)
        elif source.exists():
            shutil.copy(source, folder / part)
    return TreeCopy(folder)
