"""``/api/activity``: running requests and the last 1000 finished ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Annotated

from msgspec import Meta
from msgspec.structs import replace

from fleet_runtime.api.call import Call, Surface
from fleet_runtime.api.operation import PathPart, Query, operation
from fleet_runtime.api.shapes import RecentRequests
from fleet_runtime.artifacts.contract import RoutingTable
from fleet_runtime.errors import request_error
from fleet_runtime.proxy.request_record import EndReason
from fleet_runtime.telemetry.activity import ROWS
from fleet_runtime.telemetry.activity_row import RequestActivity

OfProvider = Annotated[str | None, Query("only requests for this provider", "sam-desktop")]
OfModel = Annotated[
    str | None, Query("only requests for this model: `provider/model`, or a provider's own id", "qwen3-8b")
]
OfEnd = Annotated[
    EndReason | None, Query("only requests with this end reason; no running ones", "upstream_cut")
]
After = Annotated[
    str | None, Query("only requests that ended after the one with this `id`; all if that is not kept")
]
Limit = Annotated[int, Query("the maximum number of finished requests", "100"), Meta(ge=0, le=ROWS)]
RequestId = Annotated[str, PathPart("the `id` of a running request", "1f0c9a3e-41")]


@operation(
    "GET",
    "/api/activity",
    "List running and finished requests, newest first",
    "not_found",
    "invalid_request",
)
async def list_activity(
    call: Call,
    surface: Surface = None,
    provider: OfProvider = None,
    model: OfModel = None,
    end_reason: OfEnd = None,
    after: After = None,
    limit: Limit = 100,
) -> RecentRequests:
    table = call.table(surface)

    def select(rows: Iterable[RequestActivity]) -> Iterator[RequestActivity]:
        for row in rows:
            if surface is not None and row.surface != surface:
                continue
            seen = row if surface is None else _visible(row, table)
            if provider is not None and seen.provider != provider:
                continue
            if model is not None and model not in (seen.model, f"{seen.provider}/{seen.model}"):
                continue
            if end_reason is None or seen.end_reason == end_reason:
                yield seen

    activity = call.service.activity
    over = select(_since(activity.rows(), after))
    return RecentRequests(running=tuple(select(activity.running_rows())), requests=tuple(islice(over, limit)))


@operation("DELETE", "/api/activity/{id}", "Cancel a running request", "not_found")
async def cancel_request(call: Call, id: RequestId) -> RequestActivity:
    cancelled = call.service.activity.cancel(id)
    if cancelled is None:
        raise request_error("not_found", f"no running request has the id '{id}'", "id")
    return cancelled


OPERATIONS = (list_activity, cancel_request)


def _since(rows: Iterable[RequestActivity], id: str | None) -> Iterator[RequestActivity]:
    """Yield the rows before the one with `id`, which are newer."""
    for row in rows:
        if row.id == id:
            return
        yield row


def _visible(row: RequestActivity, table: RoutingTable) -> RequestActivity:
    """Return the row without a provider that the surface may not use: its request was rejected."""
    if row.provider is None or any(each.name == row.provider for each in table.providers):
        return row
    return replace(row, provider=None, model=None, via=None)
