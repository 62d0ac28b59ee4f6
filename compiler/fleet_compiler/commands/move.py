"""``fleet move``."""

from __future__ import annotations

from pathlib import Path

import click

from fleet_compiler.commands.apply_edit import EDIT_EXITS, apply_edit, edit_options, finish_edit
from fleet_compiler.commands.fleet_names import complete_provider
from fleet_compiler.commands.options import fleet_file
from fleet_compiler.commands.terminal import warn
from fleet_compiler.edit.edit import Edited
from fleet_compiler.edit.providers import move_provider
from fleet_runtime.commands.help_epilog import epilog
from fleet_runtime.urls import parse_url


@click.command(
    epilog=epilog(
        "fleet move attic http://192.168.1.22:8080",
        "fleet move attic http://192.168.1.22:8080 --dry-run",
        exits=EDIT_EXITS,
    ),
)
@click.argument("name", shell_complete=complete_provider)
@click.argument("url")
@edit_options
def move(
    name: str,
    url: str,
    file: Path | None,
    generated: Path | None,
    dry_run: bool,
    no_build: bool,
    as_json: bool,
) -> None:
    """Change the address of a provider in fleet.yaml.

    Its name does not change, so all model ids, favorites and roles stay valid.
    """
    config = fleet_file(file)
    edited = apply_edit(
        config,
        lambda loaded: move_provider(loaded, name, url),
        dry_run=dry_run,
        as_json=as_json,
    )
    _warn_of_sidecar(edited, name)
    finish_edit(config, generated, edited, dry_run=dry_run, no_build=no_build, as_json=as_json)


def _warn_of_sidecar(edited: Edited, name: str) -> None:
    """Say so if the sidecar stays at a host that the provider has left."""
    before, after = (each.fleet.providers[name] for each in (edited.before, edited.after))
    left, entered = parse_url(before.url).host, parse_url(after.url).host
    if after.sidecar is not None and left != entered and parse_url(after.sidecar.url).host == left:
        document = edited.after.document
        span = document.span(("providers", name, "sidecar"))
        place = f"{document.source.name}:{span.line}:{span.column}"
        warn(f"{place}: the sidecar of '{name}' is still at {after.sidecar.url}: change it if it moved too")
