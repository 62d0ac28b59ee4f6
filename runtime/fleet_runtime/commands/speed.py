"""``fleet speed``: compare the speed of models on different providers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fleet_runtime.client import api_path, open_gateway, url_option
from fleet_runtime.commands.help_epilog import GATEWAY_EXITS, epilog
from fleet_runtime.commands.json_output import show_document
from fleet_runtime.commands.table import Column, layout, output_width
from fleet_runtime.commands.wait_line import wait_line
from fleet_runtime.text import quote

if TYPE_CHECKING:
    from fleet_runtime.api.series_shapes import ProviderSpeed, Speeds

COLUMNS = (
    Column("model"),
    Column("provider"),
    Column("warm"),
    Column("cold"),
    Column("tokens/s"),
    Column("context", is_optional=True),
    Column("requests", is_optional=True),
)


@click.command(
    epilog=epilog(
        "fleet speed",
        "fleet speed qwen3-8b",
        "fleet speed --json | jq '.models[].providers[] | {id, tokens_per_second}'",
        exits=GATEWAY_EXITS,
    )
)
@click.argument("model", required=False)
@click.option(
    "--surface", help="Show only providers of this surface. Required with a key that is limited to surfaces."
)
@url_option
@click.option("--json", "as_json", is_flag=True, help="Print the JSON of `GET /api/speed`.")
def speed(model: str | None, surface: str | None, url: str | None, as_json: bool) -> None:
    """Compare the speed of models on different providers, from the requests of the last 30 days.

    Shows medians, estimated from histograms: the time to the first byte of a stream with the model loaded
    (warm) and not loaded (cold), and tokens per second. MODEL limits the list to one model: `provider/model`,
    or the provider's own id. To measure with test requests, use `fleet bench`.
    """
    from fleet_runtime.api.series_shapes import Speeds

    with open_gateway(url) as gateway:
        with wait_line("waiting for the gateway"):
            content = gateway.send("GET", api_path("api", "speed", model=model, surface=surface))
        if as_json:
            show_document(content)
            return
        speeds = gateway.parse(content, Speeds)
    click.echo("\n".join(speed_table(speeds, model)))


def speed_table(speeds: Speeds, model: str | None = None) -> list[str]:
    """Return a line for each model on each provider; `model` limits it to one model."""
    rows = [_row(each.model, provider) for each in speeds.models for provider in each.providers]
    if not rows:
        of = "" if model is None else f" for {quote(model)}"
        return [f"no requests{of} yet: `fleet bench MODEL` sends test requests"]
    return layout(COLUMNS, rows, output_width())


def _row(model: str, provider: ProviderSpeed) -> tuple[str, ...]:
    rate = provider.tokens_per_second
    return (
        model,
        provider.provider,
        "" if provider.warm_ms is None else f"~{provider.warm_ms} ms",
        "" if provider.cold_ms is None else f"~{provider.cold_ms} ms",
        "" if rate is None else f"~{rate:.0f}",
        "" if provider.context is None else str(provider.context),
        str(provider.requests),
    )
