"""``fleet validate``."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from fleet_compiler.checks.against_lock import lock_warnings, unmatched_globs
from fleet_compiler.commands.options import epilog, file_option, fleet_file
from fleet_compiler.commands.terminal import say, show_diagnostics
from fleet_compiler.diagnostics.diagnostic import Diagnostic, sort_diagnostics
from fleet_compiler.diagnostics.errors import ConfigError
from fleet_compiler.diagnostics.report import Format, render
from fleet_compiler.diagnostics.source import Source
from fleet_compiler.diagnostics.text import answered
from fleet_compiler.emit.tables import resolve_connections, resolve_fleet
from fleet_compiler.load import Loaded, load_fleet
from fleet_compiler.lock.lockfile import current_entries, load_lock
from fleet_compiler.lock.model import Lock

if TYPE_CHECKING:
    from fleet_compiler.live import LiveReport


@click.command(
    epilog=epilog(
        "fleet validate",
        "fleet validate --strict --format github     in CI",
        "fleet validate - < fleet.yaml",
        "fleet validate --live                       are the machines there, and as fleet.lock says?",
        exits="0 valid, 1 invalid (or warnings with --strict), 2 usage, 4 a machine did not answer (--live)",
    ),
)
@click.argument(
    "config", required=False, metavar="[FILE|-]", type=click.Path(path_type=Path, allow_dash=True)
)
@file_option
@click.option(
    "--format",
    "form",
    type=click.Choice(get_args(Format)),
    default="text",
    show_default=True,
    help="How findings are written; all but text go to stdout.",
)
@click.option("--strict", is_flag=True, help="Warnings are errors.")
@click.option("--live", is_flag=True, help="Also ask the machines, and compare them with fleet.lock.")
def validate(config: Path | None, file: Path | None, form: Format, strict: bool, live: bool) -> None:
    """Check a fleet.yaml, and the fleet.lock beside it, without asking any machine."""
    if config is not None and file is not None:
        raise click.UsageError("name the file once: FILE or -f FILE")
    piped = str(config) == "-"
    if piped and live:
        raise click.UsageError("--live needs a file, not '-'")
    path = fleet_file(config or file)
    sources: tuple[Source, ...] = ()
    try:
        loaded = load_fleet("-" if piped else path)
        sources = (loaded.source,)
        lock = Lock() if piped else load_lock(path.parent / "fleet.lock")
        found, seen = _findings(loaded, lock, path, live)
    except ConfigError as error:
        loaded, found, seen = None, error.diagnostics, None
        sources = (*sources, *error.sources)
    if strict:
        found = [replace(diagnostic, severity="error") for diagnostic in found]
    found = sort_diagnostics(found)
    _show(found, sources, form)
    errors = sum(diagnostic.severity == "error" for diagnostic in found)
    if loaded is not None and not errors and form == "text":
        say(_summary(loaded, len(found), seen))
    raise click.exceptions.Exit(1 if errors else 4 if seen is not None and seen.silent else 0)


def _findings(
    loaded: Loaded, lock: Lock, path: Path, live: bool
) -> tuple[list[Diagnostic], LiveReport | None]:
    """All warnings, and what was seen of the machines if they were asked."""
    applied = current_entries(lock, resolve_connections(loaded.fleet))
    seen = None
    if live:
        from fleet_compiler.live import probe_live

        seen = probe_live(loaded, applied, path.parent, os.environ)
        applied = seen.lock
    resolved = resolve_fleet(loaded.fleet, applied, "..")
    found = [
        *loaded.warnings,
        *(seen.findings if seen is not None else ()),
        *lock_warnings(loaded.fleet, resolved, loaded.document),
        *unmatched_globs(loaded.fleet, applied, loaded.document),
    ]
    return found, seen


def _show(found: list[Diagnostic], sources: tuple[Source, ...], form: Format) -> None:
    if form == "text":
        show_diagnostics(found, sources)
    elif text := render(found, sources, form):
        click.echo(text)


def _summary(loaded: Loaded, warnings: int, seen: LiveReport | None) -> str:
    fleet = loaded.fleet
    parts = [_count(len(fleet.providers), "provider"), _count(len(fleet.surfaces), "surface")]
    if warnings:
        parts.append(_count(warnings, "warning"))
    if seen is not None and seen.silent:
        parts.append(f"but only {answered(seen.asked - seen.silent, seen.asked)}")
    return f"{loaded.source.name} is valid: {', '.join(parts)}"


def _count(number: int, what: str) -> str:
    return f"{number} {what if number == 1 else what + 's'}"
