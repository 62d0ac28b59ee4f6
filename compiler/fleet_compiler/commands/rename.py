"""``fleet rename``."""

from __future__ import annotations

from pathlib import Path

import click

from fleet_compiler.commands.apply_edit import EDIT_EXITS, apply_edit, edit_options, finish_edit
from fleet_compiler.commands.fleet_names import complete_provider
from fleet_compiler.commands.options import fleet_file
from fleet_compiler.commands.terminal import note, warn
from fleet_compiler.edit.edit import Edited
from fleet_compiler.edit.providers import rename_provider
from fleet_compiler.lock.model import Lock
from fleet_runtime.commands.help_epilog import epilog
from fleet_runtime.text import quote


@click.command(
    epilog=epilog("fleet rename attic loft", "fleet rename attic loft --dry-run", exits=EDIT_EXITS),
)
@click.argument("old", shell_complete=complete_provider)
@click.argument("new")
@edit_options
def rename(
    old: str,
    new: str,
    file: Path | None,
    generated: Path | None,
    dry_run: bool,
    no_build: bool,
    as_json: bool,
) -> None:
    """Rename a provider in fleet.yaml and fleet.lock.

    Aliases, roles and surfaces are updated. OLD is kept as a former name (`formerly`), so that favorites,
    saved sessions and requests with it still reach the provider.
    """
    config = fleet_file(file)
    edited = apply_edit(
        config,
        lambda loaded: rename_provider(loaded, old, new),
        dry_run=dry_run,
        as_json=as_json,
        change_lock=lambda lock: _rename_entry(lock, old, new),
    )
    _warn_of_wake_command(edited, new)
    if not dry_run:
        note(f"saved ids that begin with '{old}/' still work: '{old}' is a former name of '{new}'")
    finish_edit(config, generated, edited, dry_run=dry_run, no_build=no_build, as_json=as_json)


def _warn_of_wake_command(edited: Edited, new: str) -> None:
    """Say so if a program that wakes the provider gets another name."""
    wake = edited.after.fleet.providers[new].wake
    if wake is not None and wake.command is not None:
        document = edited.after.document
        span = document.span(("providers", new, "wake", "command"))
        place = f"{document.source.name}:{span.line}:{span.column}"
        warn(f"{place}: {quote(wake.command)} is now called with '{new}': change it if it uses the name")


def _rename_entry(lock: Lock, old: str, new: str) -> Lock:
    """Return the lock with the entry of `old` as that of `new`, and not one that an earlier `new` left."""
    if old not in lock.providers:
        return lock
    others = {name: entry for name, entry in lock.providers.items() if name not in (old, new)}
    return lock.model_copy(update={"providers": others | {new: lock.providers[old]}})
