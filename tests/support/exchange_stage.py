"""An exchange between fakes: a client, a provider with one slot, and connections that do what a test says."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from fleet_runtime.artifacts.contract import Timeouts
from fleet_runtime.dialects.status_reason import StatusReason
from fleet_runtime.errors import request_error
from fleet_runtime.providers.limiter import ConcurrencyLimiter
from fleet_runtime.providers.provider import Provider
from fleet_runtime.proxy.endpoints import Routes
from fleet_runtime.proxy.exchange import Exchange
from fleet_runtime.proxy.exchange_state import ExchangeState
from fleet_runtime.proxy.memory_budget import MemoryBudget
from fleet_runtime.proxy.request_context import RecordSink, RequestContext
from fleet_runtime.proxy.request_plan import Plans
from fleet_runtime.proxy.request_record import RequestRecord
from fleet_runtime.routing import resolver as router
from fleet_runtime.upstream import ConnectError, ResponseHead, UpstreamCutError
from fleet_runtime.upstream.receiver import ResponseShape
from tests.support import artifacts
from tests.support.gateway import models
from tests.support.heads import read_head
from tests.support.static_fleet import StaticFleet
from tests.support.waiting import turn

BODY = b'{"model":"a/m"}'
LONG = b'{"model":"a/m","x":"' + b"x" * 1_100_000 + b'"}'
CUT = UpstreamCutError("cut", head_received=False, silent=True)
LATE = UpstreamCutError("cut", head_received=True, silent=False)
UNREACHED = ConnectError("a", StatusReason("connect_timeout", seconds=1))


class Connection:
    """A provider's connection that does what the test says."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def start(self, head: bytes, body: object, receiver: object, timeouts: object) -> None:
        self.calls.append("start")

    def pause_reading(self) -> None:
        self.calls.append("pause")

    def resume_reading(self) -> None:
        self.calls.append("resume")

    def abort(self) -> None:
        self.calls.append("abort")


class Upstream:
    """Has an idle connection, or makes one when the test says so."""

    timeouts = Timeouts()
    host_header = b"a"

    def __init__(self) -> None:
        self.idle: Connection | None = Connection()
        self.connected: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()

    def idle_connection(self) -> Connection | None:
        connection, self.idle = self.idle, None
        return connection

    async def new_connection(self) -> Connection:
        return await self.connected


class Sink:
    """Notes what the client is sent."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def respond(self, status: int, block: bytes, body: bytes) -> None:
        self.sent.append(str(status))

    def start(
        self, status: int, block: bytes, length: object, data: bytes, ended: bool, closes: bool = False
    ) -> None:
        self.sent.append(f"{status} {data.decode()}{'.' if ended else ''}")

    def write(self, data: bytes, ended: bool) -> None:
        self.sent.append(f"{data.decode()}{'.' if ended else ''}")

    def cut(self) -> None:
        self.sent.append("cut")

    def close_after(self) -> None:
        self.sent.append("close after")


class Stage:
    """An exchange between fakes, with one slot at its provider."""

    def __init__(
        self, path: bytes = b"/v1/chat/completions", keepalive: float | None = None, **settings: Any
    ) -> None:
        config = artifacts.connection("a")
        gateway = artifacts.gateway(config, artifacts.connection("b"), **settings)
        table = artifacts.table(
            *(gateway, None, {"a": models("m"), "b": models("m")}),
            roles={"r": ("a/m", "b/m")},
            keepalive=keepalive,
        )
        self.keepalive = keepalive
        self.upstream, self.other = Upstream(), Upstream()
        self.provider = Provider(config, self.upstream, None, None, ConcurrencyLimiter(1))  # type: ignore[arg-type]
        second = Provider(artifacts.connection("b"), self.other, None, None)  # type: ignore[arg-type]
        self.fleet = StaticFleet(
            gateway, {"": table}, {"a": self.provider, "b": second}, router.lock_view(table)
        )
        self.sink, self.memory, self.records = Sink(), MemoryBudget(), list[RequestRecord]()
        record: RecordSink = self.records.append
        head = read_head(b"POST " + path + b" HTTP/1.1\r\nhost: a")
        context = RequestContext(
            *(self.fleet, head, b"id", 0, Routes({"": table}).proxied(path), b""),
            *(RequestRecord("id", None, path.decode()), self.sink, record, self.memory),
        )
        self.exchange = Exchange(context, Plans())
        self.connection = self.upstream.idle
        assert self.connection is not None

    def receive(self, body: bytes = BODY) -> None:
        self.exchange.on_body(body if self.keepalive is None else b'{"stream":true,' + body[1:])
        self.exchange.on_body_end()

    async def becomes(self, state: str) -> None:
        async with asyncio.timeout(5):
            while self.exchange.state is not ExchangeState[state]:
                await turn()

    def connect(self, error: Exception | None = None) -> None:
        if error is not None:
            self.upstream.connected.set_exception(error)
        else:
            self.upstream.connected.set_result(self.connection)  # type: ignore[arg-type]

    # how each state is reached

    async def receiving(self) -> None:
        self.exchange.on_body(b"{")

    async def preparing(self) -> None:
        self.receive(LONG)

    async def resolving(self) -> None:
        self.receive(BODY.replace(b"a/m", b"a/new"))

    async def waking(self) -> None:
        self.fleet.waking["a"] = asyncio.get_running_loop().create_future()
        self.fleet.view["a"] = replace(self.fleet.view["a"], status="offline", can_wake=True)
        self.receive()
        await turn()

    async def queued(self) -> None:
        assert self.provider.try_enter("m")
        self.receive()
        await turn()

    async def connecting(self) -> None:
        self.upstream.idle = None
        self.receive()
        await turn()

    async def sent(self) -> None:
        self.receive()

    async def head_held(self) -> None:
        self.receive()
        self.exchange.on_head(head(), b"", False)

    async def relaying(self) -> None:
        self.receive()
        self.exchange.on_head(head(), b"x", False)


def head(status: int = 200, kind: bytes = b"application/json") -> ResponseHead:
    return ResponseHead(ResponseShape(status, [(b"content-type", kind), (b"location", b"/x")]))


def responds(stage: Stage) -> None:
    stage.fleet.waking["a"].set_result(router.ProviderView("online", {"m": "m"}))


def stays_away(stage: Stage) -> None:
    stage.fleet.waking["a"].set_exception(request_error("provider_unreachable", "a"))


def check_given_back(stage: Stage) -> None:
    assert len(stage.records) == 1
    assert stage.memory.held == 0
    assert sum(stage.provider.in_flight.values()) <= 1  # what a test put there
