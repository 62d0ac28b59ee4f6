"""``fleet models``."""

from __future__ import annotations

from pathlib import Path

import click
from msgspec import convert, to_builtins

from fleet_compiler.commands.fleet_names import complete_surface
from fleet_compiler.commands.options import epilog, file_option, fleet_file, json_option
from fleet_compiler.commands.terminal import say, show_json
from fleet_compiler.config.model import FleetConfig
from fleet_compiler.diagnostics.errors import UsageError
from fleet_compiler.emit.tables import resolve_connections, resolve_fleet, table_path
from fleet_compiler.load import load_fleet
from fleet_compiler.lock.entries import current_entries
from fleet_compiler.lock.lockfile import load_lock
from fleet_runtime.artifacts.contract import FLEET_TABLE, ProviderConfig, RoutedProvider
from fleet_runtime.catalog.describe import describe_model
from fleet_runtime.catalog.display_names import DisplayNames
from fleet_runtime.catalog.shapes import ListedCatalog, ListedModel, ListedProvider
from fleet_runtime.text import escape, join_names


@click.command(
    epilog=epilog(
        "fleet models",
        "fleet models --surface boochat",
        "fleet models --json | jq '.providers[].models[].id'",
        exits="0 success, 1 invalid configuration, 2 usage error",
    ),
)
@file_option
@click.option("--surface", help="Only what this surface may use.", shell_complete=complete_surface)
@json_option
def models(file: Path | None, surface: str | None, as_json: bool) -> None:
    """List the models of fleet.yaml and fleet.lock by provider, under the ids that requests use.

    Hidden models, which requests reach and lists leave out, are not shown.
    """
    config = fleet_file(file)
    fleet = load_fleet(config).fleet
    connections = resolve_connections(fleet)
    lock = current_entries(load_lock(config.parent / "fleet.lock"), connections)
    tables = resolve_fleet(fleet, lock, "..").tables
    every = tables[FLEET_TABLE].providers
    names = DisplayNames({provider.name: provider.label for provider in every})
    for provider in every:
        names.update(provider.name, provider.models)
    configs = {each.name: each for each in connections}
    catalog = ListedCatalog(
        providers=tuple(
            _describe(provider, configs[provider.name], names)
            for provider in tables[_table(fleet, surface)].providers
        )
    )
    if as_json:
        show_json(to_builtins(catalog))
        return
    for index, listed in enumerate(catalog.providers):
        if index:
            click.echo()
        _print(listed)


def _table(fleet: FleetConfig, surface: str | None) -> str:
    if surface is None:
        return FLEET_TABLE
    if surface not in fleet.surfaces:
        raise UsageError(f"no surface '{surface}' in fleet.yaml; there is {join_names(fleet.surfaces)}")
    return table_path(surface)


def _describe(provider: RoutedProvider, config: ProviderConfig, names: DisplayNames) -> ListedProvider:
    """Return the provider with what is known of its models without a probe."""
    shown = names.of(provider.name)
    described = (
        describe_model(
            provider,
            config,
            id,
            provider.models[id],
            name=name,
            available=config.enabled,
            state="unknown",
            favorite=False,
        )
        for id, name in shown.items()
    )
    return ListedProvider(
        name=provider.name,
        label=provider.label,
        class_=provider.class_,
        models=tuple(convert(model, ListedModel, from_attributes=True) for model in described),
    )


def _print(provider: ListedProvider) -> None:
    label = f" ({provider.label})" if provider.label != provider.name else ""
    cloud = ", cloud" if provider.class_ == "cloud" else ""
    say(escape(f"{provider.name}{label}{cloud}"), bold=True)
    if not provider.models:
        click.echo("  no models are known: run `fleet lock`")
    ids = [escape(model.id) for model in provider.models]
    width = max(map(len, ids), default=0)
    for id, model in zip(ids, provider.models, strict=True):
        click.echo(f"  {id:<{width}}  {escape(_facts(model))}".rstrip())


def _facts(model: ListedModel) -> str:
    words = []
    if model.context is not None:
        words.append(f"{model.context} tokens ({model.context_source})")
    if model.purpose != "chat":
        words.append(model.purpose)
    if model.tools:
        words.append("tools")
    if model.reasoning:
        words.append("reasoning")
    words += [kind for kind in model.input if kind != "text"]
    if model.aliases:
        words.append(f"also {', '.join(model.aliases)}")
    return ", ".join(words)
