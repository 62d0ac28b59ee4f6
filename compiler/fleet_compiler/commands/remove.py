"""``fleet remove``."""

from __future__ import annotations

from pathlib import Path

import click

from fleet_compiler.commands.apply_edit import EDIT_EXITS, apply_edit, edit_options, finish_edit
from fleet_compiler.commands.fleet_names import complete_provider
from fleet_compiler.commands.options import fleet_file
from fleet_compiler.commands.terminal import note
from fleet_compiler.edit.edit import Edited
from fleet_compiler.edit.providers import remove_provider
from fleet_runtime.commands.help_epilog import epilog


@click.command(
    epilog=epilog(
        "fleet remove attic",
        "fleet remove attic --fix --dry-run   # what else would be removed?",
        exits={
            **EDIT_EXITS,
            1: "the provider is still in use, the configuration is invalid, or a file cannot be written",
        },
    ),
)
@click.argument("name", shell_complete=complete_provider)
@click.option(
    "--fix",
    is_flag=True,
    help="Also remove all references to it. A default provider is replaced by the first remaining local one.",
)
@edit_options
def remove(
    name: str,
    fix: bool,
    file: Path | None,
    generated: Path | None,
    dry_run: bool,
    no_build: bool,
    as_json: bool,
) -> None:
    """Remove a provider from fleet.yaml.

    Without --fix, a provider that is the default, or that an alias, role or surface refers to, is not
    removed; every reference is shown.
    """
    config = fleet_file(file)
    edited = apply_edit(
        config,
        lambda loaded: remove_provider(loaded, name, fix=fix),
        dry_run=dry_run,
        as_json=as_json,
    )
    before, after = edited.before.fleet.default_provider, edited.after.fleet.default_provider
    if before != after:
        note(f"bare model ids now belong to '{after}', the default provider instead of '{before}'")
    _note_comment(edited, name)
    finish_edit(config, generated, edited, dry_run=dry_run, no_build=no_build, as_json=as_json)


def _note_comment(edited: Edited, name: str) -> None:
    """Point to a comment that stood above the provider's own line and stays."""
    document = edited.before.document
    span = document.span(("providers", name), key=True)
    line = span.line - 1
    lines = document.source.text.split("\n")
    is_own_line = not lines[line][: span.column - 1].strip()
    if line and is_own_line and lines[line - 1].strip().startswith("#"):
        source = document.source.name
        note(f"{source}: the comment above '{name}' stays: delete it if it was about that provider only")
