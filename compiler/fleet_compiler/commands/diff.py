"""``fleet diff``."""

from __future__ import annotations

from pathlib import Path

import click

from fleet_compiler.commands.build_report import build_command, check_data
from fleet_compiler.commands.options import epilog, file_option, fleet_file, generated_option, json_option
from fleet_compiler.commands.terminal import change, say, show_diagnostics, show_json
from fleet_compiler.emit.plan import diff as diff_lines
from fleet_compiler.emit.plan import line_counts
from fleet_compiler.pipeline import prepare
from fleet_compiler.project import locate_project


@click.command(
    epilog=epilog(
        "fleet diff",
        "fleet diff --stat",
        "fleet diff --json | jq -r '.changes[]'",
        exits="0 success, with or without changes, 1 invalid configuration, 2 usage",
    ),
)
@file_option
@generated_option
@click.option("--stat", is_flag=True, help="Only list the files, with the lines that each gains and loses.")
@json_option
def diff(file: Path | None, generated: Path | None, stat: bool, as_json: bool) -> None:
    """Show what `fleet build --frozen` would change in generated/, and write nothing."""
    prepared = prepare(locate_project(fleet_file(file), generated), environ={}, mode="frozen")
    if as_json:
        show_json(
            check_data(prepared, build_command(file, generated))
            | {"changes": list(prepared.changes), "diff": list(diff_lines(prepared.plan))}
        )
        return
    show_diagnostics(prepared.compiled.warnings, (prepared.compiled.loaded.source,))
    if stat:
        for pending in prepared.plan.pending:
            added, removed = line_counts(pending)
            say(f"{pending.kind:<6} {pending.path}  +{added} -{removed}")
    else:
        for line in diff_lines(prepared.plan):
            change(line)
