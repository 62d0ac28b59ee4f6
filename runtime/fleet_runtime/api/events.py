"""The events of ``GET /api/events`` as OpenAPI describes them: one shape for each topic of `events`."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, Field, TypeAdapter

from fleet_runtime.artifacts.contract import ModelState, ProviderStatus
from fleet_runtime.dialects.status_reason import ReasonCode

EXAMPLE = (
    ": connected\n\n"
    "id: 1f0c9a3e-41\nevent: provider\n"
    'data: {"provider":"embedding","status":"offline","was":"online","reason":"connection refused",'
    '"reason_code":"connection_refused"}\n\n'
    "id: 1f0c9a3e-42\nevent: state\n"
    'data: {"id":"sam-desktop/qwen3-8b","state":"loading"}\n\n'
)


class ProviderChange(BaseModel):
    """A provider's status, or the kind of its reason, has changed."""

    provider: str
    status: ProviderStatus
    was: ProviderStatus
    reason: str | None
    reason_code: ReasonCode | None


class ModelsChange(BaseModel):
    """A machine's list has changed: how many models it lists now, and which are new or gone; none, where only
    what is known of models changed. Both lists are cut at 50 ids, the counts are whole."""

    provider: str
    listed: int
    appeared: list[str]
    appeared_count: int
    vanished: list[str]
    vanished_count: int


class StateChange(BaseModel):
    """A model was loaded, is loading, or was unloaded; `id` is composite. Where that is so of more than 50
    models of a machine at once, one `models` tells of it instead."""

    id: str
    state: ModelState


class FavoritesChange(BaseModel):
    version: int


class SnapshotChange(BaseModel):
    """Another build of fleet.yaml serves."""

    snapshot: str


class Resync(BaseModel):
    """Events were missed: read everything anew."""


class ProviderEvent(BaseModel):
    event: Literal["provider"]
    data: ProviderChange


class ModelsEvent(BaseModel):
    event: Literal["models"]
    data: ModelsChange


class StateEvent(BaseModel):
    event: Literal["state"]
    data: StateChange


class FavoritesEvent(BaseModel):
    event: Literal["favorites"]
    data: FavoritesChange


class SnapshotEvent(BaseModel):
    event: Literal["snapshot"]
    data: SnapshotChange


class ResyncEvent(BaseModel):
    event: Literal["resync"]
    data: Resync


FleetEvent: TypeAlias = Annotated[
    ProviderEvent | ModelsEvent | StateEvent | FavoritesEvent | SnapshotEvent | ResyncEvent,
    Field(discriminator="event"),
]

FLEET_EVENT: TypeAdapter[Any] = TypeAdapter(FleetEvent)
"""Reads ``{"event": <name>, "data": <decoded data>}``."""


def event_schemas() -> dict[str, Any]:
    """Component schemas of all events, `FleetEvent` being any of them."""
    schema = FLEET_EVENT.json_schema(ref_template="#/components/schemas/{model}")
    return {**schema.pop("$defs"), "FleetEvent": schema}
