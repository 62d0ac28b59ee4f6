"""A provider that always announces changes is probed at intervals, and once after its last event."""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path

import pytest

from fleet_runtime.artifacts.snapshot import Snapshot
from fleet_runtime.event_log import EventLog
from fleet_runtime.providers.inventory import Inventory
from fleet_runtime.providers.poller import FEED_SPACING
from fleet_runtime.providers.provider import Provider
from fleet_runtime.upstream import Upstream
from tests.support import artifacts
from tests.support.raw_server import Gone, Peer, raw_server
from tests.support.waiting import pace

pytestmark = pytest.mark.anyio

NEWS = b'event:message\ndata:{"type":"modelStatus","data":"[]"}\n\n'


class Chatterbox:
    """A llama-swap whose feed tells of a change a hundred times a second until `quiet`; keeps when it was
    asked for its list."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self.first_word, self.last_word = 0.0, 0.0
        self.speaking, self.quiet, self.asked_after = (asyncio.Event() for _ in range(3))

    async def answer(self, peer: Peer) -> None:
        with contextlib.suppress(Gone):
            while True:
                request = await peer.head()
                if request.target == b"/api/events":
                    return await self.speak(peer)
                body = {"data": [{"id": "m", "owned_by": "llama-swap"}], "running": []}
                if request.target == b"/v1/models":
                    self.asked.append(asyncio.get_running_loop().time())
                    if self.quiet.is_set():
                        self.asked_after.set()
                await peer.send(self.head("application/json", json.dumps(body).encode()))

    def head(self, kind: str, body: bytes | None) -> bytes:
        length = f"content-length: {len(body)}\r\n" if body is not None else ""
        return f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\n{length}\r\n".encode() + (body or b"")

    async def speak(self, peer: Peer) -> None:
        clock = asyncio.get_running_loop().time
        await peer.send(self.head("text/event-stream", None))
        self.first_word = clock()
        for _ in range(100):
            await peer.send(NEWS)
            await pace(0.01)
        self.quiet.set()
        self.last_word = clock()
        await peer.send(NEWS)
        await asyncio.Event().wait()


async def test_constant_feed_events_cause_few_probes_and_the_last_event_causes_one() -> None:
    machine = Chatterbox()
    async with raw_server(machine.answer) as server:
        connection = artifacts.connection("noisy", server.url, poll=60)
        gateway = artifacts.gateway(connection)
        table = artifacts.table(gateway, None)
        upstream = Upstream(server.url, timeouts=connection.timeouts)
        inventory = Inventory(
            Snapshot("sha256:0", Path(), gateway, {"": table}, {"noisy": connection}),
            {"noisy": Provider(connection, upstream, None, None)},
            {},
            EventLog(),
        )
        running = asyncio.create_task(inventory.run())
        try:
            await asyncio.wait_for(machine.asked_after.wait(), 10)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await upstream.close()
    spoken = machine.last_word - machine.first_word
    meanwhile = [at for at in machine.asked if machine.first_word <= at <= machine.last_word]
    assert 1 <= len(meanwhile) <= spoken / FEED_SPACING + 2
