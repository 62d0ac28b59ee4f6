"""``fleet validate``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click
from msgspec.structs import replace

from fleet_compiler.checks.against_lock import lock_warnings, unmatched_globs
from fleet_compiler.checks.lock_entries import rename_warnings, stale_warnings
from fleet_compiler.commands.options import file_option, fleet_file, format_option, json_option
from fleet_compiler.commands.terminal import say, show_diagnostics
from fleet_compiler.diagnostics.diagnostic import Diagnostic, Format, sort_diagnostics
from fleet_compiler.diagnostics.errors import ConfigError
from fleet_compiler.diagnostics.source import Source
from fleet_compiler.emit.tables import resolve_connections, resolve_fleet
from fleet_compiler.load import Loaded, load_fleet
from fleet_compiler.lock.entries import current_entries
from fleet_compiler.lock.lockfile import load_lock
from fleet_compiler.lock.model import NO_LOCK, Lock
from fleet_compiler.project import lock_path
from fleet_runtime.commands.help_epilog import epilog
from fleet_runtime.commands.wait_line import wait_line
from fleet_runtime.text import count

if TYPE_CHECKING:
    from fleet_compiler.live import LiveReport


@click.command(
    epilog=epilog(
        "fleet validate",
        "fleet validate --strict --format github   # in CI",
        "fleet validate - < fleet.yaml",
        "fleet validate --live                     # also probe the providers",
        exits={
            0: "valid",
            1: "invalid, or warnings with --strict",
            2: "usage error",
            4: "a provider did not respond (--live)",
        },
    ),
)
@click.argument(
    "config", required=False, metavar="[FILE|-]", type=click.Path(path_type=Path, allow_dash=True)
)
@file_option
@format_option(*get_args(Format))
@json_option
@click.option("--strict", is_flag=True, help="Treat warnings as errors.")
@click.option("--live", is_flag=True, help="Also probe the providers and compare them with fleet.lock.")
def validate(
    config: Path | None, file: Path | None, form: Format, as_json: bool, strict: bool, live: bool
) -> None:
    """Check fleet.yaml and the fleet.lock next to it. Without --live, this needs no network."""
    form = "json" if as_json else form
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
        lock = NO_LOCK if piped else load_lock(lock_path(path))
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
    raise click.exceptions.Exit(1 if errors else 4 if seen is not None and not seen.all_responded else 0)


def _findings(
    loaded: Loaded, lock: Lock, path: Path, live: bool
) -> tuple[list[Diagnostic], LiveReport | None]:
    """Return all warnings, and the report of the probes if there were any."""
    providers = resolve_connections(loaded.fleet)
    applied = current_entries(lock, providers)
    seen = None
    if live:
        from fleet_compiler.live import probe_live

        with wait_line(f"probing {count(len(loaded.fleet.providers), 'provider')}"):
            seen = probe_live(loaded, applied, path.parent, os.environ)
        applied = seen.lock
    resolved = resolve_fleet(loaded.fleet, applied, "..", providers)
    findings = [
        *lock_warnings(loaded.fleet, resolved),
        *unmatched_globs(loaded.fleet, applied),
        *rename_warnings(loaded.fleet, providers, lock, loaded.document.data),
        *stale_warnings(providers, applied),
    ]
    live_findings = seen.findings if seen is not None else ()
    return [*loaded.warnings, *live_findings, *loaded.document.locate_all(findings)], seen


def _show(found: list[Diagnostic], sources: tuple[Source, ...], form: Format) -> None:
    if form == "text":
        show_diagnostics(found, sources)
        return
    from fleet_compiler.diagnostics.report import render

    if text := render(found, sources, form):
        click.echo(text)


def _summary(loaded: Loaded, warnings: int, seen: LiveReport | None) -> str:
    fleet = loaded.fleet
    parts = [count(len(fleet.providers), "provider"), count(len(fleet.surfaces), "surface")]
    if warnings:
        parts.append(count(warnings, "warning"))
    if seen is not None and not seen.all_responded:
        from fleet_compiler.commands.progress import responded_text

        parts.append(f"but only {responded_text(seen.seen)}")
    return f"{loaded.source.name} is valid: {', '.join(parts)}"
