"""``/health``, ``/ready`` and ``/metrics``: the state of the process."""

from __future__ import annotations

from fleet_runtime.api.call import Call
from fleet_runtime.api.operation import Reply, operation
from fleet_runtime.api.shapes import Health, Ready
from fleet_runtime.errors import request_error
from fleet_runtime.gateway.second_cache import LARGE_FLEET
from fleet_runtime.telemetry.exposition import CONTENT_TYPE


@operation("GET", "/health", "Show that the process is alive")
async def health(call: Call) -> Health:
    return Health()


@operation("GET", "/ready", "Show that a snapshot is loaded, regardless of the providers", "gateway_stopping")
async def ready(call: Call) -> Ready:
    if call.service.is_stopping:
        raise request_error("gateway_stopping", "the gateway is about to stop")
    return Ready(snapshot=call.live.snapshot.id)


@operation("GET", "/metrics", "Show Prometheus metrics", described=False)
async def metrics(call: Call) -> Reply:
    metrics = call.service.metrics
    call.service.finished.flush()
    if len(call.live.providers) < LARGE_FLEET:
        return Reply(metrics.exposition(), media_type=CONTENT_TYPE)
    body = await call.service.large_responses.get("metrics", metrics.exposition_in_turns)
    return Reply(body, media_type=CONTENT_TYPE)


OPERATIONS = (health, ready, metrics)
