"""``/api/settings`` and ``/api/findings``: the gateway's configuration and its problems. They contain no
secrets, and need a key without `surfaces`."""

from __future__ import annotations

from importlib.metadata import version

from fleet_runtime.api.call import Call
from fleet_runtime.api.fleet_report import describe_captures
from fleet_runtime.api.operation import operation
from fleet_runtime.api.shapes import Findings, KeyInForce, Settings
from fleet_runtime.artifacts.contract import to_data
from fleet_runtime.catalog.describe import rfc3339


@operation("GET", "/api/settings", "Show the gateway's current settings, and the names of its keys")
async def get_settings(call: Call) -> Settings:
    gateway = call.live.gateway
    data, service = to_data(gateway), call.service
    service.finished.flush()
    await service.key_uses.save(service.store)
    used = service.key_uses.last
    keys = (
        KeyInForce(
            name=name,
            surfaces=key.surfaces,
            source="env" if key.env is not None else "file",
            last_used=rfc3339(used[name]) if name in used else None,
        )
        for name, key in gateway.keys.items()
    )
    return Settings(
        version=version("boofleet"),
        listen=call.service.started_with.listen,
        url=gateway.url,
        hosts=gateway.hosts,
        origins=gateway.origins,
        drain=gateway.drain,
        limits=data["limits"],
        inventory=data["inventory"],
        state=call.service.store.status.where,
        captures=describe_captures(call.live),
        keys=tuple(keys),
    )


@operation("GET", "/api/findings", "List the problems that `fleet doctor` reports, with remedies")
async def list_findings(call: Call) -> Findings:
    return Findings(findings=tuple(await call.diagnose(call.service, call.live)))


OPERATIONS = (get_settings, list_findings)
