"""A gateway on a socket of 127.0.0.1, with everything real but the inventory: its view is a test's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from fleet_runtime.artifacts.contract import (
    ProviderConfig,
    RoutedModel,
)
from fleet_runtime.edge.asgi import ASGIApp
from fleet_runtime.edge.connection import ClientConnection
from fleet_runtime.edge.dispatch import Dispatcher
from fleet_runtime.edge.interfaces import Edge, TimeLimits
from fleet_runtime.providers.limiter import LimiterPool
from fleet_runtime.providers.provider import Provider
from fleet_runtime.proxy.memory_budget import MemoryBudget
from fleet_runtime.proxy.request_record import RequestRecord
from fleet_runtime.routing import resolver as router
from fleet_runtime.upstream import Upstream
from tests.support import artifacts
from tests.support.raw_server import RawServer, Script, raw_server
from tests.support.static_fleet import StaticFleet
from tests.support.waiting import until

MODEL = "m"


@dataclass
class RunningGateway:
    """`records` of the requests that are over, in the order they ended."""

    host: str
    port: int
    fleet: StaticFleet
    edge: Edge
    memory: MemoryBudget
    records: list[RequestRecord] = field(default_factory=list)
    _over: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    async def record(self, number: int = 0) -> RequestRecord:
        """Wait for the request that ends as the `number`th, and return its record."""
        async with asyncio.timeout(10), self._over:
            await self._over.wait_for(lambda: len(self.records) > number)
        return self.records[number]

    async def until_idle(self, seconds: float = 10) -> None:
        """Return once no provider has a request of ours; TimeoutError after `seconds`."""
        async with asyncio.timeout(seconds), self._over:
            await self._over.wait_for(lambda: not any(m.in_flight for m in self.fleet.providers.values()))

    async def until_closed(self, seconds: float = 10) -> None:
        """Return once no client is connected; AssertionError after `seconds`."""
        await until(lambda: not self.edge.connections, seconds)

    async def add(self, record: RequestRecord) -> None:
        async with self._over:
            self.records.append(record)
            self._over.notify_all()


def models(*ids: str) -> dict[str, RoutedModel]:
    return {id: RoutedModel() for id in ids}


@asynccontextmanager
async def running_gateway(
    *connections: ProviderConfig,
    lists: Mapping[str, Mapping[str, RoutedModel]] | None = None,
    keys: Mapping[str, str] | None = None,
    surfaces: tuple[str, ...] = ("boochat",),
    api: ASGIApp | None = None,
    table: Mapping[str, Any] | None = None,
    times: TimeLimits | None = None,
    **settings: Any,
) -> AsyncIterator[RunningGateway]:
    """`connections` become providers that list the model ``m`` unless `lists` says otherwise.

    When all is over, nothing may be left of any request: no slot, no byte of a body, no missing record."""
    gateway = artifacts.gateway(*connections, surfaces=surfaces, **settings)
    listed = {connection.name: models(MODEL) for connection in connections} | dict(lists or {})
    names = (None, *surfaces)
    tables = [artifacts.table(gateway, surface, listed, **(table or {})) for surface in names]
    limiters = LimiterPool().limiters(connections)
    machines = {
        connection.name: Provider(
            connection,
            Upstream(connection.url, timeouts=connection.timeouts),
            Upstream(connection.sidecar.url, timeouts=connection.timeouts) if connection.sidecar else None,
            (keys or {}).get(connection.name),
            limiters.get(connection.name),
        )
        for connection in connections
    }
    fleet = StaticFleet(gateway, {t.base: t for t in tables}, machines, router.lock_view(tables[0]))
    tasks: set[asyncio.Task[None]] = set()

    def finished(record: RequestRecord) -> None:
        task = asyncio.ensure_future(served.add(record))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    dispatcher = Dispatcher(lambda: fleet, finished, api)
    edge = Edge(
        dispatcher.read,
        dispatcher.begin,
        head_limit=lambda: gateway.limits.head,
        stall_seconds=lambda: gateway.limits.stall,
        limits=times or TimeLimits(),
    )
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: ClientConnection(edge), "127.0.0.1", 0, backlog=1024)
    served = RunningGateway("127.0.0.1", server.sockets[0].getsockname()[1], fleet, edge, dispatcher.memory)
    try:
        yield served
    finally:
        server.close()
        for open_connection in list(edge.connections):
            open_connection.abort()
        await served.until_closed()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert not any(machine.in_flight for machine in machines.values())
        assert dispatcher.memory.held == 0
        for machine in machines.values():
            await machine.upstream.close()
            if machine.sidecar is not None:
                await machine.sidecar.close()
        await server.wait_closed()


@asynccontextmanager
async def gateway_before(
    script: Script,
    timeouts: Mapping[str, float] | None = None,
    max_concurrency: int | None = None,
    **settings: Any,
) -> AsyncIterator[tuple[RawServer, RunningGateway]]:
    """A gateway before one provider, ``a``, that does what `script` says."""
    async with raw_server(script) as machine:
        limits = {"timeouts": timeouts or {}, "max_concurrency": max_concurrency}
        served = artifacts.connection("a", machine.url, **limits)
        async with running_gateway(served, **settings) as gateway:
            yield machine, gateway
