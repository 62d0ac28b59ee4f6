"""``fleet build``."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import click

from fleet_compiler.commands.build_report import (
    build_command,
    build_data,
    check_data,
    failure_data,
    stale_text,
)
from fleet_compiler.commands.options import (
    file_option,
    fleet_file,
    format_option,
    generated_option,
    json_option,
)
from fleet_compiler.commands.progress import located_text, probe_remedy, show_models
from fleet_compiler.commands.terminal import (
    change,
    detail,
    note,
    say,
    show_diagnostics,
    show_failure,
    show_json,
    warn,
)
from fleet_compiler.diagnostics.diagnostic import Diagnostic
from fleet_compiler.diagnostics.errors import FleetError, StaleArtifactsError
from fleet_compiler.emit.own_outputs import template_paths
from fleet_compiler.load import load_fleet
from fleet_compiler.pipeline import LockMode, Prepared, prepare
from fleet_compiler.pipeline import build as run_build
from fleet_compiler.project import Project, locate_project
from fleet_runtime.commands.help_epilog import epilog
from fleet_runtime.commands.wait_line import wait_line
from fleet_runtime.dialects.observation import Observation
from fleet_runtime.text import count

WATCH_SECONDS = 0.3

Stamp: TypeAlias = tuple[int, int] | None
InputStamps: TypeAlias = dict[Path, Stamp]


@click.command(
    epilog=epilog(
        "fleet build",
        "fleet build --check          # in CI: are the committed files current?",
        "fleet build --check --json   # which files are stale, and why",
        "fleet build --locked         # in CI: fail if fleet.lock lacks a provider",
        "fleet build --generated /srv/fleet/generated",
        exits={
            0: "success",
            1: "the configuration is invalid, or a file cannot be written",
            2: "usage error",
            3: "files are out of date (--check), or fleet.lock is incomplete (--locked)",
        },
    ),
)
@file_option
@generated_option
@click.option(
    "--check", is_flag=True, help="Write nothing and probe no provider; exit 3 if files are out of date."
)
@click.option(
    "--locked",
    is_flag=True,
    help="Probe no provider; exit 3 unless fleet.lock has an entry for every polled provider.",
)
@click.option("--frozen", is_flag=True, help="Probe no provider; build from fleet.lock as it is.")
@click.option(
    "--watch", is_flag=True, help="Build again whenever fleet.yaml, fleet.lock or a template changes."
)
@format_option("text", "json")
@json_option
def build(
    file: Path | None,
    generated: Path | None,
    check: bool,
    locked: bool,
    frozen: bool,
    watch: bool,
    form: str,
    as_json: bool,
) -> None:
    """Write generated/ from fleet.yaml and fleet.lock.

    Only providers without an entry in fleet.lock are probed; otherwise no network is needed.
    """
    as_json = as_json or form == "json"
    for both, names in (
        (check and watch, "--check and --watch"),
        (watch and as_json, "--watch and --json"),
        (locked and frozen, "--locked and --frozen"),
    ):
        if both:
            raise click.UsageError(f"{names} cannot be used together")
    project = locate_project(fleet_file(file), generated)
    mode: LockMode = "locked" if locked else "frozen" if frozen or check else "update"
    remedy = build_command(file, generated)
    if as_json:
        _print_json(project, mode, check, remedy)
    elif check:
        _check(project, mode, remedy)
    elif watch:
        watch_inputs(project, mode)
    else:
        _build_and_print(project, mode, frozenset())


@dataclass(frozen=True, slots=True)
class LastBuild:
    """The input stamps and the warnings of a build, with which the next build of a watched fleet is
    compared."""

    inputs: InputStamps
    warned: frozenset[str] = frozenset()


def build_and_report(project: Project, mode: LockMode, last: LastBuild | None = None) -> LastBuild:
    """Build, and print what changed; a warning of the `last` build is not repeated. Raises `FleetError`."""
    inputs = input_stamps(project)
    known = last.warned if last is not None else frozenset()
    prepared, warned = _build_and_print(project, mode, known, is_first=last is None)
    return LastBuild(_after_own_write(project, inputs, prepared), warned)


def _build_and_print(
    project: Project, mode: LockMode, known: frozenset[str], *, is_first: bool = True
) -> tuple[Prepared, frozenset[str]]:
    """Build, print the changes and the warnings that are not `known`, and return both."""
    with wait_line("probing providers" if mode == "update" else "building") as line:
        prepared = run_build(
            project,
            environ=os.environ,
            mode=mode,
            progress=line.above(show_models),
            on_wait=line.above(lambda: note(f"waiting for another fleet command in '{project.folder}'")),
            before_writing=line.above(lambda prepared: _announce(prepared, known)),
        )
    for each in prepared.changes:
        change(each)
    written = len(prepared.plan.pending)
    for pending in prepared.plan.pending:
        detail(f"{pending.kind:<6} {project.generated / pending.path}")
    if written:
        say(f"wrote {count(written, 'file')} to {project.generated}/")
    else:
        say(f"{project.generated}/ is up to date")
    if written and is_first and not prepared.compiled.loaded.fleet.surfaces:
        note("no surfaces are configured; clients use /v1, or /providers/<name>/v1 for one provider")
    texts = [f"'{name}' keeps the models of its old url: {_probed(prepared, name, seen)}"
             for name, seen in prepared.unconfirmed.items()]  # fmt: skip
    texts += [_without_models(prepared, name, missing) for name, missing in prepared.without_models.items()]
    for text in texts:
        if text not in known:
            warn(text)
    return prepared, frozenset((*texts, *map(_key, prepared.compiled.warnings)))


def _after_own_write(project: Project, inputs: InputStamps, prepared: Prepared) -> InputStamps:
    """Return the stamps of a build's inputs; fleet.lock's stamp is that after the build."""
    stamp = _stamp(project.lock)
    try:
        is_ours = project.lock.read_bytes() == prepared.lock_after
    except OSError:
        is_ours = False
    return inputs | {project.lock: stamp} if is_ours else inputs


def _key(warning: Diagnostic) -> str:
    return f"{warning.code} {warning.message}"


def _without_models(prepared: Prepared, name: str, seen: Observation | None) -> str:
    """Return the message that a provider has no models, with the reason."""
    default = name == prepared.compiled.loaded.fleet.default_provider
    who = f"{'default provider ' if default else ''}'{name}'"
    if seen is None:
        return f"{who} is not in fleet.lock and has no models: run `fleet lock {name}`"
    return f"{who} has no models: {_probed(prepared, name, seen)}"


def _probed(prepared: Prepared, name: str, seen: Observation) -> str:
    """Return why a probe failed, the remedy, and when the next probe is."""
    (provider,) = (each for each in prepared.compiled.resolved.gateway.providers if each.name == name)
    remedy = probe_remedy(provider, seen)
    again = f"the next build, or `fleet lock {name}`, probes it again"
    return "; ".join(filter(None, (located_text(provider, seen), remedy, again)))


def _announce(prepared: Prepared, known: frozenset[str]) -> None:
    """Print what users must see before files are replaced, and the warnings that are not `known`."""
    loaded = prepared.compiled.loaded
    new = [warning for warning in prepared.compiled.warnings if _key(warning) not in known]
    show_diagnostics(new, (loaded.source,))
    for foreign in prepared.plan.foreign:
        path = prepared.project.generated / foreign.path
        warn(f"overwriting '{path}', which was changed since the last build")
    for kept in prepared.plan.kept:
        path = prepared.project.generated / kept
        warn(f"keeping '{path}', which is no longer generated and was changed since the last build")


def _check(project: Project, mode: LockMode, remedy: str) -> None:
    prepared = prepare(project, environ={}, mode=mode)
    show_diagnostics(prepared.compiled.warnings, (prepared.compiled.loaded.source,))
    if not prepared.stale:
        say(f"{project.generated}/ is up to date")
        return
    for file in prepared.stale_files():
        note(stale_text(file))
    raise StaleArtifactsError(f"generated files are out of date: run `{remedy}`")


def _print_json(project: Project, mode: LockMode, check: bool, remedy: str) -> None:
    """Check or build, print the result as one JSON object, and exit with the code of the text form."""
    data, code = _check_result(project, mode, remedy) if check else build_result(project, mode, remedy)
    show_json(data)
    raise click.exceptions.Exit(code)


def build_result(project: Project, mode: LockMode, remedy: str) -> tuple[dict[str, Any], int]:
    """Build; return the result or the failure as JSON data, and the exit code."""
    try:
        return build_data(run_build(project, environ=os.environ, mode=mode)), 0
    except FleetError as error:
        return failure_data(error, remedy), error.exit_code


def _check_result(project: Project, mode: LockMode, remedy: str) -> tuple[dict[str, Any], int]:
    """Compare with a build; return what is out of date as JSON data, and the exit code."""
    try:
        prepared = prepare(project, environ={}, mode=mode)
    except FleetError as error:
        return failure_data(error, remedy), error.exit_code
    return check_data(prepared, remedy), StaleArtifactsError.exit_code if prepared.stale else 0


def watch_inputs(
    project: Project,
    mode: LockMode,
    last: LastBuild | None = None,
    until: Callable[[], bool] = lambda: False,
) -> None:
    """Build whenever the inputs differ from those of the `last` build, until `until` returns true."""
    while not until():
        inputs = input_stamps(project)
        if last is not None and inputs == last.inputs:
            time.sleep(WATCH_SECONDS)
            continue
        try:
            last = build_and_report(project, mode, last)
        except FleetError as error:
            show_failure(error)
            last = LastBuild(inputs, last.warned if last is not None else frozenset())
        note(f"watching '{project.config}'")


def input_stamps(project: Project) -> InputStamps:
    """Return stamps that change when fleet.yaml, fleet.lock or a template of `outputs` is written."""
    stamps = {path: _stamp(path) for path in (project.config, project.lock)}
    try:
        outputs = load_fleet(project.config).fleet.outputs
    except FleetError:  # the build reports the problem
        outputs = ()
    return stamps | {path: _stamp(path) for path in template_paths(project.folder, outputs)}


def _stamp(path: Path) -> Stamp:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino
