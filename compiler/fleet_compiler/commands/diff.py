"""``fleet diff``."""

from __future__ import annotations

from pathlib import Path

import click

from fleet_compiler.commands.options import epilog, file_option, fleet_file, output_option
from fleet_compiler.commands.terminal import change, say, show_diagnostics
from fleet_compiler.emit.plan import diff as lines_of
from fleet_compiler.emit.plan import line_counts
from fleet_compiler.pipeline import prepare, project_of


@click.command(
    epilog=epilog(
        "fleet diff",
        "fleet diff --stat",
        exits="0 fine, whether or not there are changes, 1 invalid configuration, 2 usage",
    ),
)
@file_option
@output_option
@click.option("--stat", is_flag=True, help="Only the files, with how many lines each gains and loses.")
def diff(file: Path | None, output: Path | None, stat: bool) -> None:
    """Show what `fleet build --locked` would change in generated/, and write nothing."""
    prepared = prepare(project_of(fleet_file(file), output), environ={}, ask=False)
    show_diagnostics(prepared.compiled.warnings, (prepared.compiled.loaded.source,))
    if stat:
        for pending in prepared.plan.pending:
            added, removed = line_counts(pending)
            say(f"{pending.kind:<6} {pending.path}  +{added} -{removed}")
    else:
        for line in lines_of(prepared.plan):
            change(line)
