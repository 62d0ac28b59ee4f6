"""``fleet add``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from fleet_compiler.commands.apply_edit import (
    EDIT_EXITS,
    apply_edit,
    edit_options,
    finish_edit,
    plan_edit,
    show_edit,
)
from fleet_compiler.commands.options import fleet_file
from fleet_compiler.commands.progress import located_text, show_models
from fleet_compiler.commands.terminal import note, warn
from fleet_compiler.diagnostics.errors import UsageError
from fleet_compiler.edit.changes import Change
from fleet_compiler.edit.providers import add_provider
from fleet_compiler.emit.tables import resolve_connections
from fleet_compiler.load import Loaded
from fleet_compiler.lock.discover import discover
from fleet_runtime.artifacts.contract import ProviderConfig
from fleet_runtime.commands.help_epilog import epilog
from fleet_runtime.commands.wait_line import wait_line

MODELS_SHOWN = 10


@click.command(
    epilog=epilog(
        "fleet add attic http://192.168.1.21:8080",
        "fleet add attic http://192.168.1.21:8080 --yes   # in a script",
        exits={**EDIT_EXITS, 130: "you declined, or pressed Ctrl-C"},
    ),
)
@click.argument("name")
@click.argument("url")
@edit_options
@click.option("-y", "--yes", is_flag=True, help="Do not ask before adding.")
def add(
    name: str,
    url: str,
    file: Path | None,
    generated: Path | None,
    dry_run: bool,
    no_build: bool,
    as_json: bool,
    yes: bool,
) -> None:
    """Add a provider to fleet.yaml.

    Probes the provider and shows its models before asking. A provider that does not respond can be added too;
    the next build probes it again.
    """
    config = fleet_file(file)

    def plan(loaded: Loaded) -> list[Change]:
        return add_provider(loaded, name, url)

    edited = plan_edit(config, plan)
    providers = resolve_connections(edited.after.fleet)
    responds = _probe(next(provider for provider in providers if provider.name == name), config.parent)
    if not as_json:
        show_edit(edited)
    if not yes and not dry_run:
        if not sys.stdin.isatty():
            raise UsageError("cannot ask without a terminal: add --yes")
        click.confirm(f"add it to {config}?", default=responds, abort=True, err=True)
    edited = apply_edit(config, plan, dry_run=dry_run, as_json=as_json, show_diff=False)
    finish_edit(config, generated, edited, dry_run=dry_run, no_build=no_build, as_json=as_json)


def _probe(provider: ProviderConfig, root: Path) -> bool:
    """Show the models of a provider; return whether it listed them."""
    with wait_line(f"probing {provider.url}"):
        observation = discover([provider], root, os.environ)[provider.name]
    show_models(provider, observation)
    if observation.status != "online":
        warn(f"{provider.name} did not return a model list: {located_text(provider, observation)}")
        return False
    models = list(observation.models)
    for model in models[:MODELS_SHOWN]:
        note(f"  {provider.name}/{model}")
    if len(models) > MODELS_SHOWN:
        note(f"  and {len(models) - MODELS_SHOWN} more")
    return True
