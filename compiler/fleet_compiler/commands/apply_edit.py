"""Apply a change of fleet.yaml: show it, write it, build."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click

from fleet_compiler.commands.build import build_and_report, build_result
from fleet_compiler.commands.build_report import build_command
from fleet_compiler.commands.options import file_option, generated_option, json_option
from fleet_compiler.commands.terminal import change, note, say, show_failure, show_json
from fleet_compiler.diagnostics.errors import FleetError, OutputError, UsageError
from fleet_compiler.document.read import read_config
from fleet_compiler.edit.changes import Change
from fleet_compiler.edit.edit import Edited, InvalidEditError, edit_fleet
from fleet_compiler.files import write_files
from fleet_compiler.load import Loaded
from fleet_compiler.lock.lockfile import dump_lock, load_lock
from fleet_compiler.lock.model import Lock
from fleet_compiler.process_lock import hold_process_lock
from fleet_compiler.project import Project, locate_project
from fleet_runtime.targets import FLEET_FILE

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
    """Change fleet.yaml and fleet.lock together, one process at a time; print the diff and the written files,
    unless `as_json`."""
    project = locate_project(config)
    with hold_process_lock(
        project.written_folders, lambda: note(f"waiting for another fleet command in '{project.folder}'")
    ):
        edited = plan_edit(config, plan)
        lock = load_lock(project.lock)
        if show_diff and not as_json:
            show_edit(edited)
        if dry_run:
            note("nothing was written (--dry-run)")
            return edited
        if edited.is_change:
            _write(project, edited, lock, change_lock(lock))
    if not as_json:
        say(f"wrote {config}" if edited.is_change else f"{config} is unchanged")
    return edited


def finish_edit(
    config: Path, generated: Path | None, edited: Edited, *, dry_run: bool, no_build: bool, as_json: bool
) -> None:
    """Build, unless `no_build`; with `as_json`, print the result as one JSON object.

    Its `status` is ``written``, ``unchanged`` or ``dry_run``, and `build` is that of ``fleet build --json``.
    A build that fails does not undo the change, and says so.
    """
    project = locate_project(config, generated)
    builds = not (dry_run or no_build)
    code = 0
    if as_json:
        status = "unchanged" if not edited.is_change else "dry_run" if dry_run else "written"
        result: dict[str, Any] = {"status": status, "file": str(config), "diff": edited.diff(), "build": None}
        if builds:
            result["build"], code = build_result(project, "update", _build_command(config, generated))
        show_json(result)
    elif builds:
        try:
            build_and_report(project, "update")
        except FleetError as error:
            show_failure(error)
            if edited.is_change:
                note(
                    f"{config} is changed, but not built: "
                    f"when that is fixed, run `{_build_command(config, generated)}`"
                )
            code = error.exit_code
    if code:
        raise click.exceptions.Exit(code)


def _build_command(config: Path, generated: Path | None) -> str:
    return build_command(None if config == Path(FLEET_FILE) else config, generated)


def _write(project: Project, edited: Edited, lock: Lock, changed_lock: Lock) -> None:
    """Write fleet.yaml first: its former name lets the next build find an entry that still has the old name.

    What is a link stays one.
    """
    config = project.config.resolve()
    files = [(config, edited.data)]
    if changed_lock != lock:
        files.append((project.lock.resolve(), dump_lock(changed_lock)))
    if read_config(config)[1] != edited.original:
        raise OutputError(
            f"'{config}' was changed by something else meanwhile: nothing was written; try again"
        )
    write_files(files)
