"""``fleet activity``: the requests through a running gateway."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, get_args

import click

from fleet_runtime.client import GatewayClient, api_path, open_gateway, url_option
from fleet_runtime.commands.help_epilog import GATEWAY_EXITS, epilog
from fleet_runtime.commands.table import Column, layout, output_width
from fleet_runtime.commands.wait_line import wait_line
from fleet_runtime.proxy.request_record import EndReason
from fleet_runtime.text import escape_json

if TYPE_CHECKING:
    from fleet_runtime.api.shapes import RecentRequests
    from fleet_runtime.telemetry.activity_row import RequestActivity

FOLLOW_SECONDS = 0.5
COLORS = {"ok": "green", "client_gone": "yellow", "cancelled": "yellow"}
RUNNING = ("receiving", "queued", "waiting", "responding")
COLUMNS = (
    Column("time"),
    Column("end", color=lambda end: _color(end)),
    Column("surface", is_optional=True),
    Column("model"),
    Column("state", is_optional=True),
    Column("first byte", is_optional=True),
    Column("total"),
    Column("in"),
    Column("out"),
    Column("tok/s"),
    Column("id", is_optional=True),
)


@click.command(
    epilog=epilog(
        "fleet activity",
        "fleet activity -f --surface boochat",
        "fleet activity --end-reason upstream_cut --json | jq '.requests[].model'",
        "fleet activity --capture 1f0c9a3e-41",
        "fleet activity --curl 1f0c9a3e-41 | sh",
        exits=GATEWAY_EXITS,
    )
)
@url_option
@click.option(
    "--surface", help="Show only requests to this surface. Required with a key that is limited to surfaces."
)
@click.option("--provider", help="Show only requests to this provider.")
@click.option(
    "--model", help="Show only requests for this model: `provider/model`, or the provider's own id."
)
@click.option(
    "--end-reason",
    type=click.Choice(get_args(EndReason)),
    help="Show only requests that ended for this reason.",
)
@click.option(
    "--limit",
    type=click.IntRange(0, 1000),
    default=20,
    show_default=True,
    help="The number of finished requests to show.",
)
@click.option("-f", "--follow", is_flag=True, help="Show each further request when it ends, until Ctrl-C.")
@click.option(
    "--capture", metavar="ID", help="Show one request and its response in full, if `gateway.captures` is set."
)
@click.option("--curl", metavar="ID", help="Print a captured request as a curl command that repeats it.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print the JSON of `GET /api/activity`, or of the capture; with -f, one line per request.",
)
def activity(
    url: str | None,
    surface: str | None,
    provider: str | None,
    model: str | None,
    end_reason: str | None,
    limit: int,
    follow: bool,
    capture: str | None,
    curl: str | None,
    as_json: bool,
) -> None:
    """Show running and recently finished requests, with times and tokens.

    Token counts come from the provider's response; `-` means unknown. `state` is the state of the model when
    the request was sent; any state except `loaded` is a cold start. The text of requests is not stored,
    except with `gateway.captures` in fleet.yaml, and then in memory only.
    """
    chosen = {"surface": surface, "provider": provider, "model": model, "end_reason": end_reason}
    query = {name: value for name, value in chosen.items() if value is not None}
    with open_gateway(url) as gateway:
        if capture is not None or curl is not None:
            _show_capture(gateway, capture, curl, as_json=as_json)
        elif follow:
            _follow(gateway, query, limit, as_json=as_json)
        elif as_json:
            from fleet_runtime.commands.json_output import show_document

            show_document(gateway.send("GET", activity_path(query | {"limit": str(limit)})))
        else:
            with wait_line("waiting for the gateway"):
                recent = read_activity(gateway, query | {"limit": str(limit)})
            rows = [*recent.running, *recent.requests]
            none = "no requests yet" if query.keys() <= {"surface"} else "no requests match"
            click.echo("\n".join(request_table(rows)) if rows else none)


def activity_path(query: dict[str, str]) -> str:
    return api_path("api", "activity", **query)


def read_activity(gateway: GatewayClient, query: dict[str, str]) -> RecentRequests:
    from fleet_runtime.api.shapes import RecentRequests

    return gateway.get(activity_path(query), RecentRequests)


def request_table(rows: Sequence[RequestActivity], earlier: list[int] | None = None) -> list[str]:
    """Return the lines of a table of requests; `earlier` as for `layout`."""
    return layout(COLUMNS, [_row(row) for row in rows], output_width(), earlier=earlier)


def _row(row: RequestActivity) -> tuple[str, ...]:
    failed = row.end_reason == "ok" and row.status is not None and row.status >= 400
    end = str(row.status) if failed else row.end_reason or row.phase
    return (
        row.started_at[11:19],
        end if row.code is None else f"{end} ({row.code})",
        row.surface or "",
        f"{row.provider}/{row.model}" if row.provider and row.model else row.requested or "",
        row.state or "",
        "" if row.first_byte is None else f"{row.first_byte:.2f} s",
        f"{row.total:.2f} s",
        "" if row.tokens_in is None else str(row.tokens_in),
        "" if row.tokens_out is None else str(row.tokens_out),
        "" if row.tokens_per_second is None else f"{row.tokens_per_second:.1f}",
        row.id,
    )


def _color(end: str) -> str | None:
    if end in RUNNING:
        return "cyan"
    return None if end == "end" else COLORS.get(end, "red")


def _show_capture(gateway: GatewayClient, capture: str | None, curl: str | None, *, as_json: bool) -> None:
    """Print one request in full, or the command that repeats it."""
    from fleet_runtime.api.capture_shapes import RequestCapture
    from fleet_runtime.commands.capture_lines import capture_lines

    path = api_path("api", "activity", capture or curl or "", "capture")
    if as_json:
        from fleet_runtime.commands.json_output import show_document

        show_document(gateway.send("GET", path))
        return
    found = gateway.get(path, RequestCapture)
    if curl is None:
        click.echo("\n".join(capture_lines(found)))
    elif found.curl is None:
        raise click.ClickException(
            "this request cannot be repeated: its body is not complete in the capture; raise"
            " `gateway.captures.body`"
        )
    else:
        click.echo(found.curl)


def _follow(gateway: GatewayClient, query: dict[str, str], limit: int, *, as_json: bool) -> None:
    import msgspec

    earlier: list[int] = []
    found = read_activity(gateway, query | {"limit": str(max(limit, 1))}).requests
    shown = found[:limit]
    if not shown and not as_json:
        click.echo("waiting for requests to end; Ctrl-C stops", err=True)
    while True:
        for row in reversed(shown) if as_json else ():
            click.echo(escape_json(msgspec.json.encode(row).decode()))
        if shown and not as_json:
            click.echo("\n".join(request_table(shown[::-1], earlier)))
        time.sleep(FOLLOW_SECONDS)
        since = {"after": found[0].id} if found else {}
        shown = read_activity(gateway, query | {"limit": "1000"} | since).requests
        found = shown or found
