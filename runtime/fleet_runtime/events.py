"""The data of each event of ``GET /api/events``."""

from __future__ import annotations

from typing import ClassVar, Final, Literal, TypeAlias

from fleet_runtime.api_shape import ApiShape
from fleet_runtime.artifacts.contract import ModelState, ProviderStatus
from fleet_runtime.dialects.status_reason import ReasonCode

Topic = Literal["provider", "models", "state", "favorites", "snapshot", "activity", "resync"]


class ProviderChange(ApiShape, frozen=True, kw_only=True, gc=False):
    """The status of a provider, or the kind of its reason, has changed."""

    topic: ClassVar[Topic] = "provider"

    provider: str
    status: ProviderStatus
    was: ProviderStatus
    reason: str | None
    reason_code: ReasonCode | None


class ModelsChange(ApiShape, frozen=True, kw_only=True, gc=False):
    """The list of a provider has changed: how many models it lists now, and which are new or gone; none, if
    only facts about models changed. Both lists are cut at 50 ids, the counts are complete."""

    topic: ClassVar[Topic] = "models"

    provider: str
    listed: int
    appeared: tuple[str, ...]
    appeared_count: int
    vanished: tuple[str, ...]
    vanished_count: int


class StateChange(ApiShape, frozen=True, kw_only=True, gc=False):
    """A model was loaded, is loading, or was unloaded; `id` is composite. If more than 50 models of a
    provider change at once, one `models` event takes the place of theirs."""

    topic: ClassVar[Topic] = "state"

    id: str
    state: ModelState


class FavoritesVersion(ApiShape, frozen=True, kw_only=True, gc=False):
    """The favorites have changed."""

    topic: ClassVar[Topic] = "favorites"

    version: int


class SnapshotChange(ApiShape, frozen=True, kw_only=True, gc=False):
    """Another build of fleet.yaml serves."""

    topic: ClassVar[Topic] = "snapshot"

    snapshot: str


class ActivityChange(ApiShape, frozen=True, kw_only=True, gc=False):
    """Requests of a surface are over (null: requests outside of surfaces), the last of them is `newest`:
    ``GET /api/activity?after=`` has them. Sent only to those who name the topic."""

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
"""Topics that only those get who name them."""

EventData: TypeAlias = (
    ProviderChange | ModelsChange | StateChange | FavoritesVersion | SnapshotChange | ActivityChange | Resync
)
