"""The control plane of a simulated server, under ``/_sim/``: never recorded, and not subject to faults.

- ``POST /_sim/behaviour``: change some fields of the behaviour, and return all of it. ``GET`` reads it.
- ``GET /_sim/requests``: every request, complete (``?inference=true``: only those). ``?at_least=N`` waits
until there are as many, at most ``&seconds=S``.
- ``GET /_sim/counters``: loads, ttl resets and requests, in total and by model.
- ``POST /_sim/release``: let held chunks go: ``{"chunks": 1}``, ``{"loads": 1}``.
- ``POST /_sim/reset``: everything as at the start.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Protocol, Self

from pydantic import ValidationError

from fleet_runtime.simulator.engine import Engine, Record, decoded
from fleet_runtime.simulator.reply import Reply, json_reply
from fleet_runtime.simulator.spec import Behaviour
from fleet_runtime.simulator.wire import Headers, Request

PREFIX = "/_sim/"


class Controlled(Protocol):
    """What the control plane needs of the server that it controls."""

    name: str

    @property
    def records(self) -> list[Record]: ...

    @property
    def engine(self) -> Engine: ...

    @property
    def behaviour(self) -> Behaviour: ...

    @property
    def inference(self) -> list[Record]: ...

    def counters(self) -> dict[str, Any]: ...

    def release(self, count: int) -> None: ...

    def release_loading(self, count: int) -> None: ...

    async def apply(self, changes: Mapping[str, Any]) -> None: ...

    async def reset(self) -> None: ...

    async def until(self, condition: Callable[[Self], bool], seconds: float) -> None: ...


def headers(reply: Reply) -> Headers:
    return [("Content-Type", reply.content_type), reply.framing, ("Connection", "close")]


async def respond(server: Controlled, request: Request) -> Reply:
    payload = decoded(request) if request.body else {}
    if payload is None:
        return json_reply({"error": "the body is not a JSON object"}, 400)
    match request.method, request.path.removeprefix(PREFIX):
        case "GET", "behaviour":
            return json_reply(asdict(server.behaviour))
        case "POST", "behaviour":
            try:
                await server.apply(payload)
            except ValidationError as wrong:
                return json_reply({"error": json.loads(wrong.json(include_url=False))}, 400)
            return json_reply(asdict(server.behaviour))
        case "GET", "requests":
            return await _requests(server, request.query)
        case "GET", "counters":
            return json_reply(server.counters())
        case "POST", "release":
            server.release(int(payload.get("chunks", 0)))
            server.release_loading(int(payload.get("loads", 0)))
            return json_reply(
                {"waiting": server.engine.gate.waiting, "loading": server.engine.loading_gate.waiting}
            )
        case "POST", "reset":
            await server.reset()
            return json_reply(server.counters())
    return json_reply({"error": f"unknown control operation: {request.method} {request.path}"}, 404)


async def _requests(server: Controlled, query: dict[str, str]) -> Reply:
    only = query.get("inference") == "true"

    def chosen() -> list[Record]:
        return server.inference if only else server.records

    if "at_least" in query:
        wanted = int(query["at_least"])
        try:
            await server.until(lambda _: len(chosen()) >= wanted, float(query.get("seconds", "5")))
        except TimeoutError:
            return json_reply({"error": f"only {len(chosen())} of {wanted} requests came"}, 408)
    return json_reply({"machine": server.name, "requests": [_record(record) for record in chosen()]})


def _record(record: Record) -> dict[str, Any]:
    return {
        "number": record.number,
        "machine": record.server,
        "sidecar": record.sidecar,
        "time": record.time,
        "method": record.request.method,
        "target": record.request.target,
        "headers": [
            [name.decode("latin-1"), value.decode("latin-1")] for name, value in record.request.headers
        ],
        "body": base64.b64encode(record.body).decode(),
        "text": record.body.decode("utf-8", "replace"),
        "inference": record.inference,
        "model": record.model,
        "ended": record.ended,
    }
