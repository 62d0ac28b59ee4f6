"""The control plane of a simulated machine, under ``/_sim/``: never recorded, never disturbed.

- ``POST /_sim/behaviour``: change some fields of the behaviour; answers the whole of it. ``GET`` reads it.
- ``GET /_sim/requests``: every request whole (``?inference=true``: only those). ``?at_least=N`` waits until
  there are as many, at most ``&seconds=S``.
- ``GET /_sim/counters``: loads, ttl resets and requests, in all and by model.
- ``POST /_sim/release``: let held pieces go: ``{"chunks": 1}``, ``{"loads": 1}``.
- ``POST /_sim/reset``: everything as at the start.
"""

from __future__ import annotations

import base64
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from fleet_runtime.simulator.engine import Record, decoded
from fleet_runtime.simulator.reply import Reply, json_reply
from fleet_runtime.simulator.wire import Headers, Request

if TYPE_CHECKING:
    from fleet_runtime.simulator.machine import SimulatedMachine

PREFIX = "/_sim/"


def dress(reply: Reply) -> Headers:
    return [("Content-Type", reply.content_type), reply.framing, ("Connection", "close")]


async def answer(machine: SimulatedMachine, request: Request) -> Reply:
    asked = decoded(request) if request.body else {}
    if asked is None:
        return json_reply({"error": "the body is not a JSON object"}, 400)
    match request.method, request.path.removeprefix(PREFIX):
        case "GET", "behaviour":
            return json_reply(asdict(machine.behaviour))
        case "POST", "behaviour":
            try:
                await machine.apply(asked)
            except ValidationError as wrong:
                return json_reply({"error": json.loads(wrong.json(include_url=False))}, 400)
            return json_reply(asdict(machine.behaviour))
        case "GET", "requests":
            return await _requests(machine, request.query)
        case "GET", "counters":
            return json_reply(machine.counters())
        case "POST", "release":
            machine.release(int(asked.get("chunks", 0)))
            machine.release_loading(int(asked.get("loads", 0)))
            return json_reply(
                {"waiting": machine.engine.gate.waiting, "loading": machine.engine.loading_gate.waiting}
            )
        case "POST", "reset":
            await machine.reset()
            return json_reply(machine.counters())
    return json_reply({"error": f"no such control: {request.method} {request.path}"}, 404)


async def _requests(machine: SimulatedMachine, query: dict[str, str]) -> Reply:
    only = query.get("inference") == "true"

    def chosen() -> list[Record]:
        return machine.inference if only else machine.records

    if "at_least" in query:
        wanted = int(query["at_least"])
        try:
            await machine.until(lambda _: len(chosen()) >= wanted, float(query.get("seconds", "5")))
        except TimeoutError:
            return json_reply({"error": f"only {len(chosen())} of {wanted} requests came"}, 408)
    return json_reply({"machine": machine.name, "requests": [_record(record) for record in chosen()]})


def _record(record: Record) -> dict[str, Any]:
    return {
        "number": record.number,
        "machine": record.machine,
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
