"""Two gateways behind the shipped balancers, sharing their state: no request is lost when one is replaced."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from fleet_runtime.store.postgres import READ_SECONDS
from tests.support.artifacts import connection, gateway, write_generated
from tests.support.balancer import HOST, documented, haproxy, nginx, running_nginx
from tests.support.ports import free_port
from tests.support.postgres import PostgresServer, postgres_server
from tests.support.raw_client import Client, ask, request
from tests.support.raw_server import Peer, raw_server
from tests.support.waiting import pace, until

pytestmark = [pytest.mark.anyio, pytest.mark.integration]

CHAT = "/boochat/v1/chat/completions"
STREAMED = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
CHUNK = b"9\r\ndata: 1\n\n\r\n"
DONE = b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"
CHUNKS, PAUSE = 40, 0.05
"""Of one stream: two seconds in all."""


async def provider(peer: Peer) -> None:
    """Respond to every request at once, or with a stream."""
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        while True:
            asked = await peer.request()
            if json.loads(asked.body).get("stream"):
                await peer.send(STREAMED)
                for _ in range(CHUNKS):
                    await peer.send(CHUNK)
                    await pace(PAUSE)
                await peer.send(DONE)
            else:
                await peer.send(
                    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
                )


@dataclass
class Gateways:
    """Two gateways on one folder; `environ` is what both start with."""

    folder: Path
    environ: dict[str, str]
    ports: list[int] = field(default_factory=lambda: [free_port(), free_port()])
    processes: dict[int, asyncio.subprocess.Process] = field(default_factory=dict)

    async def start(self, port: int) -> None:
        command = [
            sys.executable,
            "-m",
            "fleet_compiler",
            "serve",
            "--generated",
            str(self.folder / "generated"),
        ]
        with (self.folder / "gateways.log").open("ab") as log:
            self.processes[port] = await asyncio.create_subprocess_exec(
                *command, "--listen", f"127.0.0.1:{port}", env=self.environ, stdout=log, stderr=log
            )
        await until(lambda: self.is_ready(port), 30)

    def is_ready(self, port: int) -> bool:
        assert self.processes[port].returncode is None, (self.folder / "gateways.log").read_text()
        with contextlib.suppress(httpx.TransportError):
            return (
                httpx.get(f"http://127.0.0.1:{port}/ready", verify=False, trust_env=False).status_code == 200
            )
        return False

    async def restart(self, port: int) -> None:
        self.processes[port].send_signal(signal.SIGTERM)
        assert await self.processes[port].wait() == 0
        await self.start(port)

    async def stop(self) -> None:
        for process in self.processes.values():
            if process.returncode is None:
                process.kill()
            await process.wait()


@contextlib.asynccontextmanager
async def two_gateways(folder: Path, state: Any = None, **environ: str) -> AsyncIterator[Gateways]:
    async with raw_server(provider) as server:
        machine = connection("box", server.url, poll=False, declared={"m": {}})
        config = gateway(machine, hosts=(HOST,), drain=10, not_ready=3, state=state)
        write_generated(folder / "generated", config)
        given = {**os.environ, "STATE_DIRECTORY": str(folder / "state"), **environ}
        gateways = Gateways(folder, given)
        try:
            await asyncio.gather(*map(gateways.start, gateways.ports))
            yield gateways
        finally:
            await gateways.stop()


async def closed(client: Client | None) -> None:
    if client is not None:
        client.writer.close()
        with contextlib.suppress(OSError):
            await client.writer.wait_closed()


@dataclass
class Load:
    """Clients behind a balancer, each with a connection that it keeps; `failed` are the requests without a
    complete response."""

    port: int
    rate: float
    done: int = 0
    streams: int = 0
    failed: list[tuple[float, str]] = field(default_factory=list)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def __aenter__(self) -> Load:
        clients = 30
        self._tasks = [asyncio.create_task(self._repeat(clients / self.rate)) for _ in range(clients)]
        self._tasks += [asyncio.create_task(self._repeat(0, stream=True)) for _ in range(10)]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _repeat(self, pause: float, *, stream: bool = False) -> None:
        client: Client | None = None
        body = {"model": "box/m", "stream": stream}
        try:
            while True:
                began = time.monotonic()
                try:
                    if client is None:
                        client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
                    await client.send(request(CHAT, body, {"host": HOST}))
                    answer = await client.answer()
                    whole = answer.status == 200 and answer.ended
                    if not whole or (stream and not answer.body.endswith(b"[DONE]\n\n")):
                        raise ConnectionError(f"{answer.status} {answer.body[-60:]!r}")
                    self.done += 1
                    self.streams += stream
                except (OSError, EOFError, ValueError) as error:
                    self.failed.append((began, repr(error)))
                    await closed(client)
                    client = None
                await pace(max(0.0, pause - (time.monotonic() - began)))
        finally:
            await closed(client)


STATS = """
listen stats
    bind 127.0.0.1:{port}
    stats enable
    stats uri /
