"""A transport that answers from a table and keeps what was asked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fleet_runtime.artifacts.contract import Kind
from fleet_runtime.dialects import look
from fleet_runtime.dialects.observation import Answer, Ask, Observation
from tests.support.recorded import recorded

NOT_FOUND = Answer(404, body=b"not found")


@dataclass(frozen=True, slots=True)
class Looked:
    """A finished look: what it saw, and what it asked in order."""

    seen: Observation
    asked: list[Ask]

    @property
    def paths(self) -> list[str]:
        return [ask.path for ask in self.asked]


def look_at(
    answers: Mapping[str, Answer], kind: Kind = "auto", previous: Observation | None = None
) -> Looked:
    """Run a look against `answers` by path; any other path is 404."""
    looking = look(kind, previous)
    asked = [next(looking)]
    while True:
        try:
            asked.append(looking.send(answers.get(asked[-1].path, NOT_FOUND)))
        except StopIteration as end:
            seen: Observation = end.value
            return Looked(seen, asked)


def replay(name: str) -> Answer:
    """The recorded answer ``<set>/<name>``."""
    exchange = recorded(name)
    return Answer(exchange.status, exchange.lowered, exchange.body)


def answer(value: Any, status: int = 200, **headers: str) -> Answer:
    """An answer with `value` as its JSON."""
    return Answer(status, {"content-type": "application/json", **headers}, json.dumps(value).encode())


def listing(*items: Any) -> Answer:
    return answer({"object": "list", "data": list(items)})
