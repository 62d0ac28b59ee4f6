"""``fleet top``: show providers and requests live."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import click

from fleet_runtime.client import GatewayClient, api_path, open_gateway, url_option
from fleet_runtime.commands.activity import read_activity, request_table
from fleet_runtime.commands.help_epilog import GATEWAY_EXITS, epilog
from fleet_runtime.commands.status import CLEAR, overview
from fleet_runtime.commands.table import output_width

LATEST = 15


@click.command(
    epilog=epilog(
        "fleet top",
        "fleet top --surface boochat",
        exits={**GATEWAY_EXITS, 130: "stopped with Ctrl-C"},
    )
)
@url_option
@click.option("--surface", help="Show only this surface. Required with a key that is limited to surfaces.")
def top(url: str | None, surface: str | None) -> None:
    """Show providers, running and finished requests, refreshed every second, until Ctrl-C."""
    with open_gateway(url) as gateway:
        while True:
            click.echo(f"{CLEAR}{picture(gateway, surface)}\n\nCtrl-C stops")
            time.sleep(1)


def picture(gateway: GatewayClient, surface: str | None) -> str:
    """Return the screen: providers, then running and finished requests."""
    from fleet_runtime.api.shapes import FleetStatus

    query = {} if surface is None else {"surface": surface}
    path = api_path("api", "fleet", surface=surface)
    fleet = gateway.get(path, FleetStatus)
    recent = read_activity(gateway, query | {"limit": str(LATEST)})
    rows = (*recent.running, *recent.requests)
    requests = "\n".join(request_table(rows)) if rows else "no requests yet"
    return f"{overview(fleet, datetime.now(UTC), output_width())}\n\n{requests}"
