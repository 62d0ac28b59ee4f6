"""``fleet models``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from fleet_compiler.commands.options import epilog, file_option, fleet_file
from fleet_compiler.commands.terminal import say
from fleet_compiler.config.model import FleetConfig
from fleet_compiler.diagnostics.errors import UsageError
from fleet_compiler.emit.tables import resolve_connections, resolve_fleet, table_path
from fleet_compiler.load import load_fleet
from fleet_compiler.lock.entries import current_entries
from fleet_compiler.lock.lockfile import load_lock
from fleet_runtime.artifacts.contract import FLEET_TABLE, RoutedModel, RoutedProvider, to_data
from fleet_runtime.text import join_names


@click.command(
    short_help="List all models by machine.",
    epilog=epilog(
        "fleet models",
        "fleet models --surface boochat",
        "fleet models --json | jq '.providers[].models[].id'",
        exits="0 fine, 1 invalid configuration, 2 usage",
    ),
)
@file_option
@click.option("--surface", help="Only what this surface may use.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, with everything that is known.")
def models(file: Path | None, surface: str | None, as_json: bool) -> None:
    """List the models of fleet.yaml and fleet.lock by machine, under the ids that requests use.

    Hidden models, which requests reach and lists leave out, are not shown.
    """
    config = fleet_file(file)
    fleet = load_fleet(config).fleet
    lock = current_entries(load_lock(config.parent / "fleet.lock"), resolve_connections(fleet))
    table = resolve_fleet(fleet, lock, "..").tables[_table(fleet, surface)]
    if as_json:
        click.echo(
            json.dumps({"providers": [_data(each) for each in table.providers]}, indent=2, ensure_ascii=False)
        )
        return
    for index, provider in enumerate(table.providers):
        if index:
            click.echo()
        _print(provider)


def _table(fleet: FleetConfig, surface: str | None) -> str:
    if surface is None:
        return FLEET_TABLE
    if surface not in fleet.surfaces:
        raise UsageError(f"no surface '{surface}' in fleet.yaml; there is {join_names(fleet.surfaces)}")
    return table_path(surface)


def _shown(provider: RoutedProvider) -> dict[str, RoutedModel]:
    return {id: facts for id, facts in provider.models.items() if not facts.hidden}


def _data(provider: RoutedProvider) -> dict[str, Any]:
    return {
        "name": provider.name,
        "label": provider.label,
        "class": provider.class_,
        "models": [
            {"id": f"{provider.name}/{id}", "provider": provider.name, "model": id} | to_data(facts)
            for id, facts in _shown(provider).items()
        ],
    }


def _print(provider: RoutedProvider) -> None:
    label = f" ({provider.label})" if provider.label != provider.name else ""
    cloud = ", cloud" if provider.class_ == "cloud" else ""
    say(f"{provider.name}{label}{cloud}", bold=True)
    shown = _shown(provider)
    if not shown:
        click.echo("  no models are known: run `fleet lock`")
    width = max((len(f"{provider.name}/{id}") for id in shown), default=0)
    for id, facts in shown.items():
        click.echo(f"  {f'{provider.name}/{id}':<{width}}  {_facts(facts)}".rstrip())


def _facts(facts: RoutedModel) -> str:
    words = []
    if facts.context is not None:
        words.append(f"{facts.context} tokens ({facts.context_source})")
    if facts.purpose not in (None, "chat"):
        words.append(str(facts.purpose))
    if facts.tools:
        words.append("tools")
    if facts.reasoning:
        words.append("reasoning")
    words += [kind for kind in facts.input or () if kind != "text"]
    if facts.aliases:
        words.append(f"also {', '.join(facts.aliases)}")
    return ", ".join(words)
