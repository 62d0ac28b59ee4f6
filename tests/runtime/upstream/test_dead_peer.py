"""A provider that vanishes (power cut, pulled cable) is noticed long before the first-byte limit.

Packets are really dropped: the provider is in a separate network namespace whose address is taken away.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from fleet_runtime.artifacts.contract import Timeouts
from fleet_runtime.upstream import UpstreamCutError
from tests.runtime.upstream.conftest import Client

pytestmark = pytest.mark.anyio

SERVER = """
import socket, sys
listener = socket.create_server(("", 8080))
print("ready", flush=True)
peer, _ = listener.accept()
while True:
    peer.recv(65536)
    if sys.stdin.readline().strip() == "respond":
        peer.sendall(b"HTTP/1.1 200 OK\\r\\ncontent-length: 0\\r\\n\\r\\n")
    print("done", flush=True)
"""


numbers = itertools.count()


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class Island:
    """A host behind a cable that can be cut."""

    def __init__(self, number: int) -> None:
        self.name = f"fleet{number}"
        network = f"10.{200 + number // 256 % 50}.{number % 256}"
        self.here, self.there = f"{network}.1", f"{network}.2"

    def build(self) -> None:
        run("ip", "netns", "add", self.name)
        run("ip", "link", "add", self.name, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        run("ip", "address", "add", f"{self.here}/30", "dev", self.name)
        run("ip", "link", "set", self.name, "up")
        run("ip", "-n", self.name, "address", "add", f"{self.there}/30", "dev", "eth0")
        run("ip", "-n", self.name, "link", "set", "eth0", "up")
        shown = run("ip", "-n", self.name, "-o", "link", "show", "eth0")
        mac = shown.partition("link/ether ")[2].split()[0]
        neighbour = ("lladdr", mac, "dev", self.name, "nud", "permanent")
        run("ip", "neighbour", "replace", self.there, *neighbour)

    def vanish(self) -> None:
        run("ip", "-n", self.name, "address", "flush", "dev", "eth0")

    def remove(self) -> None:
        for kind in ("link", "netns"):
            subprocess.run(("ip", kind, "delete", self.name), check=False, capture_output=True)


@pytest.fixture
async def island() -> AsyncIterator[Island]:
    if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces need Linux, root and ip")
    made = Island(os.getpid() * 4 % 10_000 + next(numbers) % 4)
    try:
        made.build()
    except subprocess.CalledProcessError as error:
        made.remove()
        pytest.skip(f"no network namespace here: {error.stderr}")
    try:
        yield made
    finally:
        made.remove()


@asynccontextmanager
async def server(island: Island) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *("ip", "netns", "exec", island.name, sys.executable, "-c", SERVER),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert (await process.stdout.readline()).strip() == b"ready"
    try:
        yield process
    finally:
        process.kill()
        await process.wait()


async def test_a_provider_that_vanishes_while_it_computes_is_noticed(client: Client, island: Island) -> None:
    async with server(island) as process, asyncio.timeout(20):
        assert process.stdin is not None
        assert process.stdout is not None
        upstream = client(
            f"http://{island.there}:8080", timeouts=Timeouts(connect=5, first_byte=60, idle=60), dead_after=2
        )
        process.stdin.write(b"wait\n")
        waiting = asyncio.ensure_future(upstream.send(b"GET", b"/", []))
        await process.stdout.readline()
        island.vanish()
        with pytest.raises(UpstreamCutError):
            await waiting


async def test_a_request_into_the_void_on_a_kept_connection_is_noticed(
    client: Client, island: Island
) -> None:
    async with server(island) as process, asyncio.timeout(20):
        assert process.stdin is not None
        limits = Timeouts(connect=1, first_byte=60, idle=60)
        upstream = client(f"http://{island.there}:8080", timeouts=limits, dead_after=2)
        process.stdin.write(b"respond\n")
        assert (await upstream.send(b"GET", b"/", [])).status == 200
        island.vanish()
        with pytest.raises(Exception, match=r"no connection within|closed the connection"):
            await upstream.send(b"POST", b"/", [], b"x" * 1000)