"""


@contextlib.asynccontextmanager
async def balanced(gateways: Gateways) -> AsyncIterator[tuple[int, Callable[[], bool]]]:
    """HAProxy before them; yields its port, and whether it sees both up."""
    stats = free_port()

    def both_up() -> bool:
        rows = httpx.get(f"http://127.0.0.1:{stats}/;csv", verify=False, trust_env=False).text.splitlines()
        return sum(row.startswith("gateways,") and ",UP," in row for row in rows) == 3

    with haproxy(gateways.folder, gateways.ports, STATS.format(port=stats)) as port:
        await until(both_up, 20)
        yield port, both_up


@pytest.mark.parametrize("restarts", [1, pytest.param(8, marks=pytest.mark.slow)])
async def test_rolling_restarts_behind_haproxy_lose_no_request(tmp_path: Path, restarts: int) -> None:
    async with two_gateways(tmp_path) as gateways, balanced(gateways) as (port, both_up):
        async with Load(port, rate=300 if restarts > 1 else 100) as load:
            await until(lambda: load.streams >= 10)
            for number in range(restarts):
                await gateways.restart(gateways.ports[number % 2])
                await until(both_up, 20)
            seen = load.streams
            await until(lambda: load.streams >= seen + 10)
        assert load.failed == [], f"{len(load.failed)} of {load.done} requests failed"
        print(f"{restarts} restarts, {load.done} requests, {load.streams} streams, 0 failed")


async def test_a_killed_gateway_costs_only_its_requests_in_flight(tmp_path: Path) -> None:
    async with two_gateways(tmp_path) as gateways, balanced(gateways) as (port, _):
        async with Load(port, rate=100) as load:
            await until(lambda: load.streams >= 10)
            before = load.done
            gateways.processes[gateways.ports[0]].kill()
            killed = time.monotonic()
            await until(lambda: load.done > before + 200, 20)
        assert [what for at, what in load.failed if at > killed + 0.2] == []


@pytest.mark.parametrize("balancer", [haproxy, nginx])
async def test_a_stream_comes_through_the_balancer_chunk_by_chunk(
    tmp_path: Path, balancer: Callable[[Path, list[int]], AbstractContextManager[int]]
) -> None:
    async with two_gateways(tmp_path) as gateways:
        with balancer(tmp_path, gateways.ports) as port:
            client = Client(*await asyncio.open_connection("127.0.0.1", port))
            await client.send(request(CHAT, {"model": "box/m", "stream": True}, {"host": HOST}))
            assert (await client.head()).status == 200
            began = time.monotonic()
            assert await client.chunk() == b"data: 1\n\n"
            assert time.monotonic() - began < CHUNKS * PAUSE / 2
            await closed(client)


async def test_haproxy_alone_serves_a_path_that_names_its_provider(tmp_path: Path) -> None:
    """As docs/scale.md says: the path alone, without anything that depends on the body."""
    frontend = (
        "\nfrontend paths\n    bind 127.0.0.1:{0}\n    use_backend box if {{ path_beg /providers/box/ }}\n\n"
    )
    async with raw_server(provider) as machine:
        direct, port = documented("scale.md", "haproxy", "backend box"), free_port()
        more = frontend.format(port) + direct.replace(
            "100.101.41.16:8401", machine.url.removeprefix("http://")
        )
        with haproxy(tmp_path, [free_port(), free_port()], more):
            answer = await ask(port, "/providers/box/v1/chat/completions", {"model": "m"})
    assert answer.status == 200
    assert [asked.target for asked in machine.requests] == [b"/v1/chat/completions"]


async def test_nginx_alone_serves_a_path_that_names_its_provider(tmp_path: Path) -> None:
    async with raw_server(provider) as machine:
        direct = documented("scale.md", "nginx", "location /providers/box/")
        direct = direct.replace("100.101.41.16:8401", machine.url.removeprefix("http://"))
        with running_nginx(tmp_path, f"server {{ listen 127.0.0.1:PORT; {direct} }}") as port:
            answer = await ask(port, "/providers/box/v1/chat/completions", {"model": "m", "stream": True})
    assert (answer.status, answer.body[-14:]) == (200, b"data: [DONE]\n\n")
    assert [asked.target for asked in machine.requests] == [b"/v1/chat/completions"]


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


async def first_event(port: int, seen: asyncio.Event) -> str:
    """The first event of the favorites on a gateway's feed; `seen` is set once it follows."""
    async with (
        httpx.AsyncClient(verify=False, trust_env=False, timeout=30) as client,
        client.stream("GET", f"http://127.0.0.1:{port}/api/events?topics=favorites") as feed,
    ):
        seen.set()
        async for line in feed.aiter_lines():
            if line.startswith("data:") and "version" in line:
                return line
    raise AssertionError("the feed ended")


