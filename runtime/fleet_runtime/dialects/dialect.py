"""What one kind of server is to fleet: how its list is recognised, what else it is asked, and its names."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from fleet_runtime.artifacts.contract import ModelFacts, ModelState, ProviderKind
from fleet_runtime.dialects.listing import ModelListResponse
from fleet_runtime.dialects.observation import Observation, ProbeRequest, ProbeResponse


@dataclass(frozen=True, slots=True)
class Seen:
    """What a dialect read of its models: facts and states by id, what it skipped, and `unasked` and `asked`
    as in `Observation`."""

    models: Mapping[str, ModelFacts]
    states: Mapping[str, ModelState] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    unasked: int = 0
    asked: Mapping[str, int | None] = field(default_factory=dict)


Reading: TypeAlias = Generator[ProbeRequest, ProbeResponse, Seen]


def no_other_names(_model: str) -> tuple[str, ...]:
    return ()


@dataclass(frozen=True, slots=True)
class Dialect:
    """`recognises` says whether a list of models can only be this kind's; `read` takes the list and the
    previous observation (None at a first look) and asks what the list does not say. A further question
    that fails takes away only its own facts. `dated`: `created` in its list says when a model changed, not
    what time it is."""

    kind: ProviderKind
    recognises: Callable[[ModelListResponse], bool]
    read: Callable[[ModelListResponse, Observation | None], Reading]
    other_names: Callable[[str], tuple[str, ...]] = no_other_names
    dated: bool = False
