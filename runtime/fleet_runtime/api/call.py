"""The context of an operation, and shared parameters and responses."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal, TypeAlias

import msgspec

from fleet_runtime.api.operation import Header, Query, Reply
from fleet_runtime.api.shapes import Finding
from fleet_runtime.api_shape import ApiShape
from fleet_runtime.artifacts.contract import RoutingTable
from fleet_runtime.catalog.etag import TaggedBody, accepts_gzip
from fleet_runtime.edge.api_keys import KeyScope
from fleet_runtime.errors import request_error
from fleet_runtime.gateway.live_snapshot import LiveSnapshot
from fleet_runtime.gateway.service import Service
from fleet_runtime.routing.resolver import in_snapshot
from fleet_runtime.text import join_names

Surface: TypeAlias = Annotated[
    str | None,
    Query(
        "a surface of fleet.yaml; without it, all providers. Required with a key that is limited to surfaces",
        "boochat",
    ),
]
IfNoneMatch: TypeAlias = Annotated[str | None, Header("the `ETag` of a previous response")]
AcceptEncoding: TypeAlias = Annotated[str | None, Header("with `gzip`, a long list is compressed", "gzip")]
WithFavorites: TypeAlias = Annotated[
    Literal["none"] | None,
    Query("`none`: a list that does not depend on favorites; `favorite` is null", "none"),
]

Diagnose: TypeAlias = Callable[[Service, LiveSnapshot], Awaitable[Sequence[Finding]]]

SMALL_BODY: Final = 1_000
LARGE_BODY: Final = 100_000
"""Bodies of at least this many bytes are compressed; compression and hashing run in a thread."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request: the running service, and the snapshot for the response.

    `key` is the scope of its key, None if the gateway has no keys. `diagnose` returns the findings.
    """

    service: Service
    live: LiveSnapshot
    key: KeyScope | None
    diagnose: Diagnose

    @property
    def limited(self) -> bool:
        """Return whether the key is limited to surfaces, so that the response must not reveal other
        providers."""
        return self.key is not None and self.key.surfaces is not None

    def table(self, surface: str | None) -> RoutingTable:
        """Return the routing table of a surface; raises `RequestError` if there is no such surface."""
        table = self.live.snapshot.table(surface)
        if table is None:
            known = join_names(self.live.gateway.surfaces) or "none"
            message = in_snapshot(f"no surface '{surface}'; surfaces: {known}", self.live.snapshot.id)
            raise request_error("not_found", message, "surface")
        return table


def json_reply(content: ApiShape, *headers: tuple[bytes, bytes]) -> Reply:
    return Reply(msgspec.json.encode(content), headers)


async def tagged_reply(
    tagged: TaggedBody, if_none_match: str | None, accept_encoding: str | None = None
) -> Reply:
    """Return the body with its tag, compressed if the client accepts that, or 304 if the client already has
    it."""
    headers = [(b"cache-control", b"no-cache"), (b"vary", b"accept-encoding")]
    compressed = len(tagged.body) > SMALL_BODY and accepts_gzip(accept_encoding)
    if len(tagged.body) > LARGE_BODY and not tagged.is_ready(compressed=compressed):
        await asyncio.to_thread(tagged.make_ready, compressed=compressed)
    if compressed:
        tagged = tagged.compressed()
        headers.append((b"content-encoding", b"gzip"))
    headers.append((b"etag", tagged.tag.encode()))
    if tagged.matches(if_none_match):
        return Reply(b"", tuple(each for each in headers if each[0] != b"content-encoding"), status=304)
    return Reply(tagged.body, tuple(headers))
