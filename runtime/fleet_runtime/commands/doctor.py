"""``fleet doctor``: what is wrong in a running fleet, and what to do about it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from fleet_runtime.client import nearest_generated, url_option

if TYPE_CHECKING:
    from fleet_runtime.doctor.collect import CollectedReport
    from fleet_runtime.doctor.gateway_checks import DoctorFinding

COLORS = {"error": "red", "warning": "yellow", "note": "cyan"}
TITLES = {
    "gateway": "Gateway",
    "machines": "Machines",
    "roles": "Roles",
    "favorites": "Favorites",
    "files": "Files here",
    "opencode": "opencode here",
}
UNREACHABLE = 4


@click.command(
    short_help="Say what is wrong in a running fleet.",
    epilog="""
\b
Example:
  fleet doctor
  fleet doctor --url http://100.101.41.16:8400
  fleet doctor --json | jq -r '.findings[] | "\\(.severity) \\(.where)"'

\b
Exit codes: 0 nothing or only notes, 1 errors or warnings, 2 usage, 4 no gateway answers.
""",
)
@url_option
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
def doctor(url: str | None, as_json: bool) -> None:
    """Say what is wrong in a running fleet, and what to do about each finding.

    Asks the gateway, compares fleet.yaml, fleet.lock and generated/ of the nearest folder, and looks at
    opencode's configuration. Changes nothing, and no model is loaded.
    """
    from fleet_runtime.doctor.collect import collect_findings

    examination = collect_findings(url, nearest_generated(), os.environ)
    findings = examination.findings
    click.echo(_as_json(examination) if as_json else report(examination), color=_color())
    if not examination.reachable:
        raise click.exceptions.Exit(UNREACHABLE)
    if any(finding.severity != "note" for finding in findings):
        raise click.exceptions.Exit(1)


def report(examination: CollectedReport) -> str:
    """The findings by what they are about, the worst first, each with its remedy below it."""
    lines = []
    for area, title in TITLES.items():
        found = [finding for finding in examination.findings if finding.area == area]
        if found:
            lines += [click.style(title, bold=True), *_shown(found), ""]
    return "\n".join([*lines, _summary(examination)])


def _shown(findings: Iterable[DoctorFinding]) -> list[str]:
    ranks = list(COLORS)
    lines = []
    for finding in sorted(findings, key=lambda finding: ranks.index(finding.severity)):
        severity = click.style(f"{finding.severity:<7}", fg=COLORS[finding.severity])
        lines += [f"  {severity}  {finding.where} {finding.what}", f"           → {finding.remedy}"]
    return lines


def _summary(examination: CollectedReport) -> str:
    from fleet_runtime.doctor.gateway_checks import counted

    severities = [finding.severity for finding in examination.findings]
    counts = [counted(severities.count(each), each) for each in COLORS if each in severities]
    return ", ".join(counts) if counts else f"nothing is wrong: {examination.looked_at}"


def _as_json(examination: CollectedReport) -> str:
    told: dict[str, Any] = {
        "url": examination.url,
        "reachable": examination.reachable,
        "findings": [asdict(finding) for finding in examination.findings],
    }
    return json.dumps(told, indent=2, ensure_ascii=False)


def _color() -> bool | None:
    """Colours on a terminal; never with NO_COLOR set, always with FORCE_COLOR set (NO_COLOR wins)."""
    if os.environ.get("NO_COLOR"):
        return False
    return True if os.environ.get("FORCE_COLOR") else None
