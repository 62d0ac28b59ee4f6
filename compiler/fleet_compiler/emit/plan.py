"""The generated folder: what would change in it, and changing it without ever leaving a mix behind.

Everything is written beside its place and flushed before the first file is replaced, and the manifest is
replaced last: a build that fails changes nothing, and one that is killed is mended by the next.
"""

from __future__ import annotations

import difflib
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import ValidationError

from fleet_compiler.diagnostics.errors import OutputError
from fleet_compiler.files import MIXED, discard_staged, os_reason, replace_staged, stage_files
from fleet_runtime.artifacts.contract import Manifest, sha256_hex

MANIFEST = "manifest.json"

ChangeKind = Literal["add", "change", "remove", "same"]


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to one file. `foreign`: what stands there was not written by the last build, but by
    hand or by something else."""

    path: str
    kind: ChangeKind
    before: bytes | None
    after: bytes | None
    foreign: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What a build does to `folder`, in the order of paths, the manifest last."""

    folder: Path
    changes: tuple[Change, ...]

    @property
    def pending(self) -> tuple[Change, ...]:
        return tuple(change for change in self.changes if change.kind != "same")

    @property
    def foreign(self) -> tuple[Change, ...]:
        """The files whose present content the build replaces though no build wrote it."""
        return tuple(change for change in self.pending if change.foreign)


def plan_outputs(folder: Path, files: Mapping[str, bytes]) -> Plan:
    """Compare `files` (path inside `folder` -> content, manifest included) with what is there.

    Only files that the last build's manifest lists are ever removed.
    """
    if _is_no_folder(folder):
        raise OutputError(f"'{folder}' is not a folder: move it away, or choose another with --output")
    owned = _owned(folder)
    changes = []
    for path in sorted(files.keys() | owned.keys(), key=lambda path: (path == MANIFEST, path)):
        before, after = _content(folder / path), files.get(path)
        if before is None and after is None:
            continue
        kind = _kind(before, after)
        written = path == MANIFEST or (before is not None and owned.get(path) == sha256_hex(before))
        changes.append(Change(path, kind, before, after, foreign=before is not None and not written))
    return Plan(folder, tuple(changes))


def write_outputs(plan: Plan, beside: Iterable[tuple[Path, bytes]] = ()) -> None:
    """Carry out `plan`, and write the files `beside` the folder with it.

    Raises `OutputError`, with the old files intact, where that cannot be done.
    """
    writes = [
        (plan.folder / change.path, change.after) for change in plan.pending if change.after is not None
    ]
    removed = [plan.folder / change.path for change in plan.pending if change.kind == "remove"]
    staged = stage_files([*beside, *writes])
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
    """The plan as a unified diff, line by line without line ends."""
    for change in plan.pending:
        old = f"a/{change.path}" if change.before is not None else "/dev/null"
        new = f"b/{change.path}" if change.after is not None else "/dev/null"
        yield from difflib.unified_diff(_lines(change.before), _lines(change.after), old, new, lineterm="")


def line_counts(change: Change) -> tuple[int, int]:
    """How many lines a change adds and removes."""
    matcher = difflib.SequenceMatcher(None, _lines(change.before), _lines(change.after), autojunk=False)
    added = removed = 0
    for tag, old_from, old_to, new_from, new_to in matcher.get_opcodes():
        if tag != "equal":
            removed += old_to - old_from
            added += new_to - new_from
    return added, removed


def _owned(folder: Path) -> dict[str, str]:
    """The files of the last build, with their hashes; none where its manifest cannot be read."""
    content = _content(folder / MANIFEST)
    if content is None:
        return {}
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError:
        return {}
    inside = {path: sha256 for path, sha256 in manifest.files.items() if _is_inside(path)}
    return inside | {MANIFEST: sha256_hex(content)}


def _is_inside(path: str) -> bool:
    pure = PurePosixPath(path)
    return bool(path) and "\0" not in path and not pure.is_absolute() and ".." not in pure.parts


def _is_no_folder(path: Path) -> bool:
    """Whether something else than a folder stands at `path`."""
    try:
        return not stat.S_ISDIR(path.stat().st_mode)
    except FileNotFoundError:
        return False
    except (OSError, ValueError) as error:
        reason = os_reason(error) if isinstance(error, OSError) else "no folder can have that name"
        raise OutputError(
            f"cannot write to '{path}': {reason}; choose another folder with --output"
        ) from None


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise OutputError(f"cannot read '{path}': {os_reason(error)}") from error


def _kind(before: bytes | None, after: bytes | None) -> ChangeKind:
    if before == after:
        return "same"
    if before is None:
        return "add"
    return "remove" if after is None else "change"


def _remove(path: Path, folder: Path) -> None:
    """Remove a file, and the folders inside `folder` that are empty without it."""
    path.unlink(missing_ok=True)
    for parent in path.parents:
        if parent == folder or any(parent.iterdir()):
            return
        parent.rmdir()


def _lines(content: bytes | None) -> list[str]:
    return (content or b"").decode("utf-8", "replace").splitlines()
