"""One simulated machine: its ports, its record of requests, and how its behaviour bends its answers."""

from __future__ import annotations

import asyncio
import gzip
import random
import time
import zlib
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace
from typing import Any

from fleet_runtime.simulator import control
from fleet_runtime.simulator.engine import Engine, Record, TooBusy, Visit
from fleet_runtime.simulator.kinds import PRODUCTS
from fleet_runtime.simulator.news import News
from fleet_runtime.simulator.reply import Reply
from fleet_runtime.simulator.spec import Behaviour, MachineSpec, changed
from fleet_runtime.simulator.wire import Dropped, Exchange, Headers, Listener, Request

SIDECAR_PATHS = frozenset({"/v1/chat/completions", "/v1/completions"})


class SimulatedMachine:
    """A machine of a fleet on loopback.

    `records` are the requests it got, in order, control plane left out. `behaviour` may be changed in
    place, by `apply`, or by ``POST /_sim/behaviour``; only the last two open and close its ports.
    """

    def __init__(self, spec: MachineSpec) -> None:
        self.spec = spec
        self.name = spec.name
        self._product = PRODUCTS[spec.kind]
        self._random = random.Random(spec.name)  # noqa: S311
        self._news = News()
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
        """Where the control plane is reached even while the machine is offline."""
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
        """Let `count` held pieces go."""
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

    async def until(self, condition: Callable[[SimulatedMachine], bool], seconds: float = 5) -> None:
        """Return as soon as `condition` holds, looked at whenever a request comes, goes, or a model changes
        its state; raises TimeoutError."""
        async with asyncio.timeout(seconds):
            await self._news.until(lambda: condition(self))

    def counters(self) -> dict[str, Any]:
        memory = self.engine.memory
        asked = Counter(record.model for record in self.inference if record.model is not None)
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
                    "inference": asked[model.id],
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
            self._news,
        )

    async def _open_ports(self) -> None:
        await (self._listener.close() if self.behaviour.offline else self._listener.open())
        if self._sidecar is not None:
            closed = self.behaviour.offline or self.behaviour.sidecar_offline
            await (self._sidecar.close() if closed else self._sidecar.open())

    async def _direct(self, request: Request, exchange: Exchange) -> None:
        await self._visited(request, exchange, sidecar=False)

    async def _through_sidecar(self, request: Request, exchange: Exchange) -> None:
        await self._visited(request, exchange, sidecar=True)

    async def _controlled(self, request: Request, exchange: Exchange) -> None:
        exchange.spare()
        await _send(exchange, await control.answer(self, request), control.dress)

    async def _visited(self, request: Request, exchange: Exchange, *, sidecar: bool) -> None:
        if request.path.startswith(control.PREFIX):
            await self._controlled(request, exchange)
            return
        record = Record(len(self.records) + 1, self.name, request, sidecar, time.time())
        if self.behaviour.record:
            self.records.append(record)
        self._news.tell()
        try:
            async with AsyncExitStack() as stack:
                visit = Visit(request, record, stack, exchange.abort)
                await self._answer(visit, exchange)
            record.ended = "complete"
        except Dropped:
            record.ended = "dropped"
            raise
        except asyncio.CancelledError:
            record.ended = "dropped" if exchange.aborted else "client_gone"
            raise
        finally:
            self._news.tell()

    async def _answer(self, visit: Visit, exchange: Exchange) -> None:
        behaviour = self.behaviour
        if behaviour.scope == "all" or (behaviour.scope == "inference") == visit.record.inference:
            exchange.drop_at, exchange.drop_how = behaviour.drop_at_byte, behaviour.drop
            if behaviour.hang:
                await asyncio.Event().wait()
            if behaviour.latency_ms:
                await asyncio.sleep(behaviour.latency_ms / 1000)
            reply = self._disturbance() or await self._served(visit)
        else:
            reply = await self._served(visit)
        if reply.body and isinstance(reply.body, bytes) and visit.record.inference:
            await self.engine.pace(first=True)
        if visit.record.sidecar:
            reply = replace(reply, extra=(*reply.extra, ("X-Sidecar", self.name)))
        if behaviour.gzip:
            reply = _compressed(reply)
        exchange.close = behaviour.close_after_response
        await _send(exchange, reply, lambda reply: self._product.dress(reply, visit.request))

    def _disturbance(self) -> Reply | None:
        behaviour = self.behaviour
        if behaviour.redirect_to is not None:
            there = ("Location", behaviour.redirect_to)
            return Reply(behaviour.redirect_status, b"", "text/html; charset=utf-8", (there,))
        if behaviour.error_status is None or self._random.random() >= behaviour.error_rate:
            return None
        extra = (("Retry-After", behaviour.retry_after),) if behaviour.retry_after is not None else ()
        if behaviour.error_body is not None:
            return Reply(behaviour.error_status, behaviour.error_body.encode(), behaviour.error_type, extra)
        reply = self._product.error(behaviour.error_status, "simulated error")
        return replace(reply, extra=(*reply.extra, *extra))

    async def _served(self, visit: Visit) -> Reply:
        request, behaviour = visit.request, self.behaviour
        if visit.record.sidecar and request.path not in SIDECAR_PATHS:
            if request.path == "/health":
                return Reply(200, b"OK", "text/plain; charset=utf-8")
            return Reply(404, b"404 page not found\n", "text/plain")
        if not self._admitted(request):
            return self._product.unauthorized()
        if request.method == "GET" and request.path in self._product.list_paths:
            if behaviour.list_endless:
                return Reply(behaviour.list_status, _endless(), behaviour.list_type)
            if behaviour.list_body is not None or behaviour.list_status != 200:
                body = (behaviour.list_body or "").encode("utf-8", "surrogatepass")
                return Reply(behaviour.list_status, body, behaviour.list_type)
        try:
            return await self._product.answer(self.engine, visit)
        except TooBusy:
            busy = self._product.error(429, "Too many requests")
            return replace(busy, extra=(*busy.extra, ("Retry-After", "1")))

    def _admitted(self, request: Request) -> bool:
        key = self.behaviour.require_key or self.spec.api_key
        if key is None or request.path in self._product.open_paths:
            return True
        given = (request.header(name) or "" for name in self._product.key_headers)
        return any(value.removeprefix("Bearer ") == key for value in given)


async def _send(exchange: Exchange, reply: Reply, dress: Callable[[Reply], Headers]) -> None:
    """A streamed answer's head goes out with its first piece, as servers of models do it."""
    if isinstance(reply.body, bytes):
        await exchange.head(reply.status, dress(reply), reply.body)
        return
    started = False
    async with aclosing(reply.body) as pieces:
        async for piece in pieces:
            if not started:
                await exchange.head(reply.status, dress(reply))
                started = True
            await exchange.piece(piece)
    if not started:
        await exchange.head(reply.status, dress(reply))
    await exchange.end()


def _compressed(reply: Reply) -> Reply:
    extra = (*reply.extra, ("Content-Encoding", "gzip"))
    if isinstance(reply.body, bytes):
        return replace(reply, body=gzip.compress(reply.body, mtime=0), extra=extra)
    return replace(reply, body=_compressed_pieces(reply.body), extra=extra)


async def _compressed_pieces(pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    compressor = zlib.compressobj(wbits=31)
    async with aclosing(pieces):
        async for piece in pieces:
            yield compressor.compress(piece) + compressor.flush(zlib.Z_SYNC_FLUSH)
    yield compressor.flush()


async def _endless() -> AsyncGenerator[bytes, None]:
    yield b'{"object":"list","data":['
    while True:
        yield b'{"id":"one-more","object":"model"},' * 1000
