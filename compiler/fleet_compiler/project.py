"""The locations of a fleet's files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Project:
    """fleet.yaml at `config`, fleet.lock next to it, and the folder of generated files."""

    config: Path
    generated: Path

    @property
    def folder(self) -> Path:
        return self.config.parent

    @property
    def lock(self) -> Path:
        return self.folder / "fleet.lock"

    @property
    def root(self) -> str:
        """Return the path from the generated folder to fleet.yaml's, as in gateway.json."""
        return Path(os.path.relpath(self.folder.absolute(), self.generated.absolute())).as_posix()


def locate_project(config: Path, generated: Path | None = None) -> Project:
    """Return the project of `config`; generated/ is next to it unless `generated` is another folder."""
    return Project(config, generated if generated is not None else config.parent / "generated")