async def seconds_to_the_other(ports: list[int]) -> float:
    """How long a favorite that is added on one gateway takes to the event feed of the other."""
    seen = asyncio.Event()
    feed = asyncio.create_task(first_event(ports[1], seen))
    await seen.wait()
    began = time.monotonic()
    async with httpx.AsyncClient(verify=False, trust_env=False) as client:
        added = await client.put(f"http://127.0.0.1:{ports[0]}/api/favorites/box/m")
    assert added.status_code == 200, added.text
    await feed
    return time.monotonic() - began


async def test_a_favorite_reaches_the_other_gateways_feed_through_one_file(tmp_path: Path) -> None:
    async with two_gateways(tmp_path) as gateways:
        assert await seconds_to_the_other(gateways.ports) < READ_SECONDS


async def test_gateways_with_one_database_share_favorites_and_live_without_it(
    tmp_path: Path, server: PostgresServer
) -> None:
    state = {"postgres": {"env": "FLEET_STATE_URL"}}
    server.sql("CREATE DATABASE two")
    async with two_gateways(tmp_path, state, FLEET_STATE_URL=server.url("two")) as gateways:
        one, other = (f"http://127.0.0.1:{port}" for port in gateways.ports)
        async with httpx.AsyncClient(verify=False, trust_env=False, timeout=10) as client:

            async def store() -> dict[str, Any]:
                return dict((await client.get(f"{one}/api/fleet")).json()["store"])

            while (await store())["state"] == "down":
                await pace(0.05)
            assert await seconds_to_the_other(gateways.ports) < READ_SECONDS
            tag = (await client.get(f"{other}/api/favorites")).headers["etag"]
            changed = await client.delete(f"{one}/api/favorites/box/m", headers={"if-match": tag})
            assert changed.status_code == 200
            server.signal_all(signal.SIGSTOP)
            try:
                async with Load(gateways.ports[0], rate=200) as load:
                    began = time.monotonic()
                    refused = await client.put(f"{one}/api/favorites/box/m")
                    assert time.monotonic() - began < 4
                    assert (refused.status_code, refused.json()["error"]["code"]) == (
                        503,
                        "store_unavailable",
                    )
                    assert (await client.get(f"{one}/ready")).status_code == 200
                    kept = (await client.get(f"{one}/api/favorites")).json()
                    assert (kept["version"], kept["favorites"]) == (2, [])
                    down = await store()
                    assert down["state"] == "down"
                    assert down["where"] == f"postgresql://127.0.0.1:{server.port}/two"
                    assert "canary" not in json.dumps(down)
                    metrics = (await client.get(f"{one}/metrics")).text
                    assert "fleet_store_up 0.0" in metrics
                    await until(lambda: load.done > 200)
                assert load.failed == []
            finally:
                server.signal_all(signal.SIGCONT)
            while (await store())["state"] == "down":
                await pace(0.05)
            assert (await client.put(f"{one}/api/favorites/box/m")).status_code == 200
    assert (
        Counter("canary" in line for line in (tmp_path / "gateways.log").read_text().splitlines())[True] == 0
    )
