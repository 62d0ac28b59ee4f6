"""``fleet status`` of several gateways behind a load balancer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import click
import msgspec

from fleet_runtime.api.shapes import FleetStatus
from fleet_runtime.client import GatewayUnreachableError, GatewayVersionError, open_gateway
from fleet_runtime.commands.json_output import show_document
from fleet_runtime.commands.table import Column, layout, output_width
from fleet_runtime.commands.wait_line import wait_line
from fleet_runtime.text import escape
from fleet_runtime.urls import mask_url

DIFFERENT = 1
UNREACHABLE = 4
SHOWN_ID = 19
"""The number of characters of a snapshot's id that distinguish it from others."""

COLUMNS = (
    Column("gateway"),
    Column("snapshot"),
    Column("providers", is_optional=True),
    Column("state", is_optional=True),
    Column("what else", is_detail=True),
)


@dataclass(frozen=True, slots=True)
class Gateway:
    """One gateway's report, None if it failed with `failure`."""

    url: str
    report: FleetStatus | None
    failure: str = ""


def show_gateways(urls: Sequence[str], as_json: bool) -> None:
    """Print a row for each gateway; raise click's Exit with `UNREACHABLE` or `DIFFERENT`."""
    with wait_line("waiting for the gateways"):
        gateways = [_ask(url) for url in urls]
    snapshots = {each.report.snapshot for each in gateways if each.report is not None}
    if as_json:
        rows = [
            {"url": each.url, "snapshot": each.report and each.report.snapshot, "error": each.failure or None}
            for each in gateways
        ]
        show_document(msgspec.json.encode({"same": len(snapshots) == 1, "gateways": rows}))
    else:
        click.echo("\n".join(layout(COLUMNS, [_row(each) for each in gateways], output_width())))
        if len(snapshots) > 1:
            click.echo("\nthe gateways serve different snapshots: copy the same generated/ to each gateway")
    if any(each.report is None for each in gateways):
        raise click.exceptions.Exit(UNREACHABLE)
    if len(snapshots) > 1:
        raise click.exceptions.Exit(DIFFERENT)


def _ask(url: str) -> Gateway:
    try:
        with open_gateway(url) as gateway:
            return Gateway(gateway.url, gateway.get("/api/fleet", FleetStatus))
    except (GatewayUnreachableError, GatewayVersionError) as error:
        reason = error.reason if isinstance(error, GatewayUnreachableError) else "runs another version"
        return Gateway(mask_url(url), None, reason)
    except click.UsageError:
        raise
    except click.ClickException as error:
        return Gateway(mask_url(url), None, error.message)


def _row(gateway: Gateway) -> tuple[str, ...]:
    report = gateway.report
    if report is None:
        return gateway.url, "", "", "", gateway.failure
    online = sum(provider.status == "online" for provider in report.providers)
    notes = [f"rejected the newest build: {report.refused}"] if report.refused else []
    notes += [report.store.reason] if report.store.reason else []
    counts = f"{online} of {len(report.providers)} online"
    return gateway.url, report.snapshot[:SHOWN_ID], counts, report.store.state, escape("; ".join(notes))
