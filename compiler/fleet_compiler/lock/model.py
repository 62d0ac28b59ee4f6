"""The models of fleet.lock, which only the compiler reads.

The string under a field is its description in the JSON Schema.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from fleet_runtime.artifacts.artifact import Artifact
from fleet_runtime.artifacts.contract import ModelFacts, ProviderKind


class LockedProvider(Artifact):
    """The models of one provider at `url` at its latest probe."""

    url: str
    """The address in fleet.yaml when it was probed."""
    kind: ProviderKind
    """The kind of server that responded."""
    models: dict[str, ModelFacts]
    """Its model list, by id."""
    stale: Literal["url changed"] | None = None
    """The reason why the entry may be out of date: the provider has another address that has not been probed
    yet."""


class Lock(Artifact):
    """fleet.lock: what each provider served when it was last probed."""

    format: Literal[1] = 1
    """The version of this format."""
    providers: dict[str, LockedProvider] = Field(default={})
    """What each provider served, by name."""


NO_LOCK = Lock.model_construct()
"""The lock of a fleet without a fleet.lock."""
