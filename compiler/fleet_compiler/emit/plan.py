"""Plan and write the generated folder, without ever leaving a mix of old and new files.

All files are written to temporary files and flushed before the first one is renamed, and the manifest is
renamed last. A build that fails changes nothing, and the next build repairs one that was killed.

Nothing outside the folder is changed: links below it are not followed, a link or device in place of a
file is replaced, and only regular files whose hash is in the last manifest are removed.
"""

from __future__ import annotations

import difflib
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import ValidationError

from fleet_compiler.diagnostics.errors import OutputError
from fleet_compiler.files import (
    MIXED,
    discard_staged,
    os_reason,
    path_problem,
    replace_staged,
    stage_files,
)
from fleet_runtime.artifacts.contract import Manifest
from fleet_runtime.artifacts.hashes import sha256_hex
from fleet_runtime.files import MAX_ARTIFACT, UnreadableFileError, read_file

MANIFEST = "manifest.json"

ChangeKind = Literal["add", "change", "remove", "same"]


@dataclass(frozen=True, slots=True)
class Change:
    """The change of one file. `foreign`: the existing file was not written by the last build."""

    path: str
    kind: ChangeKind
    before: bytes | None
    after: bytes | None
    foreign: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """The changes of a build in `folder`, sorted by path, the manifest last.

    `kept` are files of the last build that are no longer generated but were changed since.
    """

    folder: Path
    changes: tuple[Change, ...]
    kept: tuple[str, ...] = ()

    @property
    def pending(self) -> tuple[Change, ...]:
        return tuple(change for change in self.changes if change.kind != "same")

    @property
    def foreign(self) -> tuple[Change, ...]:
        """Return the files to replace that were not written by a build."""
        return tuple(change for change in self.pending if change.foreign)


def plan_outputs(folder: Path, files: Mapping[str, bytes]) -> Plan:
    """Compare `files` (path inside `folder` -> content, manifest included) with the existing files.

    Raises `OutputError` if they cannot be written inside `folder`.
    """
    if _is_no_folder(folder):
        raise OutputError(f"'{folder}' is not a folder: move it away, or choose another with --generated")
    owned = _owned(folder)
    changes, kept = [], []
    for path in sorted(files.keys() | owned.keys(), key=lambda path: (path == MANIFEST, path)):
        after, link = files.get(path), _link_above(folder, path)
        if link is not None and after is not None:
            raise OutputError(f"'{link}' is a link, and a build never writes through one: delete it")
        before = _content(folder / path) if link is None else None
        written = before is not None and (path == MANIFEST or owned.get(path) == sha256_hex(before))
        if after is not None:
            foreign = not written and os.path.lexists(folder / path)
            changes.append(Change(path, _kind(before, after), before, after, foreign))
        elif written:
            changes.append(Change(path, "remove", before, after))
        elif before is not None:
            kept.append(path)
    return Plan(folder, tuple(changes), tuple(kept))


def write_outputs(plan: Plan, together: Iterable[tuple[Path, bytes]] = ()) -> None:
    """Carry out `plan`, and write other files `together` with it.

    Raises `OutputError` with the old files intact.
    """
    writes = [
        (plan.folder / change.path, change.after) for change in plan.pending if change.after is not None
    ]
    removed = [plan.folder / change.path for change in plan.pending if change.kind == "remove"]
    staged = stage_files([*together, *writes])
    manifest = plan.folder / MANIFEST
    replace_staged({target: temporary for target, temporary in staged.items() if target != manifest})
    for path in removed:
        try:
            _remove(path, plan.folder)
        except OSError as error:
            discard_staged(staged)
            raise OutputError(f"cannot remove '{error.filename}': {os_reason(error)}; {MIXED}") from error
    replace_staged({target: temporary for target, temporary in staged.items() if target == manifest})


def diff(plan: Plan) -> Iterator[str]:
    """Yield the lines of the plan as a unified diff, without line ends."""
    for change in plan.pending:
        old = f"a/{change.path}" if change.before is not None else "/dev/null"
        new = f"b/{change.path}" if change.after is not None else "/dev/null"
        yield from difflib.unified_diff(_lines(change.before), _lines(change.after), old, new, lineterm="")


def line_counts(change: Change) -> tuple[int, int]:
    """Return how many lines a change adds and removes."""
    matcher = difflib.SequenceMatcher(None, _lines(change.before), _lines(change.after), autojunk=False)
    added = removed = 0
    for tag, old_from, old_to, new_from, new_to in matcher.get_opcodes():
        if tag != "equal":
            removed += old_to - old_from
            added += new_to - new_from
    return added, removed


def _owned(folder: Path) -> dict[str, str]:
    """Return the files of the last build with their hashes; none if its manifest cannot be read."""
    content = _content(folder / MANIFEST)
    if content is None:
        return {}
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError:
        return {}
    inside = {path: sha256 for path, sha256 in manifest.files.items() if path_problem(path) is None}
    return inside | {MANIFEST: sha256_hex(content)}


def _link_above(folder: Path, path: str) -> Path | None:
    """Return the first link among the folders between `folder` and the file at `path`."""
    above = [folder.joinpath(*PurePosixPath(path).parts[:depth]) for depth in range(1, path.count("/") + 1)]
    return next((part for part in above if part.is_symlink()), None)


def _is_no_folder(path: Path) -> bool:
    """Return whether `path` exists and is not a folder."""
    try:
        return not stat.S_ISDIR(path.stat().st_mode)
    except FileNotFoundError:
        return False
    except (OSError, ValueError) as error:
        reason = os_reason(error) if isinstance(error, OSError) else "no folder can have that name"
        raise OutputError(
            f"cannot write to '{path}': {reason}; choose another folder with --generated"
        ) from None


def _content(path: Path) -> bytes | None:
    """Return the content of a regular file; None if there is none, or for a link or device, which is
    replaced."""
    try:
        return None if path.is_symlink() else read_file(path, MAX_ARTIFACT)
    except (FileNotFoundError, NotADirectoryError, UnreadableFileError):
        return None
    except OSError as error:
        raise OutputError(f"cannot read '{path}': {os_reason(error)}") from error


def _kind(before: bytes | None, after: bytes) -> ChangeKind:
    return "add" if before is None else "same" if before == after else "change"


def _remove(path: Path, folder: Path) -> None:
    """Remove a file, and then empty folders inside `folder`."""
    path.unlink(missing_ok=True)
    for parent in path.parents:
        if parent == folder or any(parent.iterdir()):
            return
        parent.rmdir()


def _lines(content: bytes | None) -> list[str]:
    return (content or b"").decode("utf-8", "replace").splitlines()
