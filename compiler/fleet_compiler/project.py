"""The locations of a fleet's files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Project:
    """fleet.yaml at `config`, its fleet.lock, and the folder of generated files."""

    config: Path
    generated: Path

    @property
    def folder(self) -> Path:
        return self.config.parent

    @property
    def written_folders(self) -> tuple[Path, ...]:
        """The folders that commands lock before they write: that of fleet.yaml, and those that fleet.yaml and
        its lock are linked into."""
        linked = (Path(os.path.realpath(path)).parent for path in (self.config, self.lock))
        return self.folder, *linked

    @property
    def lock(self) -> Path:
        return lock_path(self.config)

    @property
    def root(self) -> str:
        """Return the path from the generated folder to fleet.yaml's, as in gateway.json."""
        return Path(os.path.relpath(self.folder.absolute(), self.generated.absolute())).as_posix()


def lock_path(config: Path) -> Path:
    """Return the lock of a fleet.yaml, which is next to it: test.lock for a test.yaml, so that several in one
    folder do not overwrite each other's."""
    lock = config.parent / f"{config.stem or 'fleet'}.lock"
    return lock if lock != config else config.with_name(config.name + ".lock")


def locate_project(config: Path, generated: Path | None = None) -> Project:
    """Return the project of `config`; generated/ is next to it unless `generated` is another folder."""
    return Project(config, generated if generated is not None else config.parent / "generated")
