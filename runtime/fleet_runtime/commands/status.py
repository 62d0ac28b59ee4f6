"""``fleet status``: the machines of a running gateway at a glance."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

import click

from fleet_runtime.client import GatewayClient, gateway_command, url_option

COLORS = {"online": "green", "unknown": "cyan", "degraded": "yellow", "disabled": "bright_black"}
COLUMNS = ("machine", "status", "since", "models", "loaded", "latency", "in flight", "last error")
CLEAR = "\x1b[2J\x1b[H"


@click.command(
    epilog="""
\b
Example:
  fleet status
  fleet status --watch
  fleet status --json | jq '.providers[] | select(.status != "online")'

\b
Exit codes: 0 fine, 1 refused, 2 usage, 4 no gateway answers.
"""
)
@url_option
@click.option("--watch", is_flag=True, help="Show it anew every second, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, as `GET /api/fleet` has it.")
def status(url: str | None, watch: bool, as_json: bool) -> None:
    """Show every machine: its status and since when, what is loaded, how it answers, what runs on it."""
    if watch and as_json:
        raise click.UsageError("--watch and --json do not go together")
    with gateway_command(url) as gateway:
        if watch:
            _watch(gateway)
            return
        fleet = gateway.get("/api/fleet")
        click.echo(json.dumps(fleet, indent=2, ensure_ascii=False) if as_json else overview(fleet, _now()))


def overview(fleet: dict[str, Any], now: datetime) -> str:
    """The table, and below it what else needs a look."""
    rows = [_row(provider, now) for provider in fleet["providers"]]
    widths = [max(len(row[at]) for row in [COLUMNS, *rows]) for at in range(len(COLUMNS))]
    lines = [_line(COLUMNS, widths)]
    for row in rows:
        line = _line(row, widths)
        lines.append(line.replace(row[1], click.style(row[1], fg=COLORS.get(row[1], "red")), 1))
    if fleet["refused"]:
        lines += ["", f"the newest build is refused, the one before it serves: {fleet['refused']}"]
    if fleet["needs_restart"]:
        lines += ["", f"changed, and waiting for a restart: {', '.join(fleet['needs_restart'])}"]
    if fleet["store"]["fault"]:
        lines += ["", f"favorites are not being saved: {fleet['store']['fault']}"]
    return "\n".join(lines)


def _row(provider: dict[str, Any], now: datetime) -> tuple[str, ...]:
    loaded = [*provider["loaded"], *(f"{model} (loading)" for model in provider["loading"])]
    running = [f"{model} ×{count}" for model, count in provider["in_flight"].items()]
    waiting = [f"{provider['waiting']} waiting"] if provider["waiting"] else []
    latency = provider["latency"] if provider["status"] != "offline" else None
    return (
        provider["name"],
        provider["status"],
        _ago(provider["since"], now),
        str(provider["models"]),
        ", ".join(loaded) or "-",
        "-" if latency is None else f"{latency * 1000:.0f} ms",
        ", ".join(running + waiting) or "-",
        provider["reason"] or "-",
    )


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _ago(moment: str, now: datetime) -> str:
    seconds = max(0, int((now - datetime.fromisoformat(moment)).total_seconds()))
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _now() -> datetime:
    return datetime.now(UTC)


def _watch(gateway: GatewayClient) -> None:
    while True:
        text = overview(gateway.get("/api/fleet"), _now())
        click.echo(f"{CLEAR}{text}\n\nCtrl-C ends this")
        time.sleep(1)
