"""``fleet doctor``: find problems in a running fleet, with remedies."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from fleet_runtime.client import nearest_generated, url_option
from fleet_runtime.commands.help_epilog import GATEWAY_EXITS, epilog
from fleet_runtime.commands.wait_line import wait_line
from fleet_runtime.text import count, escape

if TYPE_CHECKING:
    from fleet_runtime.doctor.collect import CollectedReport
    from fleet_runtime.doctor.gateway_checks import DoctorFinding

COLORS = {"error": "red", "warning": "yellow", "note": "cyan"}
TITLES = {
    "gateway": "Gateway",
    "machines": "Providers",
    "roles": "Roles",
    "favorites": "Favorites",
    "names": "Old names",
    "files": "Files here",
    "opencode": "opencode here",
}
UNREACHABLE = 4


@click.command(
    epilog=epilog(
        "fleet doctor",
        "fleet doctor --url http://100.101.41.16:8400",
        r"""fleet doctor --json | jq -r '.findings[] | "\(.severity) \(.where)"'""",
        exits={**GATEWAY_EXITS, 0: "no findings, or only notes", 1: "errors or warnings"},
    ),
)
@url_option
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def doctor(url: str | None, as_json: bool) -> None:
    """Find problems in a running fleet, with a remedy for each.

    Checks the state of the gateway, compares the nearest fleet.yaml with its fleet.lock and generated/, and
    reads opencode's configuration. Changes nothing and loads no model.
    """
    from fleet_runtime.doctor.collect import collect_findings

    with wait_line("checking the gateway and the files here"):
        report = collect_findings(url, nearest_generated(), os.environ)
    if as_json:
        _show_json(report)
    else:
        click.echo(render(report))
    if not report.reachable:
        raise click.exceptions.Exit(UNREACHABLE)
    if any(finding.severity != "note" for finding in report.findings):
        raise click.exceptions.Exit(1)


def render(report: CollectedReport) -> str:
    """Return the findings by area, the worst first, each with its remedy below it."""
    lines = []
    for area, title in TITLES.items():
        found = [finding for finding in report.findings if finding.area == area]
        if found:
            lines += [click.style(title, bold=True), *_shown(found), ""]
    return "\n".join([*lines, _summary(report)])


def _shown(findings: Iterable[DoctorFinding]) -> list[str]:
    ranks = list(COLORS)
    lines = []
    for finding in sorted(findings, key=lambda finding: ranks.index(finding.severity)):
        severity = click.style(f"{finding.severity:<7}", fg=COLORS[finding.severity])
        lines.append(f"  {severity}  {escape(f'{finding.where} {finding.what}')}")
        lines.append(f"           → {escape(finding.remedy)}")
    return lines


def _summary(report: CollectedReport) -> str:
    severities = [finding.severity for finding in report.findings]
    counts = [count(severities.count(each), each) for each in COLORS if each in severities]
    return ", ".join(counts) if counts else f"no problems found: {report.checked}"


def _show_json(report: CollectedReport) -> None:
    import msgspec

    from fleet_runtime.commands.json_output import show_document

    fields = {"url": report.url, "reachable": report.reachable, "findings": report.findings}
    show_document(msgspec.json.encode(fields))
