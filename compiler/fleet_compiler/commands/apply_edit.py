"""Apply a change of fleet.yaml: show it, write it, build."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click

from fleet_compiler.commands.build import build_and_report
from fleet_compiler.commands.build_report import build_data
from fleet_compiler.commands.options import file_option, generated_option, json_option
from fleet_compiler.commands.terminal import change, note, say, show_json
from fleet_compiler.diagnostics.errors import OutputError, UsageError
from fleet_compiler.document.read import read_config
from fleet_compiler.edit.changes import Change
from fleet_compiler.edit.edit import Edited, InvalidEditError, edit_fleet
from fleet_compiler.files import write_files
from fleet_compiler.load import Loaded
from fleet_compiler.lock.lockfile import dump_lock, load_lock
from fleet_compiler.lock.model import Lock
from fleet_compiler.pipeline import build as run_build
from fleet_compiler.process_lock import hold_process_lock
from fleet_compiler.project import locate_project

Command = TypeVar("Command", bound=Callable[..., None])

EDIT_EXITS = {
    0: "success",
    1: "the configuration is invalid, or a file cannot be written",
    2: "usage error",
}


def edit_options(command: Command) -> Command:
    """Add ``-f``, ``--dry-run``, ``--no-build``, ``--generated`` and ``--json``; the arguments are `file`,
    `dry_run`, `no_build`, `generated` and `as_json`."""
    command = json_option(generated_option(command))
    command = click.option("--no-build", is_flag=True, help="Only change fleet.yaml; do not build.")(command)
    command = click.option("--dry-run", is_flag=True, help="Show the change without writing it.")(command)
    return file_option(command)


def plan_edit(config: Path, plan: Callable[[Loaded], Iterable[Change]]) -> Edited:
    """Return the changed fleet.yaml, unwritten; raises `ConfigError` and `UsageError`."""
    if str(config) == "-":
        raise UsageError("standard input cannot be changed: name a file with -f FILE")
    name, data = read_config(config)
    try:
        return edit_fleet(name, data, plan)
    except InvalidEditError:
        note(f"nothing was changed: '{name}' would become invalid")
        raise


def show_edit(edited: Edited) -> None:
    """Print the lines that change."""
    for line in edited.diff():
        change(line)


def apply_edit(
    config: Path,
    plan: Callable[[Loaded], Iterable[Change]],
    *,
    dry_run: bool,
    as_json: bool = False,
    show_diff: bool = True,
    change_lock: Callable[[Lock], Lock] = lambda lock: lock,
) -> Edited:
    """Change fleet.yaml and fleet.lock together, one process at a time; print the diff first, and what was
    written, unless `as_json`."""
    project = locate_project(config)
    with hold_process_lock(
        project.folder, lambda: note(f"waiting for another fleet command in '{project.folder}'")
    ):
        edited = plan_edit(config, plan)
        if show_diff and not as_json:
            show_edit(edited)
        if dry_run:
            note("nothing was written (--dry-run)")
            return edited
        if edited.is_change:
            _write(project.config.resolve(), edited, project.lock, change_lock)
    if not as_json:
        say(f"wrote {config}" if edited.is_change else f"{config} is unchanged")
    return edited


def finish_edit(
    config: Path, generated: Path | None, edited: Edited, *, dry_run: bool, no_build: bool, as_json: bool
) -> None:
    """Build, unless it is not wanted; with `as_json`, print what was done as one JSON object.

    Its `status` is ``written``, ``unchanged`` or ``dry_run``, and `build` is that of ``fleet build --json``.
    """
    builds = not (dry_run or no_build)
    if not as_json:
        if builds:
            build_and_report(locate_project(config, generated), "update")
        return
    status = "unchanged" if not edited.is_change else "dry_run" if dry_run else "written"
    result: dict[str, Any] = {"status": status, "file": str(config), "diff": edited.diff(), "build": None}
    if builds:
        result["build"] = build_data(run_build(locate_project(config, generated), environ=os.environ))
    show_json(result)


def _write(config: Path, edited: Edited, lock_path: Path, change_lock: Callable[[Lock], Lock]) -> None:
    """Write fleet.yaml first: with a former name in it, the next build finds an entry that kept its name."""
    files = [(config, edited.data)]
    lock = load_lock(lock_path)
    if (changed := change_lock(lock)) != lock:
        files.append((lock_path, dump_lock(changed)))
    if read_config(config)[1] != edited.original:
        raise OutputError(
            f"'{config}' was changed by something else meanwhile: nothing was written; try again"
        )
    write_files(files)
