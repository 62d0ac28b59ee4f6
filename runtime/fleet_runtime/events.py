"""The data of each event of ``GET /api/events``."""

from __future__ import annotations

from typing import ClassVar, Final, Literal, TypeAlias

from fleet_runtime.api_shape import ApiShape
from fleet_runtime.artifacts.contract import ModelState, ProviderStatus
from fleet_runtime.dialects.status_reason import ReasonCode

Topic = Literal["provider", "models", "state", "favorites", "snapshot", "activity", "resync"]


class ProviderChange(ApiShape, frozen=True, kw_only=True, gc=False):
    """The status or reason code of a provider has changed."""

    topic: ClassVar[Topic] = "provider"

    provider: str
    status: ProviderStatus
    was: ProviderStatus
    reason: str | None
    reason_code: ReasonCode | None


class ModelsChange(ApiShape, frozen=True, kw_only=True, gc=False):
    """The model list of a provider has changed: the number of models, and the ids that appeared and vanished;
    none if only facts about models changed. Both lists are limited to 50 ids, the counts are complete."""

    topic: ClassVar[Topic] = "models"

    provider: str
    listed: int
    appeared: tuple[str, ...]
    appeared_count: int
    vanished: tuple[str, ...]
    vanished_count: int


class StateChange(ApiShape, frozen=True, kw_only=True, gc=False):
    """A model was loaded, is loading, or was unloaded; `id` is composite. If more than 50 models of a
    provider change at once, one `models` event is sent instead."""

    topic: ClassVar[Topic] = "state"

    id: str
    state: ModelState


class FavoritesVersion(ApiShape, frozen=True, kw_only=True, gc=False):
    """The favorites have changed."""

    topic: ClassVar[Topic] = "favorites"

    version: int


class SnapshotChange(ApiShape, frozen=True, kw_only=True, gc=False):
    """Another snapshot is served."""

    topic: ClassVar[Topic] = "snapshot"

    snapshot: str


class ActivityChange(ApiShape, frozen=True, kw_only=True, gc=False):
    """Requests of a surface have ended (null: of no surface), most recently `newest`; read them with ``GET
    /api/activity?after=``. Sent only to readers that name the topic."""

    topic: ClassVar[Topic] = "activity"

    surface: str | None
    newest: str


class Resync(ApiShape, frozen=True, kw_only=True, gc=False):
    """Events were missed: read everything again."""

    topic: ClassVar[Topic] = "resync"


EVENTS: Final = (
    *(ProviderChange, ModelsChange, StateChange, FavoritesVersion, SnapshotChange, ActivityChange, Resync),
)
"""Every kind of event."""

FREQUENT: Final = frozenset[Topic](("activity",))
"""Topics that are sent only to readers that name them."""

EventData: TypeAlias = (
    ProviderChange | ModelsChange | StateChange | FavoritesVersion | SnapshotChange | ActivityChange | Resync
)
