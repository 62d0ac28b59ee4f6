"""``/health``, ``/ready`` and ``/metrics``: the state of the process."""

from __future__ import annotations

from fleet_runtime.api.call import Call
from fleet_runtime.api.operation import Reply, operation
from fleet_runtime.api.shapes import Health, Ready
from fleet_runtime.telemetry.metrics import CONTENT_TYPE


@operation("GET", "/health", "Show that the process responds")
async def health(call: Call) -> Health:
    return Health()


@operation("GET", "/ready", "Show that a snapshot is loaded; the state of providers does not matter")
async def ready(call: Call) -> Ready:
    return Ready(snapshot=call.live.snapshot.id)


@operation("GET", "/metrics", "Show Prometheus metrics", described=False)
async def metrics(call: Call) -> Reply:
    return Reply(call.service.metrics.exposition(), media_type=CONTENT_TYPE)


OPERATIONS = (health, ready, metrics)
