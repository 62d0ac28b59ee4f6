"""What passes between a dialect and its transport, and what a look at a machine yields.

A dialect is pure: a generator that yields `ProbeRequest`s (requests to make, almost all of them GETs), is
sent an `ProbeResponse` for each, and returns an `Observation`. The transport is the caller's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from fleet_runtime.artifacts.contract import ModelFacts, ModelState, ProviderKind
from fleet_runtime.dialects.status_reason import StatusReason

if TYPE_CHECKING:
    from fleet_runtime.dialects.listing import ModelListResponse


@dataclass(frozen=True, slots=True)
class ProbeRequest:
    """A GET of `path`, below the server's root, or below its ``api_base`` where `api` is set.

    `path` is percent-encoded and may carry a query. With a `body` it is a POST of that JSON instead: only
    for questions that need one and change nothing.
    """

    path: str
    api: bool = False
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class ProbeResponse:
    """A server's response; header names in lower case.

    `reason` says why it cannot be used, None if it can: with `status` 0 there was no response, else what came
    is a redirect, or too large, or incomplete.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    reason: StatusReason | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """What one look at a machine showed.

    `kind` is what answered, which may differ from what was configured. `models` is a list only where
    `status` is ``online`` (elsewhere what an earlier look saw, for the next one's memory); `states` says
    which of them are loaded; `warnings` names what was skipped. `unasked`: of how many models another look,
    with this one as its previous, would know more. `listing` and `asked` are the dialect's own memory.
    """

    kind: ProviderKind
    status: Literal["online", "degraded", "config_error", "offline"]
    reason: StatusReason | None = None
    models: Mapping[str, ModelFacts] = field(default_factory=dict)
    states: Mapping[str, ModelState] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    unasked: int = 0
    asked: Mapping[str, int | None] = field(default_factory=dict, compare=False, repr=False)
    listing: ModelListResponse | None = field(default=None, compare=False, repr=False)


Probe: TypeAlias = Generator[ProbeRequest, ProbeResponse, Observation]


def step(look: Probe, answer: ProbeResponse) -> ProbeRequest | Observation:
    """Give a look its answer: what it asks next, or what it saw."""
    try:
        return look.send(answer)
    except StopIteration as end:
        observation: Observation = end.value
        return observation


async def step_at_once(look: Probe, answer: ProbeResponse) -> ProbeRequest | Observation:
    return step(look, answer)


async def drive(
    look: Probe,
    get: Callable[[ProbeRequest], Awaitable[ProbeResponse]],
    read: Callable[[Probe, ProbeResponse], Awaitable[ProbeRequest | Observation]] = step_at_once,
) -> Observation:
    """Run a look to its end over an asynchronous transport; `read` does as `step` does, wherever it likes."""
    now: ProbeRequest | Observation = next(look)
    while isinstance(now, ProbeRequest):
        now = await read(look, await get(now))
    return now
