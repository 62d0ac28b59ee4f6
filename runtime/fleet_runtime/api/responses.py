"""What the routes of the API share: the surface that is asked for, how answers go out and are described."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

import msgspec
from fastapi import Header, HTTPException, Query, Response
from pydantic import BaseModel

from fleet_runtime.api.schemas import ErrorResponseBody
from fleet_runtime.artifacts.contract import RoutingTable
from fleet_runtime.catalog.etag import TaggedBody
from fleet_runtime.errors import ERROR_KINDS
from fleet_runtime.gateway.live_snapshot import LiveSnapshot

Described: TypeAlias = dict[int | str, dict[str, Any]]

Surface: TypeAlias = Annotated[
    str | None,
    Query(description="a surface of fleet.yaml; without one, the whole fleet", examples=["boochat"]),
]
IfNoneMatch: TypeAlias = Annotated[
    str | None, Header(description="the `ETag` of the answer that the client holds")
]

NOT_MODIFIED: Described = {304: {"description": "the client holds this answer already"}}
_ETAG: dict[str, Any] = {"ETag": {"description": "stands for this answer", "schema": {"type": "string"}}}


def surface_table(running: LiveSnapshot, surface: str | None) -> RoutingTable:
    """The routing table of a surface; 404 where there is no such surface."""
    table = running.snapshot.table(surface)
    if table is None:
        known = ", ".join(f"'{name}'" for name in running.gateway.surfaces) or "none"
        raise refusal("not_found", f"there is no surface '{surface}'; surfaces: {known}", "surface")
    return table


def refusal(
    code: str, message: str, param: str | None = None, headers: dict[str, str] | None = None
) -> HTTPException:
    """An error of one of the codes of `errors.FAULTS`."""
    detail: dict[str, Any] = {"code": code, "message": message, "param": param}
    return HTTPException(ERROR_KINDS[code].status, detail=detail, headers=headers)


def answered(content: object, headers: dict[str, str] | None = None) -> Response:
    """Plain data as JSON."""
    return Response(msgspec.json.encode(content), media_type="application/json", headers=headers)


def tagged(answer: TaggedBody, if_none_match: str | None) -> Response:
    """The body with its tag, or 304 where the client holds it already."""
    headers = {"etag": answer.tag, "cache-control": "no-cache"}
    if answer.held(if_none_match):
        return Response(status_code=304, headers=headers)
    return Response(answer.body, media_type="application/json", headers=headers)


def described(shape: type[BaseModel], what: str, *codes: str, etag: bool = False) -> Described:
    """An operation's answers for OpenAPI: `shape` where all is well, and the errors it is known for."""
    well: dict[str, Any] = {"model": shape, "description": what}
    if etag:
        well["headers"] = _ETAG
    return {200: well, **failing(*codes)}


def failing(*codes: str) -> Described:
    """The errors of these codes by their status, and any other of the gateway's own."""
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(ERROR_KINDS[code].status, []).append(f"`{code}`")
    return {
        **{
            status: {"model": ErrorResponseBody, "description": ", ".join(named)}
            for status, named in by_status.items()
        },
        "default": {"model": ErrorResponseBody, "description": "any other error of the gateway"},
    }
