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
    """The result of a dialect: facts and states of models by id, warnings about skipped items, and `waiting`,
    `details`, `memory` and `version` as in `Observation`."""

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

    `title` and `reads` are its row in docs/fleet-yaml.md: the product, and where its facts come from. `marks`
    are fields of list items that are typical of this kind; `recognises` returns whether a list can only be of
    this kind. The simulator uses the marks too. `read` gets the list and the previous observation (None at
    the first probe) and requests further facts; a failed request loses only its own facts. `feed` is its
    event feed of model changes. `commands` load and unload models, None if it has none. `dated`: `created` in
    its list is the time of a model's change, not the current time. `version` is the path of its version,
    requested only when it starts to respond.
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
