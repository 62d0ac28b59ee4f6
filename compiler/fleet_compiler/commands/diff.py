"""``fleet diff``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from fleet_compiler.commands.build_report import build_command, check_data, diagnostics_data
from fleet_compiler.commands.options import (
    file_option,
    fleet_file,
    format_option,
    generated_option,
    json_option,
)
from fleet_compiler.commands.terminal import change, say, show_diagnostics, show_json
from fleet_compiler.diagnostics.errors import StaleArtifactsError
from fleet_compiler.emit.plan import diff as diff_lines
from fleet_compiler.emit.plan import line_counts
from fleet_compiler.pipeline import Prepared, prepare
from fleet_compiler.project import locate_project
from fleet_runtime.commands.help_epilog import epilog

CHANGED = StaleArtifactsError.exit_code


@click.command(
    epilog=epilog(
        "fleet diff",
        "fleet diff --stat",
        "fleet diff --against origin/main                     # what a pull request changes",
        "fleet diff --against origin/main --format markdown   # as a comment on it",
        "fleet diff --against http://127.0.0.1:8400           # compared with a running gateway",
        "fleet diff --json | jq -r '.changes[]'",
        exits={
            0: "success, with or without changes",
            1: "the configuration is invalid",
            2: "usage error, or the revision does not exist",
            3: "there are changes (--exit-code)",
            4: "the gateway did not respond",
        },
    ),
)
@file_option
@generated_option
@click.option(
    "--against",
    metavar="REF|URL",
    help="Compare with a git revision, or with the gateway at a URL.",
)
@click.option("--stat", is_flag=True, help="List only the files, with the number of added and removed lines.")
@click.option("--exit-code", is_flag=True, help=f"Exit with {CHANGED} if there are changes.")
@format_option("text", "markdown", "json")
@json_option
def diff(
    file: Path | None,
    generated: Path | None,
    against: str | None,
    stat: bool,
    exit_code: bool,
    form: Literal["text", "markdown", "json"],
    as_json: bool,
) -> None:
    """Show what `fleet build --frozen` would change in generated/, without writing it.

    With --against, show what changes for clients: new and removed ids, ids that resolve to another model,
    smaller contexts, and changed roles. No provider is probed.
    """
    form = "json" if as_json else form
    if stat and (against is not None or form != "text"):
        raise click.UsageError("--stat lists the files of generated/ as text, without --against and --format")
    prepared = prepare(locate_project(fleet_file(file), generated), environ={}, mode="frozen")
    if form != "json":
        show_diagnostics(prepared.compiled.warnings, (prepared.compiled.loaded.source,))
    if against is not None:
        changed = _show_review(prepared, against, form)
    else:
        changed = prepared.stale
        _show_files(prepared, build_command(file, generated), form, stat)
    if exit_code and changed:
        raise click.exceptions.Exit(CHANGED)


def _show_review(prepared: Prepared, against: str, form: str) -> bool:
    """Print the comparison with another side; return whether anything differs."""
    from fleet_compiler.commands.against import as_served, gateway_side, git_side
    from fleet_compiler.commands.review_report import review_data, review_lines, review_markdown
    from fleet_compiler.emit.review import review, side_of
    from fleet_runtime.urls import mask_url

    compiled = prepared.compiled
    here = side_of(compiled.resolved, compiled.loaded.fleet.surfaces)
    is_url = "://" in against
    before = gateway_side(against, here) if is_url else git_side(prepared.project.config, against)
    shown = mask_url(against) if is_url else against
    found = review(before, as_served(here) if is_url else here)
    if form == "json":
        show_json(review_data(found, shown) | {"diagnostics": diagnostics_data(compiled.warnings)})
    elif form == "markdown":
        click.echo(review_markdown(found, shown), nl=False)
    else:
        for line in review_lines(found, shown):
            change(line)
    return bool(found)


def _show_files(prepared: Prepared, remedy: str, form: str, stat: bool) -> None:
    """Print what changes in generated/."""
    lines = list(diff_lines(prepared.plan))
    if form == "json":
        show_json(check_data(prepared, remedy) | {"changes": list(prepared.changes), "diff": lines})
    elif form == "markdown":
        from fleet_compiler.commands.review_report import diff_markdown

        click.echo(diff_markdown(prepared.changes, lines), nl=False)
    elif stat:
        for pending in prepared.plan.pending:
            added, removed = line_counts(pending)
            say(f"{pending.kind:<6} {pending.path}  +{added} -{removed}")
    else:
        for line in lines:
            change(line)
