"""One simulated server: its ports, its record of requests, and how its behaviour changes its responses."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

from fleet_runtime.simulator import control
from fleet_runtime.simulator.changes import Changes
from fleet_runtime.simulator.disturbance import compressed, disturbed, replaced_list, send
from fleet_runtime.simulator.engine import ActiveRequest, Engine, Record, TooBusyError
from fleet_runtime.simulator.kinds import PRODUCTS
from fleet_runtime.simulator.reply import Reply
from fleet_runtime.simulator.spec import Behaviour, ServerSpec, changed
from fleet_runtime.simulator.wire import DroppedError, Listener, Request, ResponseWriter

SIDECAR_PATHS = frozenset({"/v1/chat/completions", "/v1/completions"})


class SimulatedServer:
    """A provider of a fleet on loopback.

    `records` are the requests it got, in order, control plane left out. `behaviour` may be changed in
    place, by `apply`, or by ``POST /_sim/behaviour``; only the last two open and close its ports.
    """

    def __init__(self, spec: ServerSpec) -> None:
        self.spec = spec
        self.name = spec.name
        self._product = PRODUCTS[spec.kind]
        self._random = random.Random(spec.name)  # noqa: S311
        self._changes = Changes()
        self._begin()
        self._listener = Listener(spec.port, self._direct)
        self._control = Listener(spec.control_port, self._controlled)
        self._sidecar = Listener(spec.sidecar_port, self._through_sidecar) if spec.sidecar else None

    def __repr__(self) -> str:
        return f"<{self.spec.kind} {self.name} at {self.url}: {len(self.records)} requests>"

    @property
    def port(self) -> int:
        return self._listener.port

    @property
    def url(self) -> str:
        return self._listener.url

    @property
    def control_url(self) -> str:
        """Where the control plane is reached even while the server is offline."""
        return self._control.url

    @property
    def sidecar_url(self) -> str | None:
        return None if self._sidecar is None else self._sidecar.url

    @property
    def connections(self) -> int:
        """How many are open to it, its sidecar included."""
        return self._listener.connections + (self._sidecar.connections if self._sidecar else 0)

    @property
    def behaviour(self) -> Behaviour:
        return self.engine.behaviour

    @property
    def load_count(self) -> int:
        return self.engine.memory.loads.total()

    @property
    def ttl_resets(self) -> int:
        return self.engine.memory.ttl_resets.total()

    @property
    def inference(self) -> list[Record]:
        """The recorded inference requests."""
        return [record for record in self.records if record.inference]

    async def start(self) -> None:
        self.engine.memory.start()
        await self._control.open()
        await self._open_ports()

    async def stop(self) -> None:
        """Close every port and reset every connection; it cannot be started again."""
        self.engine.memory.clear()
        await self._listener.release()
        await self._control.release()
        if self._sidecar is not None:
            await self._sidecar.release()

    async def apply(self, changes: Mapping[str, Any]) -> None:
        """Change the behaviour; raises pydantic.ValidationError and changes nothing for wrong changes."""
        self.engine.behaviour = changed(self.behaviour, changes)
        if not self.behaviour.hold:
            self.engine.gate.open()
        if not self.behaviour.hold_loading:
            self.engine.loading_gate.open()
        await self._open_ports()

    def release(self, count: int = 1) -> None:
        """Let `count` held chunks go."""
        self.engine.gate.release(count)

    def release_loading(self, count: int = 1) -> None:
        self.engine.loading_gate.release(count)

    async def reset(self) -> None:
        """As it was at the start: behaviour, memory, counters and records."""
        self.engine.memory.clear()
        self.engine.gate.open()
        self.engine.loading_gate.open()
        self._begin()
        self.engine.memory.start()
        await self._open_ports()

    async def until(self, condition: Callable[[SimulatedServer], bool], seconds: float = 5) -> None:
        """Return as soon as `condition` holds, checked whenever a request comes or ends, or a model changes
        its state; raises TimeoutError."""
        async with asyncio.timeout(seconds):
            await self._changes.until(lambda: condition(self))

    def counters(self) -> dict[str, Any]:
        memory = self.engine.memory
        payload = Counter(record.model for record in self.inference if record.model is not None)
        return {
            "machine": self.name,
            "requests": len(self.records),
            "inference": len(self.inference),
            "loads": self.load_count,
            "ttl_resets": self.ttl_resets,
            "connections": self.connections,
            "models": {
                model.id: {
                    "state": self.engine.state(model),
                    "inference": payload[model.id],
                    "loads": memory.loads[model.id],
                    "ttl_resets": memory.ttl_resets[model.id],
                }
                for model in self.spec.models
            },
        }

    def _begin(self) -> None:
        self.records: list[Record] = []
        self.engine = Engine(
            self.spec,
            replace(self.spec.behaviour),
            self._product.capacity,
            self._product.resident,
            self._changes,
        )

    async def _open_ports(self) -> None:
        await (self._listener.close() if self.behaviour.offline else self._listener.open())
        if self._sidecar is not None:
            closed = self.behaviour.offline or self.behaviour.sidecar_offline
            await (self._sidecar.close() if closed else self._sidecar.open())

    async def _direct(self, request: Request, writer: ResponseWriter) -> None:
        await self._handle(request, writer, sidecar=False)

    async def _through_sidecar(self, request: Request, writer: ResponseWriter) -> None:
        await self._handle(request, writer, sidecar=True)

    async def _controlled(self, request: Request, writer: ResponseWriter) -> None:
        writer.spare()
        await send(writer, await control.respond(self, request), control.headers)

    async def _handle(self, request: Request, writer: ResponseWriter, *, sidecar: bool) -> None:
        if request.path.startswith(control.PREFIX):
            await self._controlled(request, writer)
            return
        record = Record(len(self.records) + 1, self.name, request, sidecar, time.time())
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
            reply = replace(reply, extra=(*reply.extra, ("X-Sidecar", self.name)))
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
        key = self.behaviour.require_key or self.spec.api_key
        if key is None or request.path in self._product.open_paths:
            return True
        given = (request.header(name) or "" for name in self._product.key_headers)
        return any(value.removeprefix("Bearer ") == key for value in given)
