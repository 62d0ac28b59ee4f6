"""``fleet status``: show the status of every provider."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from fleet_runtime.client import GatewayClient, GatewayVersionError, open_gateway
from fleet_runtime.commands.help_epilog import GATEWAY_EXITS, epilog
from fleet_runtime.commands.table import Column, layout, output_width
from fleet_runtime.commands.wait_line import wait_line
from fleet_runtime.dialects.status_reason import status_word
from fleet_runtime.targets import URL_VARIABLE
from fleet_runtime.text import count, escape

if TYPE_CHECKING:
    from fleet_runtime.api.shapes import FleetStatus, ProviderReport

COLORS = {
    "online": "green",
    "unknown": "cyan",
    "waking": "cyan",
    "disabled": "bright_black",
}
COLUMNS = (
    Column("provider"),
    Column("status", color=lambda status: COLORS.get(status, "red") if status != "status" else None),
    Column("since", is_optional=True),
    Column("models", is_optional=True),
    Column("latency", is_optional=True),
    Column("loaded", is_detail=True),
    Column("in flight", is_detail=True),
    Column("last error", is_detail=True),
)
STORE = {"down": "favorites are not being saved", "up": "the state was damaged"}
WAITING = "waiting for the gateway"
CLEAR = "\x1b[2J\x1b[H"


@click.command(
    epilog=epilog(
        "fleet status",
        "fleet status --watch",
        "fleet status --url http://one.lab:8400 --url http://two.lab:8400",
        """fleet status --json | jq '.providers[] | select(.status != "online")'""",
        exits={
            **GATEWAY_EXITS,
            1: "the gateway rejected the request, or several gateways serve different snapshots",
        },
    )
)
@click.option(
    "--url",
    metavar="URL",
    envvar=URL_VARIABLE,
    multiple=True,
    help=f"The gateway; repeat for several. Default: ${URL_VARIABLE}, the gateway of the nearest fleet.yaml, "
    "or the one set by `fleet use`.",
)
@click.option("--watch", is_flag=True, help="Refresh every second, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print the JSON of `GET /api/fleet`.")
def status(url: tuple[str, ...], watch: bool, as_json: bool) -> None:
    """Show the status, loaded models, latency and running requests of every provider.

    With several --url, show which snapshot each gateway serves.
    """
    if watch and as_json:
        raise click.UsageError("--watch and --json cannot be used together")
    if len(url) > 1:
        from fleet_runtime.commands.status_of_many import show_gateways

        if watch:
            raise click.UsageError("--watch takes one --url")
        show_gateways(url, as_json)
        return
    with open_gateway(url[0] if url else None) as gateway:
        if as_json:
            from fleet_runtime.commands.json_output import show_document

            with wait_line(WAITING):
                document = gateway.send("GET", "/api/fleet")
            show_document(document)
        elif watch:
            _watch(gateway)
        else:
            with wait_line(WAITING):
                text = _overview(gateway)
            click.echo(text)


def overview(fleet: FleetStatus, now: datetime, width: int | None = None) -> str:
    """Return the table, at most `width` columns wide, followed by other problems."""
    lines = layout(COLUMNS, [_row(provider, now) for provider in fleet.providers], width)
    if fleet.refused:
        rejected = "rejected the newest build; still serving the previous one"
        lines += ["", f"{rejected}: {escape(fleet.refused)}"]
    if fleet.needs_restart:
        lines += ["", f"changes that need a restart: {escape(', '.join(fleet.needs_restart))}"]
    if fleet.captures is not None:
        kept = count(fleet.captures.keep, "request")
        lines += ["", f"captures are on: the last {kept} are kept in memory, prompts included"]
    if fleet.store.reason:
        lines += ["", f"{STORE[fleet.store.state]}: {escape(fleet.store.reason)}"]
        lines += [f"→ {escape(fleet.store.remedy)}"] if fleet.store.remedy else []
    return "\n".join(lines)


def _overview(gateway: GatewayClient) -> str:
    from fleet_runtime.api.shapes import FleetStatus

    fleet = gateway.get("/api/fleet", FleetStatus)
    try:
        return overview(fleet, datetime.now(UTC), output_width())
    except (ValueError, TypeError):  # a `since` that is not a time, or has no zone
        raise GatewayVersionError(gateway.url) from None


def _row(provider: ProviderReport, now: datetime) -> tuple[str, ...]:
    loaded = [*provider.loaded, *(f"{model} (loading)" for model in provider.loading)]
    running = [f"{model} ×{count}" for model, count in provider.in_flight.items()]
    waiting = [f"{provider.waiting} waiting"] if provider.waiting else []
    latency = provider.latency if provider.status != "offline" else None
    return (
        provider.name,
        status_word(provider.status, provider.reason),
        _ago(provider.since, now),
        str(provider.models),
        "" if latency is None else f"{latency * 1000:.0f} ms",
        ", ".join(loaded),
        ", ".join(running + waiting),
        provider.reason or "",
    )


def _ago(moment: str, now: datetime) -> str:
    seconds = max(0, int((now - datetime.fromisoformat(moment)).total_seconds()))
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _watch(gateway: GatewayClient) -> None:
    while True:
        click.echo(f"{CLEAR}{_overview(gateway)}\n\nCtrl-C stops")
        time.sleep(1)
