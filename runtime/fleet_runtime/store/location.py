"""Find the state file, and copy the one of an earlier location.

The state of a fleet outlives its checkout: it is kept in the user's state folder, under the path of the
folder of fleet.yaml. The path is not resolved, so that all releases behind a symbolic link share the same
state.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from fleet_runtime.files import MAX_KEY, read_file, resolve_path
from fleet_runtime.store.rescue import open_read_only
from fleet_runtime.store.schema import STATE_ERRORS
from fleet_runtime.user_folders import NoHomeError, state_folder

FILE = "state.db"
OWNER = "folder"
"""A file next to a state file: the path of the folder of fleet.yaml."""

log = logging.getLogger("fleet.store")


def state_path(state: str | None, root: Path, environ: Mapping[str, str]) -> Path:
    """Return the path of the state file of the fleet whose fleet.yaml is in `root`.

    It is that of fleet.yaml, relative to `root`; else in the folder that systemd gives, the first of
    ``$STATE_DIRECTORY``; else in the user's state folder; if that cannot be written, ``.fleet/state.db``.
    """
    if state is not None:
        return resolve_path(root, state)
    given = environ.get("STATE_DIRECTORY", "").partition(":")[0]
    if given:
        return Path(given, FILE)
    folder = user_folder(root, environ)
    return (folder if folder is not None and _is_writable(folder) else root / ".fleet") / FILE


def user_folder(root: Path, environ: Mapping[str, str]) -> Path | None:
    """Return the folder in the user's state folder that belongs to `root`, whether it exists or not.

    None for a user without a home folder.
    """
    path = given_path(root, environ)
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
    try:
        return state_folder() / f"{path.name or 'root'}-{digest}"
    except NoHomeError:
        return None


def given_path(root: Path, environ: Mapping[str, str]) -> Path:
    """Return `root` as an absolute path with its links, and the current folder as named by the shell."""
    shown = Path(environ.get("PWD", ""))
    try:
        here = shown if shown.is_absolute() and shown.samefile(".") else Path.cwd()
    except OSError:
        here = Path.cwd()
    return Path(os.path.normpath(here / root))


def claim_state(state: str | None, root: Path, environ: Mapping[str, str]) -> Path:
    """Return `state_path`, having copied the file of an earlier version there if there is none yet.

    Never raises; the store reports write errors when it opens the file.
    """
    path = state_path(state, root, environ)
    earlier = root / ".fleet" / FILE
    with contextlib.suppress(OSError):
        if state is None and path == earlier:
            _ignore_in_git(path.parent)
        elif state is None:
            if earlier.is_file() and not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                copy_state(earlier, path)
                log.warning("copied the state to '%s'; '%s' is not used any more", path, earlier)
            if path.parent == user_folder(root, environ):
                path.parent.mkdir(parents=True, exist_ok=True)
                (path.parent / OWNER).write_bytes(os.fsencode(given_path(root, environ)) + b"\n")
    return path


@dataclass(frozen=True, slots=True)
class OtherState:
    """The state of a fleet whose folder has no fleet.yaml any more; `folder` is that folder."""

    path: Path
    folder: Path


def abandoned_states() -> Iterator[OtherState]:
    """Yield the states in the user's state folder whose fleet was moved or removed, the latest first."""
    try:
        found = state_folder().glob(f"*/{FILE}")
    except NoHomeError:
        return
    for path in sorted(found, key=_age):
        with contextlib.suppress(OSError, ValueError):
            folder = Path(os.fsdecode(read_file(path.parent / OWNER, MAX_KEY).removesuffix(b"\n")))
            if not (folder / "fleet.yaml").exists() and not (folder / "generated").exists():
                yield OtherState(path, folder)


def copy_state(source: Path, target: Path) -> None:
    """Copy a state file, which may be open elsewhere, unless `target` exists by then.

    The copy is a separate list with a new `run`. Raises OSError.
    """
    unfinished = target.with_name(f"{target.name}.unfinished-{os.getpid()}")
    try:
        try:
            with open_read_only(source) as old, contextlib.closing(sqlite3.connect(unfinished)) as new:
                old.backup(new)
                with contextlib.suppress(*STATE_ERRORS), new:
                    new.execute("UPDATE favorite_list SET run = lower(hex(randomblob(6)))")
        except STATE_ERRORS:
            shutil.copyfile(source, unfinished)
        with contextlib.suppress(FileExistsError):
            os.link(unfinished, target)
    finally:
        unfinished.unlink(missing_ok=True)


def _is_writable(folder: Path) -> bool:
    """Return whether the folder, or its nearest existing parent, is writable."""
    if not folder.is_absolute():
        return False
    existing = next((each for each in (folder, *folder.parents) if each.exists()), folder)
    return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)


def _ignore_in_git(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    with contextlib.suppress(FileExistsError), (folder / ".gitignore").open("x") as file:
        file.write("*\n")


def _age(path: Path) -> float:
    try:
        return -path.stat().st_mtime
    except OSError:
        return 0.0
