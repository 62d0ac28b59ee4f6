"""The result of a probe, and running a probe.

A probe is pure: a generator that yields `ProbeRequest`s (almost all of them GETs), is sent a `ProbeResponse`
for each, and returns an `Observation`. The transport is the caller's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from fleet_runtime.artifacts.contract import ModelFacts, ModelState, ProviderKind
from fleet_runtime.dialects.messages import ProbeRequest, ProbeResponse
from fleet_runtime.dialects.model_list_response import ModelListResponse
from fleet_runtime.dialects.server_memory import ServerMemory
from fleet_runtime.dialects.status_reason import StatusReason


@dataclass(frozen=True, slots=True)
class Details:
    """What the server said in response to a request for the details of one model. `changed`: when the model
    had changed as of then (a number of the list's own, 0 if it has none); None if the request failed."""

    facts: ModelFacts = field(default_factory=ModelFacts)
    changed: int | None = 0


@dataclass(frozen=True, slots=True)
class Observation:
    """What one probe found.

    `kind` is the software that responded, `configured_kind` what fleet.yaml says. `models` is a list only
    if `status` is ``online`` (else what an earlier probe found, for the next one's memory); `states` says
    which of them are loaded; `warnings` names what was skipped. `waiting`: models whose details the next
    probe, with this one as its previous, requests. `listing` and `details` are the dialect's own memory.
    `memory` is what the server said of it, None if it did not respond. `version` is the software's.
    `gateways`: the tokens of this gateway of fleet and of those that its list comes from.
    """

    kind: ProviderKind
    status: Literal["online", "degraded", "config_error", "offline"]
    reason: StatusReason | None = None
    models: Mapping[str, ModelFacts] = field(default_factory=dict)
    states: Mapping[str, ModelState] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    configured_kind: ProviderKind = "auto"
    waiting: tuple[str, ...] = ()
    details: Mapping[str, Details] = field(default_factory=dict, compare=False, repr=False)
    listing: ModelListResponse | None = field(default=None, compare=False, repr=False)
    memory: ServerMemory | None = field(default=None, compare=False, repr=False)
    version: str | None = field(default=None, compare=False, repr=False)
    gateways: tuple[str, ...] = field(default=(), compare=False, repr=False)

    @property
    def remarks(self) -> tuple[str, ...]:
        """Return `warnings`, after the sentence about a kind that is not the configured one."""
        other = describe_other_kind(self.configured_kind, self.kind)
        return self.warnings if other is None else (other, *self.warnings)


def describe_other_kind(configured: ProviderKind, kind: ProviderKind) -> str | None:
    """Return the sentence about a server that is of another kind than configured, None if it is not."""
    if configured == kind or "auto" in (configured, kind):
        return None
    return f"configured as '{configured}', but its responses are those of '{kind}', so it is treated as one"


Probe: TypeAlias = Generator[ProbeRequest, ProbeResponse, Observation]


def step(probe: Probe, response: ProbeResponse) -> ProbeRequest | Observation:
    """Give a probe its response; return its next request, or what it found."""
    try:
        return probe.send(response)
    except StopIteration as end:
        observation: Observation = end.value
        return observation


async def _step_here(probe: Probe, response: ProbeResponse) -> ProbeRequest | Observation:
    return step(probe, response)


async def drive(
    probe: Probe,
    send: Callable[[ProbeRequest], Awaitable[ProbeResponse]],
    take_step: Callable[[Probe, ProbeResponse], Awaitable[ProbeRequest | Observation]] = _step_here,
) -> Observation:
    """Run a probe to its end over an asynchronous transport; `take_step` does as `step`, in any thread."""
    now: ProbeRequest | Observation = next(probe)
    while isinstance(now, ProbeRequest):
        now = await take_step(probe, await send(now))
    return now
