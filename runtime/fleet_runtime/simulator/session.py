"""The state of a simulated server since its start or latest reset: models, recorded requests, behaviour."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import replace
from random import Random

from fleet_runtime.simulator.changes import Changes
from fleet_runtime.simulator.disturbance import compressed, disturbed, replaced_list, send
from fleet_runtime.simulator.engine import ActiveRequest, Engine, Record, TooBusyError
from fleet_runtime.simulator.kinds.product import Product
from fleet_runtime.simulator.reply import Reply
from fleet_runtime.simulator.spec import Behaviour, ServerSpec
from fleet_runtime.simulator.wire import DroppedError, Request, ResponseWriter

SIDECAR_PATHS = frozenset({"/v1/chat/completions", "/v1/completions"})


class Session:
    """`records` are the requests, in order; `engine` holds the models and the behaviour."""

    def __init__(self, spec: ServerSpec, product: Product, chance: Random, changes: Changes) -> None:
        behaviour = replace(spec.behaviour)
        self.records: list[Record] = []
        self.engine = Engine(spec, behaviour, product.capacity, product.resident, changes)
        self._spec = spec
        self._product = product
        self._random = chance
        self._changes = changes

    @property
    def behaviour(self) -> Behaviour:
        return self.engine.behaviour

    async def handle(self, request: Request, writer: ResponseWriter, *, sidecar: bool) -> None:
        """Record a request and respond to it as the behaviour says."""
        record = Record(len(self.records) + 1, self._spec.name, request, sidecar, time.time())
        if self.behaviour.record:
            self.records.append(record)
        self._changes.notify()
        try:
            async with AsyncExitStack() as stack:
                active = ActiveRequest(request, record, stack, writer.abort)
                await self._respond(active, writer)
            record.ended = "complete"
        except DroppedError:
            record.ended = "dropped"
            raise
        except asyncio.CancelledError:
            record.ended = "dropped" if writer.aborted else "client_gone"
            raise
        finally:
            self._changes.notify()

    async def _respond(self, active: ActiveRequest, writer: ResponseWriter) -> None:
        behaviour = self.behaviour
        if behaviour.scope == "all" or (behaviour.scope == "inference") == active.record.inference:
            writer.drop_at, writer.drop_how = behaviour.drop_at_byte, behaviour.drop
            if behaviour.hang:
                await asyncio.Event().wait()
            if behaviour.latency_ms:
                await asyncio.sleep(behaviour.latency_ms / 1000)
            reply = disturbed(behaviour, self._product, self._random) or await self._served(active)
        else:
            reply = await self._served(active)
        if reply.body and isinstance(reply.body, bytes) and active.record.inference:
            await self.engine.pace(first=True)
        if active.record.sidecar:
            reply = replace(reply, extra=(*reply.extra, ("X-Sidecar", self._spec.name)))
        if behaviour.gzip:
            reply = compressed(reply)
        writer.close = behaviour.close_after_response
        await send(writer, reply, lambda reply: self._product.headers(reply, active.request))

    async def _served(self, active: ActiveRequest) -> Reply:
        request = active.request
        if active.record.sidecar and request.path not in SIDECAR_PATHS:
            if request.path == "/health":
                return Reply(200, b"OK", "text/plain; charset=utf-8")
            return Reply(404, b"404 page not found\n", "text/plain")
        if not self._admitted(request):
            return self._product.unauthorized()
        if request.method == "GET" and request.path in self._product.list_paths:
            replaced = replaced_list(self.behaviour)
            if replaced is not None:
                return replaced
        try:
            return await self._product.respond(self.engine, active)
        except TooBusyError:
            busy = self._product.error(429, "Too many requests")
            return replace(busy, extra=(*busy.extra, ("Retry-After", "1")))

    def _admitted(self, request: Request) -> bool:
        key = self.behaviour.require_key or self._spec.api_key
        if key is None or request.path in self._product.open_paths:
            return True
        given = (request.header(name) or "" for name in self._product.key_headers)
        return any(value.removeprefix("Bearer ") == key for value in given)
