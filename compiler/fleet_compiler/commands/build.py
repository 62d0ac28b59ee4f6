"""``fleet build``."""

from __future__ import annotations

import os
import shlex
import time
from pathlib import Path

import click

from fleet_compiler.commands.options import epilog, file_option, fleet_file, output_option
from fleet_compiler.commands.progress import probe_text, show_models
from fleet_compiler.commands.terminal import change, note, say, show_diagnostics, show_failure, warn
from fleet_compiler.diagnostics.errors import FleetError, StaleArtifactsError
from fleet_compiler.emit.plan import line_counts
from fleet_compiler.pipeline import Prepared, Project, prepare, project_of
from fleet_compiler.pipeline import build as run_build
from fleet_runtime.dialects.observation import Observation

WATCH_SECONDS = 0.3


@click.command(
    epilog=epilog(
        "fleet build",
        "fleet build --check          in CI: are the committed files current?",
        "fleet build --output /srv/fleet/generated",
        exits="0 done or current, 1 invalid configuration or not writable, 2 usage, 3 out of date (--check)",
    ),
)
@file_option
@output_option
@click.option("--check", is_flag=True, help="Write nothing, ask nobody; exit 3 where files are out of date.")
@click.option("--locked", is_flag=True, help="Ask no machine: use fleet.lock as it is.")
@click.option("--watch", is_flag=True, help="Build again whenever fleet.yaml or fleet.lock changes.")
def build(file: Path | None, output: Path | None, check: bool, locked: bool, watch: bool) -> None:
    """Write generated/ from fleet.yaml and fleet.lock.

    Works without any machine, except that one which fleet.lock does not know yet is asked once.
    """
    if check and watch:
        raise click.UsageError("--check and --watch exclude each other")
    project = project_of(fleet_file(file), output)
    if check:
        _check(project, _command(file, output))
    elif watch:
        _watch(project, locked)
    else:
        _build(project, locked)


def _build(project: Project, locked: bool) -> None:
    prepared = run_build(
        project,
        environ=os.environ,
        locked=locked,
        progress=show_models,
        waiting=lambda: note(f"waiting for another fleet command in '{project.folder}'"),
        before_writing=_announce,
    )
    for line in prepared.changes:
        change(line)
    written = len(prepared.plan.pending)
    if written:
        say(f"wrote {written} {'file' if written == 1 else 'files'} to {project.output}")
    else:
        say(f"{project.output} is current")
    if written and not prepared.compiled.loaded.fleet.surfaces:
        note("no surfaces are configured; clients use /v1, or /providers/<name>/v1 for one machine")
    for name, seen in prepared.without_models.items():
        warn(_without_models(prepared, name, seen))


def _without_models(prepared: Prepared, name: str, seen: Observation | None) -> str:
    """That a machine has no models, and why."""
    default = name == prepared.compiled.loaded.fleet.default_provider
    who = f"{'default provider ' if default else ''}'{name}'"
    again = f"the next build, or `fleet lock {name}`, asks it"
    if seen is None:
        return f"{who} is not in fleet.lock and has no list: {again}"
    connections = {each.name: each for each in prepared.compiled.resolved.gateway.providers}
    return f"{who} gave no list: {probe_text(connections[name], seen)}; {again} again"


def _announce(prepared: Prepared) -> None:
    """What must be observation_text before files are replaced."""
    loaded = prepared.compiled.loaded
    show_diagnostics(prepared.compiled.warnings, (loaded.source,))
    for foreign in prepared.plan.foreign:
        path = prepared.project.output / foreign.path
        warn(f"'{path}' was not left as the last build wrote it; it is overwritten")


def _check(project: Project, mend: str) -> None:
    prepared = prepare(project, environ={}, ask=False)
    show_diagnostics(prepared.compiled.warnings, (prepared.compiled.loaded.source,))
    if not prepared.stale:
        say(f"{project.output} is current")
        return
    for line in _reasons(prepared):
        note(line)
    raise StaleArtifactsError(f"generated files are out of date: run `{mend}`", prepared.plan)


def _reasons(prepared: Prepared) -> list[str]:
    """Why each file is out of date."""
    lines = []
    if prepared.lock_before != prepared.lock_after:
        lock = prepared.project.lock
        what = "is missing" if prepared.lock_before is None else "holds machines or addresses that are gone"
        lines.append(f"'{lock}' {what}")
    for pending in prepared.plan.pending:
        path = prepared.project.output / pending.path
        added, removed = line_counts(pending)
        if pending.kind == "add":
            lines.append(f"'{path}' is missing")
        elif pending.kind == "remove":
            lines.append(f"'{path}' is no longer generated")
        elif pending.foreign:
            lines.append(f"'{path}' was changed since the last build (+{added} -{removed} lines)")
        else:
            lines.append(f"'{path}' would change (+{added} -{removed} lines)")
    return lines


def _command(file: Path | None, output: Path | None) -> str:
    """The command that mends what --check found."""
    words = ["fleet", "build"]
    words += ["-f", str(file)] if file is not None else []
    words += ["--output", str(output)] if output is not None else []
    return shlex.join(words)


def _watch(project: Project, locked: bool) -> None:
    """Build, and again whenever the inputs are not those that the last build began with."""
    while True:
        inputs = _stamps(project)
        try:
            _build(project, locked)
        except FleetError as error:
            show_failure(error)
        note(f"watching '{project.config}'")
        while _stamps(project) == inputs:
            time.sleep(WATCH_SECONDS)


def _stamps(project: Project) -> list[tuple[int, int] | None]:
    """What tells whether fleet.yaml and fleet.lock were written to."""
    stamps: list[tuple[int, int] | None] = []
    for path in (project.config, project.lock):
        try:
            status = path.stat()
            stamps.append((status.st_mtime_ns, status.st_ino))
        except OSError:
            stamps.append(None)
    return stamps
