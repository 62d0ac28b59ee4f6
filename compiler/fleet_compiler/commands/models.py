"""``fleet models``."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import click
import msgspec
from click.core import ParameterSource

from fleet_compiler.commands.fleet_names import complete_surface
from fleet_compiler.commands.options import file_option, fleet_file, json_option
from fleet_compiler.commands.terminal import note, say
from fleet_compiler.config.model import FleetConfig
from fleet_compiler.diagnostics.errors import UsageError
from fleet_compiler.emit.tables import resolve_connections, resolve_fleet, table_path
from fleet_compiler.load import load_fleet
from fleet_compiler.lock.entries import current_entries
from fleet_compiler.lock.lockfile import load_lock
from fleet_compiler.project import lock_path
from fleet_runtime.artifacts.contract import FLEET_TABLE, ProviderConfig, RoutedProvider
from fleet_runtime.catalog.describe import describe_model
from fleet_runtime.catalog.display_names import DisplayNames
from fleet_runtime.catalog.shapes import (
    CatalogModel,
    CatalogProvider,
    ListedCatalog,
    ListedModel,
    ListedProvider,
    ModelCatalog,
)
from fleet_runtime.client import api_path, open_gateway, url_option
from fleet_runtime.commands.help_epilog import epilog
from fleet_runtime.commands.json_output import show_document
from fleet_runtime.commands.table import Column, layout, output_width
from fleet_runtime.commands.wait_line import wait_line
from fleet_runtime.dialects.status_reason import status_word
from fleet_runtime.targets import find_gateway
from fleet_runtime.text import join_names

COLUMNS = (Column("id"), Column("facts", is_detail=True))

Listed: TypeAlias = Sequence[ListedProvider | CatalogProvider]


@click.command(
    epilog=epilog(
        "fleet models",
        "fleet models --surface boochat",
        "fleet models --url http://100.101.41.16:8400",
        "fleet models --json | jq '.providers[].models[].id'",
        exits={
            0: "success",
            1: "the configuration is invalid, or the gateway rejected the request",
            2: "usage error",
            4: "the gateway did not respond",
        },
    ),
)
@file_option
@url_option
@click.option(
    "--surface", help="List only models that this surface may use.", shell_complete=complete_surface
)
@json_option
def models(file: Path | None, url: str | None, surface: str | None, as_json: bool) -> None:
    """List all models by provider, with the ids that requests use.

    The models come from fleet.yaml and fleet.lock; with --url, or without a fleet.yaml, from the gateway's
    latest probes. Hidden models are left out. The source of each context is shown; a `trained` context is
    only an upper bound, because the server may run the model with less.
    """
    is_named = click.get_current_context().get_parameter_source("url") is ParameterSource.COMMANDLINE
    if file is not None and is_named:
        raise click.UsageError("-f and --url cannot be used together")
    if file is None and (url is not None or _only_gateway()):
        with open_gateway(url) as gateway, wait_line("waiting for the gateway"):
            document = gateway.send("GET", api_path("api", "models", surface=surface))
            listed: Listed = gateway.parse(document, ModelCatalog).providers
            source = f"models of the gateway {gateway.url}"
    else:
        config = fleet_file(file)
        locked = list_locked(config, surface)
        document, listed = msgspec.json.encode(locked), locked.providers
        lock = lock_path(config).name
        source = f"models of '{config}' and '{lock}'; --url URL lists those of a running gateway"
    if as_json:
        show_document(document)
    else:
        note(source)
        _show(listed)


def _only_gateway() -> bool:
    """Return whether a gateway is the only thing that names a fleet here."""
    target = find_gateway(os.environ)
    return target is not None and target.url is not None


def list_locked(config: Path, surface: str | None) -> ListedCatalog:
    """Return the models that fleet.yaml and fleet.lock know, without a probe."""
    fleet = load_fleet(config).fleet
    connections = resolve_connections(fleet)
    lock = current_entries(load_lock(lock_path(config)), connections)
    tables = resolve_fleet(fleet, lock, "..").tables
    every = tables[FLEET_TABLE].providers
    names = DisplayNames({provider.name: provider.label for provider in every})
    for provider in every:
        names.update(provider.name, provider.models)
    configs = {each.name: each for each in connections}
    return ListedCatalog(
        providers=tuple(
            _describe(provider, configs[provider.name], names)
            for provider in tables[_table(fleet, surface)].providers
        )
    )


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
        models=tuple(msgspec.convert(model, ListedModel, from_attributes=True) for model in described),
    )


def _show(providers: Listed) -> None:
    """Print each provider with its models: an id is never shortened, what is known of it may be."""
    width = output_width()
    for index, provider in enumerate(providers):
        if index:
            click.echo()
        say(_title(provider), bold=True)
        if not provider.models:
            click.echo("  no models are known: run `fleet lock`")
        rows = [(model.id, ", ".join(_facts(model))) for model in provider.models]
        for line in layout(COLUMNS, rows, width, has_header=False, indent="  "):
            click.echo(line)


def _title(provider: ListedProvider | CatalogProvider) -> str:
    label = f" ({provider.label})" if provider.label != provider.name else ""
    words = ["cloud"] if provider.class_ == "cloud" else []
    if isinstance(provider, CatalogProvider) and provider.status != "online":
        word = status_word(provider.status, provider.reason)
        words.append(word if provider.reason is None else f"{word}: {provider.reason}")
    return ", ".join((provider.name + label, *words))


def _facts(model: ListedModel) -> Iterator[str]:
    if isinstance(model, CatalogModel) and model.state in ("loaded", "loading"):
        yield model.state
    if model.context is not None:
        yield f"{model.context} tokens ({model.context_source})"
    if model.purpose != "chat":
        yield model.purpose
    if model.tools:
        yield "tools"
    if model.reasoning:
        yield "reasoning"
    yield from (kind for kind in model.input if kind != "text")
    if model.aliases:
        yield f"also {', '.join(model.aliases)}"
