"""The interface of a dialect: how its model list is recognised, what else is requested, and its names."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from fleet_runtime.artifacts.contract import ModelFacts, ModelState, ProviderKind
from fleet_runtime.dialects.commands import Commands
from fleet_runtime.dialects.feed import Feed
from fleet_runtime.dialects.messages import ProbeRequest, ProbeResponse
from fleet_runtime.dialects.model_list_response import ModelListResponse
from fleet_runtime.dialects.observation import Details, Observation
from fleet_runtime.dialects.server_memory import ServerMemory


@dataclass(frozen=True, slots=True)
class Reading:
    """What a dialect read of its models: facts and states by id, what it skipped, and `waiting`, `details`,
    `memory` and `version` as in `Observation`."""

    models: Mapping[str, ModelFacts]
    states: Mapping[str, ModelState] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    details: Mapping[str, Details] = field(default_factory=dict)
    memory: ServerMemory = field(default_factory=ServerMemory)
    version: str | None = None


Reader: TypeAlias = Generator[ProbeRequest, ProbeResponse, Reading]


def _no_commands(_listing: ModelListResponse) -> Commands | None:
    return None


@dataclass(frozen=True, slots=True)
class Dialect:
    """Everything about one kind of server, in one module of this room.

    `title` and `reads` are its row in docs/fleet-yaml.md: the product, and where its facts come from.
    `marks` are fields of each item of its list by which `recognises`, which says whether a list can only be
    this kind's, knows it; the simulator lists them too. `read` takes the list and the previous observation
    (None at a first probe) and requests what the list does not say; a request that fails loses only its own
    facts. `feed`: where the server says that a model changed. `commands`: how it loads and unloads models,
    None if it takes no commands. `dated`: `created` in its list is when a model changed, not what time it is.
    `version`: the path that says which version it is, requested only when it begins to respond.
    """

    kind: ProviderKind
    title: str
    reads: str
    recognises: Callable[[ModelListResponse], bool]
    read: Callable[[ModelListResponse, Observation | None], Reader]
    marks: Mapping[str, Any] = field(default_factory=dict)
    feed: Feed | None = None
    commands: Callable[[ModelListResponse], Commands | None] = _no_commands
    dated: bool = False
    version: str | None = None
