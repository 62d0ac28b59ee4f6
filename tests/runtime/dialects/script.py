"""A transport that answers from a table and keeps what was asked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fleet_runtime.artifacts.contract import ProviderKind
from fleet_runtime.dialects.messages import ProbeRequest, ProbeResponse
from fleet_runtime.dialects.observation import Observation
from fleet_runtime.dialects.probe import probe_provider
from tests.support.recorded import recorded

NOT_FOUND = ProbeResponse(404, body=b"not found")


@dataclass(frozen=True, slots=True)
class Looked:
    """A finished look: what it saw, and what it asked in order."""

    seen: Observation
    asked: list[ProbeRequest]

    @property
    def paths(self) -> list[str]:
        return [ask.path for ask in self.asked]


def look_at(
    answers: Mapping[str, ProbeResponse], kind: ProviderKind = "auto", previous: Observation | None = None
) -> Looked:
    """Run a look against `answers` by path; any other path is 404."""
    looking = probe_provider(kind, previous)
    asked = [next(looking)]
    while True:
        try:
            asked.append(looking.send(answers.get(asked[-1].path, NOT_FOUND)))
        except StopIteration as end:
            seen: Observation = end.value
            return Looked(seen, asked)


def replay(name: str) -> ProbeResponse:
    """The recorded answer ``<set>/<name>``."""
    exchange = recorded(name)
    return ProbeResponse(exchange.status, exchange.lowered, exchange.body)


def answer(value: Any, status: int = 200, **headers: str) -> ProbeResponse:
    """An answer with `value` as its JSON."""
    return ProbeResponse(status, {"content-type": "application/json", **headers}, json.dumps(value).encode())


def listing(*items: Any) -> ProbeResponse:
    return answer({"object": "list", "data": list(items)})
