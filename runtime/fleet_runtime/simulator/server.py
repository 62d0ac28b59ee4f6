"""A simulated server: its ports, behaviour, and counters for tests."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from fleet_runtime.simulator import control
from fleet_runtime.simulator.changes import Changes
from fleet_runtime.simulator.disturbance import send
from fleet_runtime.simulator.engine import Engine, Record
from fleet_runtime.simulator.kinds import PRODUCTS
from fleet_runtime.simulator.session import Session
from fleet_runtime.simulator.spec import Behaviour, ServerSpec, changed
from fleet_runtime.simulator.wire import Listener, Request, ResponseWriter


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
        self._session = Session(spec, self._product, self._random, self._changes)
        self._listener = Listener(spec.port, partial(self._handle, sidecar=False))
        self._control = Listener(spec.control_port, self._controlled)
        through = partial(self._handle, sidecar=True)
        self._sidecar = Listener(spec.sidecar_port, through) if spec.sidecar else None

    def __repr__(self) -> str:
        return f"<{self.spec.kind} {self.name} at {self.url}: {len(self.records)} requests>"

    @property
    def records(self) -> list[Record]:
        return self._session.records

    @property
    def engine(self) -> Engine:
        return self._session.engine

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
        self._session = Session(self.spec, self._product, self._random, self._changes)
        self.engine.memory.start()
        await self._open_ports()

    async def until(self, condition: Callable[[SimulatedServer], bool], seconds: float = 5) -> None:
        """Return as soon as `condition` holds, checked whenever a request comes or ends, or a model changes
        its state; raises TimeoutError."""
        async with asyncio.timeout(seconds):
            await self._changes.until(lambda: condition(self))

    def counters(self) -> dict[str, Any]:
        memory = self.engine.memory
        requested = Counter(record.model for record in self.inference if record.model is not None)
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
                    "inference": requested[model.id],
                    "loads": memory.loads[model.id],
                    "ttl_resets": memory.ttl_resets[model.id],
                }
                for model in self.spec.models
            },
        }

    async def _open_ports(self) -> None:
        await (self._listener.close() if self.behaviour.offline else self._listener.open())
        if self._sidecar is not None:
            closed = self.behaviour.offline or self.behaviour.sidecar_offline
            await (self._sidecar.close() if closed else self._sidecar.open())

    async def _handle(self, request: Request, writer: ResponseWriter, *, sidecar: bool) -> None:
        if request.path.startswith(control.PREFIX):
            await self._controlled(request, writer)
        else:
            await self._session.handle(request, writer, sidecar=sidecar)

    async def _controlled(self, request: Request, writer: ResponseWriter) -> None:
        writer.spare()
        await send(writer, await control.respond(self, request), control.headers)
