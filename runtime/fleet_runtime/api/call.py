"""What every operation is given, and the parameters and responses that several share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, TypeAlias

import msgspec

from fleet_runtime.api.operation import Header, Query, Reply
from fleet_runtime.api_shape import ApiShape
from fleet_runtime.artifacts.contract import RoutingTable
from fleet_runtime.catalog.etag import TaggedBody
from fleet_runtime.errors import request_error
from fleet_runtime.gateway.live_snapshot import LiveSnapshot
from fleet_runtime.gateway.service import Service
from fleet_runtime.text import join_names

Surface: TypeAlias = Annotated[
    str | None,
    Query(
        "a surface of fleet.yaml; without one, all providers. A key limited to surfaces needs it", "boochat"
    ),
]
IfNoneMatch: TypeAlias = Annotated[str | None, Header("the `ETag` of the response that the client has")]


@dataclass(frozen=True, slots=True)
class Call:
    """One request: the running service, and the snapshot that the response is made from.

    `limited`: it came with a key limited to surfaces, so that the response tells nothing of other providers.
    """

    service: Service
    live: LiveSnapshot
    limited: bool = False

    def table(self, surface: str | None) -> RoutingTable:
        """Return the routing table of a surface; raises `RequestError` if there is no such surface."""
        table = self.live.snapshot.table(surface)
        if table is None:
            known = join_names(self.live.gateway.surfaces) or "none"
            message = f"there is no surface '{surface}'; surfaces: {known}"
            raise request_error("not_found", message, "surface")
        return table


def json_reply(content: ApiShape, *headers: tuple[bytes, bytes]) -> Reply:
    return Reply(msgspec.json.encode(content), headers)


def tagged_reply(tagged: TaggedBody, if_none_match: str | None) -> Reply:
    """Return the body with its tag, or 304 if the client has it already."""
    headers = ((b"etag", tagged.tag.encode()), (b"cache-control", b"no-cache"))
    if tagged.matches(if_none_match):
        return Reply(b"", headers, status=304)
    return Reply(tagged.body, headers)
