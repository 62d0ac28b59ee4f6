"""A poller's probes are bounded in time and number, and nobody waits for them longer than
`inventory.timeout`."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fleet_runtime.artifacts.contract import PollSettings
from fleet_runtime.artifacts.snapshot import load_snapshot
from fleet_runtime.dialects.status_reason import StatusReason
from fleet_runtime.event_log import EventLog
from fleet_runtime.gateway.live_snapshot import LiveSnapshot, build_live_snapshot
from tests.support.artifacts import connection, gateway, write_generated
from tests.support.raw_server import Peer, Script, raw_server
from tests.support.waiting import pace

pytestmark = pytest.mark.anyio

MODELS = [f"m{number}" for number in range(40)]


def body(value: Any) -> bytes:
    data = json.dumps(value).encode()
    return (
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(data) + data
    )


class LlamaSwap:
    """Lists `MODELS`, all in `state`; takes `seconds` for the properties of one, and keeps which were
    asked."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.state = "starting"
        self.asked: list[str] = []

    async def script(self, peer: Peer) -> None:
        while True:
            request = await peer.request()
            path = request.target.decode()
            if path == "/v1/models":
                await peer.send(body({"data": [{"id": model, "owned_by": "llama-swap"} for model in MODELS]}))
            elif path == "/running":
                states = [{"model": model, "state": self.state} for model in MODELS]
                await peer.send(body({"running": states}))
            elif path.endswith("/props"):
                self.asked.append(path.split("/")[2])
                await pace(self.seconds)
                await peer.send(body({"default_generation_settings": {"n_ctx": 4096}}))
            else:
                await peer.send(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")


def live(folder: Path, url: str, **settings: Any) -> LiveSnapshot:
    polling = PollSettings(**settings)
    write_generated(folder, gateway(connection("a", url), inventory=polling))
    return build_live_snapshot(load_snapshot(folder), {}, EventLog())


@asynccontextmanager
async def polling(live: LiveSnapshot) -> AsyncIterator[LiveSnapshot]:
    task = asyncio.create_task(live.inventory.run())
    try:
        yield live
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await live.close()


async def until(live: LiveSnapshot, condition: Any, seconds: float = 10) -> None:
    """Wait until `condition` holds of the state of ``a``; looked at after every change of it."""
    async with asyncio.timeout(seconds):
        feed = live.inventory.events.follow()
        while not condition(live.inventory.states["a"]):
            change = asyncio.ensure_future(anext(feed))
            await asyncio.wait({change}, timeout=0.05)  # states without an event change too
            change.cancel()


async def test_fault_37_a_probe_queries_a_few_models_and_the_next_one_continues(tmp_path: Path) -> None:
    swap = LlamaSwap(seconds=0.15)
    async with raw_server(swap.script) as server:
        fleet = live(tmp_path, server.url, interval=60, timeout=0.2, grace=60)
        await fleet.probe("a")
        swap.state = "ready"
        counts = []
        for _ in range(3):
            await pace(1)  # PROBE_SPACING
            await fleet.probe("a")
            counts.append(len(swap.asked))
        await fleet.close()
    assert 0 < counts[0] < counts[1] < counts[2] <= 12, counts
    assert swap.asked == MODELS[: len(swap.asked)]


async def test_fault_37_a_request_waits_for_a_probe_no_longer_than_the_timeout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleet_runtime.providers.poller.PROBE_SPACING", 0)
    swap = LlamaSwap(seconds=0.6)
    async with raw_server(swap.script) as server:
        fleet = live(tmp_path, server.url, interval=60, timeout=1, grace=60)
        await fleet.probe("a")
        swap.state = "ready"
        resolution = await fleet.resolve(fleet.tables[""], "a/unknown")
        assert swap.asked
        assert "probe a" in {task.get_name() for task in asyncio.all_tasks()}
        await fleet.close()
    assert resolution.provider == "a"


def noting(probes: asyncio.Queue[None]) -> Script:
    """List one model, and put each request for the list into `probes`."""

    async def script(peer: Peer) -> None:
        while True:
            request = await peer.request()
            if request.target == b"/v1/models":
                probes.put_nowait(None)
            await peer.send(body({"data": [{"id": "m"}]}))

    return script


async def test_a_failed_request_brings_the_next_probe_forward(tmp_path: Path) -> None:
    probes = asyncio.Queue[None]()
    async with (
        raw_server(noting(probes)) as server,
        polling(live(tmp_path, server.url, interval=600)) as fleet,
    ):
        await until(fleet, lambda state: state.status == "online")
        while not probes.empty():
            probes.get_nowait()
        fleet.mark_suspect("a", StatusReason("connect_timeout", seconds=5))
        assert not fleet.view["a"].responsive
        await asyncio.wait_for(probes.get(), 5)
        await until(fleet, lambda state: state.responsive)


SERVER = """
import http.server, json
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        data = json.dumps({"data": [{"id": "m"}]}).encode()
        self.send_response(200); self.send_header("content-length", str(len(data))); self.end_headers()
        self.wfile.write(data)
    def log_message(self, *about): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""


async def test_fault_40_a_suspended_provider_shows_its_reason_within_its_grace(tmp_path: Path) -> None:
    """Stopped by SIGSTOP, its system still accepts connections."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVER, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        url = f"http://127.0.0.1:{int(await process.stdout.readline())}"
        async with polling(live(tmp_path, url, interval=0.1, timeout=0.2, grace=60)) as fleet:
            await until(fleet, lambda state: state.status == "online")
            process.send_signal(signal.SIGSTOP)
            await until(fleet, lambda state: state.reason is not None)
            state = fleet.inventory.states["a"]
            assert state.reason == StatusReason("no_response", "/models", seconds=0.2)
            assert (state.status, fleet.view["a"].responsive) == ("online", False)
            process.send_signal(signal.SIGCONT)
            await until(fleet, lambda state: state.reason is None)
    finally:
        process.kill()
        await process.wait()


async def test_a_failed_request_never_puts_the_next_probe_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The interval is shorter than the pause that such probes keep."""
    monkeypatch.setattr("fleet_runtime.providers.poller.PROBE_SPACING", 600.0)
    probes = asyncio.Queue[None]()
    async with (
        raw_server(noting(probes)) as server,
        polling(live(tmp_path, server.url, interval=0.1)) as fleet,
    ):
        await until(fleet, lambda state: state.status == "online")
        while not probes.empty():
            probes.get_nowait()
        fleet.mark_suspect("a", StatusReason("connect_timeout", seconds=5))
        async with asyncio.timeout(20):
            await probes.get()
            await probes.get()
