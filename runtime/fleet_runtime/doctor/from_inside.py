"""The findings of `fleet doctor` about the gateway, computed by the gateway itself, without local files and
clock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from fleet_runtime.api.fleet import describe_old_names
from fleet_runtime.api.fleet_report import describe_fleet
from fleet_runtime.api.shapes import Finding
from fleet_runtime.catalog.shapes import CatalogModel
from fleet_runtime.doctor.gateway_checks import (
    GatewayReport,
    favorite_findings,
    gateway_findings,
    provider_findings,
    role_findings,
)
from fleet_runtime.doctor.old_names import old_name_findings
from fleet_runtime.gateway.live_snapshot import LiveSnapshot
from fleet_runtime.gateway.service import Service
from fleet_runtime.turns import in_turns


async def diagnose(service: Service, live: LiveSnapshot) -> list[Finding]:
    """Return every finding, those of the gateway first."""
    tables = {name: live.snapshot.table(name) for name in (None, *live.gateway.surfaces)}
    own = live.snapshot.fleet
    roles = {surface: live.catalog.roles(table) for surface, table in tables.items() if table is not None}
    choices = {id for each in roles.values() for role in each.roles.values() for id in role.candidates}
    report = GatewayReport(
        url=live.gateway.url,
        fleet=await describe_fleet(service, live, own),
        skew=0.0,
        default_models=tuple(_default_models(live)),
        roles=roles,
        choices={id: live.catalog.resolution(live.resolve_now(own, id)) for id in sorted(choices)},
        favorites=live.catalog.favorite_list(own),
        old_names=describe_old_names(live),
    )
    checks = (
        gateway_findings(report, None),
        provider_findings(report),
        role_findings(report),
        favorite_findings(report),
        old_name_findings(report.old_names, report.fleet.now, {}),
    )
    return await in_turns(Finding(**asdict(finding)) for findings in checks for finding in findings)


def _default_models(live: LiveSnapshot) -> Iterator[CatalogModel]:
    """Yield the models that lists show of the default provider."""
    live.catalog.refresh()
    for provider in live.snapshot.fleet.providers:
        if provider.name == live.snapshot.fleet.default_provider:
            for id, facts in live.catalog.shown_models(provider):
                yield live.catalog.model(provider, id, facts)
