"""A transport that responds from a table and keeps the requests."""

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
class ProbeRun:
    """A finished probe: what it found, and its requests in order."""

    seen: Observation
    requests: list[ProbeRequest]

    @property
    def paths(self) -> list[str]:
        return [request.path for request in self.requests]


def probe(
    answers: Mapping[str, ProbeResponse], kind: ProviderKind = "auto", previous: Observation | None = None
) -> ProbeRun:
    """Run a probe against `answers` by path; any other path is 404."""
    running = probe_provider(kind, previous)
    requests = [next(running)]
    while True:
        try:
            requests.append(running.send(answers.get(requests[-1].path, NOT_FOUND)))
        except StopIteration as end:
            seen: Observation = end.value
            return ProbeRun(seen, requests)


def replay(name: str) -> ProbeResponse:
    """Return the recorded response ``<set>/<name>``."""
    exchange = recorded(name)
    return ProbeResponse(exchange.status, exchange.lowered, exchange.body)


def answer(value: Any, status: int = 200, **headers: str) -> ProbeResponse:
    """Return a response with `value` as its JSON."""
    return ProbeResponse(status, {"content-type": "application/json", **headers}, json.dumps(value).encode())


def listing(*items: Any) -> ProbeResponse:
    return answer({"object": "list", "data": list(items)})
