"""``fleet resolve``."""

from __future__ import annotations

from pathlib import Path

import click
from msgspec import to_builtins

from fleet_compiler.commands.fleet_names import complete_model, complete_surface
from fleet_compiler.commands.options import file_option, fleet_file, generated_option, json_option
from fleet_compiler.commands.terminal import say, show_json, warn
from fleet_compiler.diagnostics.errors import ConfigError, StaleArtifactsError, UsageError
from fleet_compiler.emit.plan import MANIFEST
from fleet_compiler.load import load_fleet
from fleet_compiler.pipeline import model_digest
from fleet_compiler.project import locate_project
from fleet_runtime.artifacts.contract import Manifest, RoutedModel, RoutingTable
from fleet_runtime.artifacts.snapshot import ArtifactError, Snapshot, load_snapshot
from fleet_runtime.catalog.describe import describe_resolution
from fleet_runtime.catalog.shapes import ModelResolution
from fleet_runtime.commands.help_epilog import epilog
from fleet_runtime.files import MAX_ARTIFACT, read_file
from fleet_runtime.providers.health import ProviderState
from fleet_runtime.providers.model_list import merge_model_list
from fleet_runtime.routing.resolver import Resolution, View, name_snapshot, resolve_model
from fleet_runtime.text import escape, join_names, quote

RULES = {
    "role": "a role",
    "alias": "an alias of fleet.yaml",
    "provider": "the text before the first slash is a provider's name",
    "bare": "no provider is named, so the default provider is meant",
}


@click.command(
    epilog=epilog(
        "fleet resolve embedding/qwen3-8b",
        "fleet resolve qwen3-8b --surface boochat",
        "fleet resolve @task --json",
        exits={
            0: "success",
            1: "the model does not exist, or files are invalid",
            2: "usage error",
            3: "generated files are missing or damaged",
        },
    ),
)
@click.argument("id", shell_complete=complete_model)
@file_option
@generated_option
@click.option(
    "--surface", help="Resolve the id as in a request to this surface.", shell_complete=complete_surface
)
@json_option
def resolve(id: str, file: Path | None, generated: Path | None, surface: str | None, as_json: bool) -> None:
    """Show which provider and model an ID resolves to in a chat request, and by which rule.

    Reads only generated/, and applies the gateway's rules to the models in fleet.lock. No provider is probed.
    With --json, print what `GET /api/resolve` returns.
    """
    config = fleet_file(file) if generated is None or file is not None else None
    folder = generated if generated is not None else locate_project(config or fleet_file(file)).generated
    try:
        snapshot = load_snapshot(folder)
    except ArtifactError as error:
        raise StaleArtifactsError(str(error)) from None
    table = snapshot.table(surface)
    if table is None:
        names = join_names(snapshot.gateway.surfaces) or "none"
        raise UsageError(f"no surface {quote(surface or '')} in '{folder}'; there is {names}")
    if config is not None:
        _compare(config, folder)
    resolution = name_snapshot(resolve_model(table, locked_view(snapshot), id, falls_back=True), snapshot.id)
    described = describe_resolution(
        resolution, snapshot.connections.get(resolution.provider or ""), _facts(snapshot, resolution)
    )
    if as_json:
        show_json(to_builtins(described))
    else:
        _print(described, snapshot, table)
    if not described.available:
        raise click.exceptions.Exit(1)


def locked_view(snapshot: Snapshot) -> View:
    """Return the providers as a gateway sees them that found what fleet.lock says."""
    return {
        locked.name: merge_model_list(
            config,
            locked,
            ProviderState(
                status="unknown" if config.enabled else "disabled",
                since=0.0,
                kind=config.kind,
                good_at=0.0 if locked.models else None,
            ),
        ).view
        for locked in snapshot.fleet.providers
        for config in (snapshot.connections[locked.name],)
    }


def _compare(config: Path, folder: Path) -> None:
    """Warn if `folder` was built from another fleet.yaml than the current one."""
    built = Manifest.model_validate_json(read_file(folder / MANIFEST, MAX_ARTIFACT)).model
    try:
        current = model_digest(load_fleet(config).fleet)
    except ConfigError:
        warn(f"'{config}' is invalid; this result is from the last build: run `fleet validate`")
        return
    if current != built:
        warn(f"'{config}' has changed since the last build, which this result is from: run `fleet build`")


def _facts(snapshot: Snapshot, resolution: Resolution) -> RoutedModel:
    for provider in snapshot.fleet.providers:
        if provider.name == resolution.provider and resolution.listed is not None:
            return provider.models[resolution.listed]
    return RoutedModel()


def _why(resolution: ModelResolution, table: RoutingTable) -> str:
    if not resolution.fallback:
        return RULES[resolution.rule]
    if resolution.rule == "role":
        return f"{RULES['role']}, whose earlier choices cannot be used"
    role = f"the role 'default' of {table.surface or 'the fleet'}"
    return f"{table.default_provider} does not list {quote(resolution.requested)}; {role} is used instead"


def _print(resolution: ModelResolution, snapshot: Snapshot, table: RoutingTable) -> None:
    say(escape(resolution.id or resolution.requested), bold=True)
    if not resolution.available:
        say(f"  rejected  {escape(resolution.message or '')}", fg="red")
        for suggestion in resolution.suggestions or ():
            say(f"  try       {escape(suggestion)}")
    if resolution.provider is not None:
        config = snapshot.connections[resolution.provider]
        say(f"  provider  {config.name} ({config.class_}), {config.url}")
        if resolution.available:
            say(f"  via       {resolution.via}")
    say(f"  rule      {resolution.rule}: {_why(resolution, table)}")
    if resolution.context is not None:
        say(f"  context   {resolution.context} ({resolution.context_source})")
