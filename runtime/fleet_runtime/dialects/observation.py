"""What passes between a dialect and its transport, and what a look at a machine yields.

A dialect is pure: a generator that yields `Ask`s (requests to make, almost all of them GETs), is sent an
`Answer` for each, and returns an `Observation`. The transport is the caller's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from fleet_runtime.contract import Kind, ModelFacts, State


@dataclass(frozen=True, slots=True)
class Ask:
    """A GET of `path`, below the server's root, or below its ``api_base`` where `api` is set.

    `path` is percent-encoded and may carry a query. With a `body` it is a POST of that JSON instead: only
    for questions that need one and change nothing.
    """

    path: str
    api: bool = False
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A server's answer; header names in lower case.

    `reason` says why it cannot be used, and is empty where it can: with `status` 0 there was none (not
    reached, timed out), else what came is a redirect, or too large, or was cut.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Observation:
    """What one look at a machine showed.

    `kind` is what answered, which may differ from what was configured. `models` is a list only where
    `status` is ``online`` (elsewhere what an earlier look saw, for the next one's memory); `states` says
    which of them are loaded; `warnings` names what was skipped.
    """

    kind: Kind
    status: Literal["online", "degraded", "config_error", "offline"]
    reason: str | None = None
    models: Mapping[str, ModelFacts] = field(default_factory=dict)
    states: Mapping[str, State] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


Look: TypeAlias = Generator[Ask, Answer, Observation]


async def drive(look: Look, get: Callable[[Ask], Awaitable[Answer]]) -> Observation:
    """Run a look to its end over an asynchronous transport."""
    ask = next(look)
    while True:
        answer = await get(ask)
        try:
            ask = look.send(answer)
        except StopIteration as end:
            observation: Observation = end.value
            return observation
