"""What the routes of the API share: the surface that is asked for, and answers that carry a tag."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from fastapi import HTTPException, Query, Response

from fleet_runtime.contract import RoutingTable
from fleet_runtime.running import Running
from fleet_runtime.tagged import Tagged

Surface: TypeAlias = Annotated[
    str | None, Query(description="a surface of fleet.yaml; without one, the whole fleet")
]


def surface_table(running: Running, surface: str | None) -> RoutingTable:
    """The routing table of a surface; 404 where there is no such surface."""
    table = running.snapshot.table(surface)
    if table is None:
        known = ", ".join(f"'{name}'" for name in running.gateway.surfaces) or "none"
        message = f"there is no surface '{surface}'; surfaces: {known}"
        raise HTTPException(404, detail={"code": "not_found", "message": message, "param": "surface"})
    return table


def tagged(answer: Tagged, if_none_match: str | None) -> Response:
    """The body with its tag, or 304 where the client holds it already."""
    headers = {"etag": answer.tag, "cache-control": "no-cache"}
    if answer.held(if_none_match):
        return Response(status_code=304, headers=headers)
    return Response(answer.body, media_type="application/json", headers=headers)
