"""``fleet resolve``."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from fleet_compiler.commands.options import epilog, file_option, fleet_file, generated_option
from fleet_compiler.commands.terminal import say, warn
from fleet_compiler.diagnostics.errors import ConfigError, StaleArtifactsError, UsageError
from fleet_compiler.diagnostics.text import short
from fleet_compiler.emit.plan import MANIFEST
from fleet_compiler.load import load_fleet
from fleet_compiler.pipeline import model_digest
from fleet_compiler.project import locate_project
from fleet_runtime.artifacts.contract import Manifest, ProviderConfig, RoutedModel, RoutingTable
from fleet_runtime.artifacts.snapshot import ArtifactError, Snapshot, load_snapshot
from fleet_runtime.routing.resolver import Resolution, lock_view
from fleet_runtime.routing.resolver import resolve_model as route
from fleet_runtime.text import join_names

CHAT = "/v1/chat/completions"

RULES = {
    "role": "a role",
    "alias": "an alias of fleet.yaml",
    "provider": "the text before the first slash is a provider's name",
    "bare": "no provider is named, so the default provider is meant",
}


@click.command(
    short_help="Say which machine a model's name means.",
    epilog=epilog(
        "fleet resolve embedding/qwen3-8b",
        "fleet resolve qwen3-8b --surface boochat",
        "fleet resolve @task --json",
        exits="0 found, 1 no such model (or invalid files), 2 usage, 3 generated files are missing or mixed",
    ),
)
@click.argument("id")
@file_option
@generated_option
@click.option("--surface", help="As a request on this surface means it.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, in the shape of GET /api/resolve.")
def resolve(id: str, file: Path | None, generated: Path | None, surface: str | None, as_json: bool) -> None:
    """Say which machine and model ID means in a chat request, and by which rule.

    Answers from generated/ alone, with the gateway's own router; no machine is asked.
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
        raise UsageError(f"no surface '{surface}' in '{folder}'; there is {names}")
    if config is not None:
        _compare(config, folder)
    answer = route(table, _view(snapshot, table), id, falls_back=True)
    connection = snapshot.connections.get(answer.provider or "")
    facts = _facts(table, answer)
    if as_json:
        click.echo(json.dumps(_data(answer, connection, facts), indent=2, ensure_ascii=False))
    else:
        _print(answer, connection, facts, table)
    if answer.refusal is not None:
        raise click.exceptions.Exit(1)


def _compare(config: Path, folder: Path) -> None:
    """Say so where `folder` was made from another fleet.yaml than there is now."""
    built = Manifest.model_validate_json((folder / MANIFEST).read_bytes()).model
    try:
        current = model_digest(load_fleet(config).fleet)
    except ConfigError:
        warn(f"'{config}' is invalid now; this answer is from the last build: run `fleet validate`")
        return
    if current != built:
        warn(f"'{config}' has changed since the last build, which this answer is from: run `fleet build`")


def _view(snapshot: Snapshot, table: RoutingTable) -> dict[str, Any]:
    """The machines as the lock knows them; those that fleet.yaml switches off are disabled."""
    return {
        name: machine if snapshot.connections[name].enabled else replace(machine, status="disabled")
        for name, machine in lock_view(table).items()
    }


def _why(answer: Resolution, table: RoutingTable) -> str:
    if not answer.fallback:
        return RULES[answer.rule]
    if answer.rule == "role":
        return f"{RULES['role']}, whose earlier choices are not there"
    role = f"the role 'default' of {table.surface or 'the fleet'}"
    return f"{table.default_provider} has no '{short(answer.requested)}'; {role} answers instead"


def _facts(table: RoutingTable, answer: Resolution) -> RoutedModel:
    for provider in table.providers:
        if provider.name == answer.provider and answer.listed is not None:
            return provider.models[answer.listed]
    return RoutedModel()


def _via(connection: ProviderConfig | None) -> str | None:
    if connection is None:
        return None
    return "sidecar" if connection.sidecar is not None and CHAT in connection.sidecar.paths else "direct"


def _data(answer: Resolution, connection: ProviderConfig | None, facts: RoutedModel) -> dict[str, Any]:
    data: dict[str, Any] = {
        "requested": answer.requested,
        "id": answer.id,
        "provider": answer.provider,
        "model": answer.model,
        "class": connection.class_ if connection is not None else None,
        "rule": answer.rule,
        "fallback": answer.fallback,
        "available": answer.available,
        "via": _via(connection),
        "context": facts.context,
        "context_source": facts.context_source,
    }
    if answer.refusal is not None:
        data["reason"] = answer.refusal.code
        data["message"] = answer.refusal.message
        data["suggestions"] = list(answer.refusal.suggestions)
    return data


def _print(
    answer: Resolution, connection: ProviderConfig | None, facts: RoutedModel, table: RoutingTable
) -> None:
    say(answer.id or answer.requested, bold=True)
    if answer.refusal is not None:
        say(f"  refused  {answer.refusal.message}", fg="red")
        for suggestion in answer.refusal.suggestions:
            say(f"  try      {suggestion}")
    if connection is not None:
        say(f"  machine  {connection.name} ({connection.class_}), {connection.url}")
        if answer.refusal is None:
            say(f"  via      {_via(connection)}")
    say(f"  rule     {answer.rule}: {_why(answer, table)}")
    if facts.context is not None:
        say(f"  context  {facts.context} ({facts.context_source})")
