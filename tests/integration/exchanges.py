"""Requests, and which parts of their responses must be the same directly and through the gateway."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

OURS = ("x-fleet-", "x-request-id", "server-timing", "access-control-")
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "date"}
MASKED = re.compile(
    r"\.timings\b|_per_second$|_ms$|^header content-length\b|\.(id|item_id|created|created_at|completed_at)$"
)
"""What is measured or made again for each response, and the length that follows from its digits."""
MASK = "masked"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request for `model`; `body` is JSON that lacks only it, `files` make it multipart instead."""

    name: str
    model: str
    path: str
    body: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Any] | None = None

    def send(self, base: str, model: str) -> Answer:
        """The response, on a separate connection: a server may say of a reused one that it is."""
        body = {"model": model, **self.body}
        sent: dict[str, Any] = {"json": body} if self.files is None else {"data": body, "files": self.files}
        url, headers = f"{base}{self.path}", {"User-Agent": "test", "Accept": "*/*", **self.headers}
        with (
            httpx.Client(timeout=60, trust_env=False, verify=False) as client,
            client.stream("POST", url, headers=headers, **sent) as answer,
        ):
            raw = b"".join(answer.iter_raw())
        shown = [
            (name.lower(), value)
            for name, value in answer.headers.multi_items()
            if name.lower() not in HOP_BY_HOP and not name.lower().startswith(OURS)
        ]
        return Answer(answer.status_code, sorted(shown), raw)


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, end-to-end headers, and the body's bytes without chunk framing."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def leaves(self) -> dict[str, Any]:
        """Everything, by its place; what is masked only has to be there, bytes without JSON stay whole."""
        found: dict[str, Any] = {"status": self.status}
        found.update({f"header {name} {number}": value for number, (name, value) in enumerate(self.headers)})
        for number, line in enumerate(self.body.split(b"\n")):
            found.update(_leaves(f"line {number}", line))
        return {place: MASK if MASKED.search(place) else value for place, value in found.items()}


def differences(one: Answer, other: Answer, through: Answer) -> list[str]:
    """What differs between two direct responses, which would prove nothing, or in that of the gateway."""
    return [
        *(f"two direct answers: {line}" for line in _differing(one, other)),
        *(f"through the gateway: {line}" for line in _differing(one, through)),
    ]


def _differing(one: Answer, other: Answer) -> list[str]:
    before, after = one.leaves(), other.leaves()
    return sorted(
        f"{place}: {before.get(place)!r} became {after.get(place)!r}"
        for place in before.keys() | after.keys()
        if before.get(place) != after.get(place)
    )


def _leaves(place: str, line: bytes) -> dict[str, Any]:
    prefix, separator, text = line.partition(b"data: ")
    try:
        value = json.loads(text if separator and not prefix else line)
    except ValueError:
        return {place: line}
    return dict(_flat(place, value))


def _flat(place: str, value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        return [leaf for key, inner in value.items() for leaf in _flat(f"{place}.{key}", inner)]
    if isinstance(value, list) and value:
        return [leaf for key, inner in enumerate(value) for leaf in _flat(f"{place}[{key}]", inner)]
    return [(place, value)]
