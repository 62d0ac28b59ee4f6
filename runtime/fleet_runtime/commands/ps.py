"""``fleet ps``: show loaded models and their running requests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from fleet_runtime.client import open_gateway, url_option
from fleet_runtime.commands.help_epilog import GATEWAY_EXITS, epilog
from fleet_runtime.commands.json_output import show_document
from fleet_runtime.commands.table import Column, layout, output_width
from fleet_runtime.commands.wait_line import wait_line

if TYPE_CHECKING:
    from fleet_runtime.api.shapes import FleetStatus, LoadedModel, ProviderReport

COLORS = {"loaded": "green", "loading": "yellow"}
COLUMNS = (
    Column("model"),
    Column("state", color=COLORS.get),
    Column("provider"),
    Column("size", is_optional=True),
    Column("VRAM", is_optional=True),
    Column("until", is_optional=True),
    Column("requests"),
)


@click.command(
    epilog=epilog(
        "fleet ps",
        "fleet ps --json | jq '.providers[] | {name, loaded}'",
        exits=GATEWAY_EXITS,
    )
)
@url_option
@click.option("--json", "as_json", is_flag=True, help="Print the JSON of `GET /api/fleet`.")
def ps(url: str | None, as_json: bool) -> None:
    """Show the models that are loaded or loading, and their running requests.

    Only requests through this gateway are counted; it does not see others.
    """
    from fleet_runtime.api.shapes import FleetStatus

    with open_gateway(url) as gateway:
        with wait_line("waiting for the gateway"):
            content = gateway.send("GET", "/api/fleet")
        if as_json:
            show_document(content)
        else:
            click.echo("\n".join(loaded_models(gateway.parse(content, FleetStatus))))


def loaded_models(fleet: FleetStatus) -> list[str]:
    """Return a line for each model that is loaded, loading or in use."""
    rows = [row for provider in fleet.providers for row in _rows(provider)]
    return layout(COLUMNS, rows, output_width()) if rows else ["no model is loaded"]


def _rows(provider: ProviderReport) -> Iterator[tuple[str, ...]]:
    states = dict.fromkeys(provider.loaded, "loaded") | dict.fromkeys(provider.loading, "loading")
    memory = () if provider.memory is None else provider.memory.models
    known = {each.model: each for each in memory}
    for model in dict.fromkeys((*states, *provider.in_flight)):
        running, said = provider.in_flight.get(model, 0), known.get(model)
        yield (
            model,
            states.get(model, "unknown"),
            provider.name,
            _gigabytes(None if said is None else said.size),
            _gigabytes(None if said is None else said.vram),
            _until(said),
            str(running) if running else "",
        )


def _gigabytes(size: int | None) -> str:
    return "" if size is None else f"{size / 1e9:.1f} GB"


def _until(said: LoadedModel | None) -> str:
    """Return when a model unloads: a time of day, or the idle seconds after which it does."""
    if said is None or (said.expires_at is None and said.ttl is None):
        return ""
    return f"{said.ttl} s idle" if said.expires_at is None else said.expires_at[11:16]
