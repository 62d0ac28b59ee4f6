"""Broken responses from a provider to a gateway in a separate process: each client gets bytes of its own
response only, or an error, however many connections the gateway keeps."""

from __future__ import annotations

import asyncio
import os
import re
from collections import Counter
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from fleet_runtime.artifacts.contract import PollSettings
from tests.support import artifacts, raw_fuzz
from tests.support.process import gateway_process
from tests.support.raw_client import Client, ask, client, request
from tests.support.raw_server import Peer, raw_server
from tests.support.waiting import turn

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

COUNT = int(os.environ.get("FLEET_FUZZ_COUNT", "3000"))
SEED = int(os.environ.get("FLEET_FUZZ_SEED", "1"))
CLIENTS = 32
LIST = b'{"object":"list","data":[{"id":"m","object":"model"}]}'
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"


async def test_of_a_broken_response_nothing_reaches_another_client(tmp_path: Path) -> None:
    random = Random(SEED)
    outcomes: Counter[str] = Counter()
    numbers = iter(random.sample(range(10**12), COUNT))  # so far apart that no fault makes one of another
    sent: dict[bytes, bytes] = {}

    async def provider(peer: Peer) -> None:
        while True:
            asked = await peer.request()
            if asked.method == b"GET":
                await peer.send(OK % (len(LIST), LIST))
                continue
            peer.server.requests.clear()
            canary = raw_fuzz.canary_of(None, asked.body)
            sent[canary] = raw_fuzz.response(random, canary)
            if random.random() < 0.2:  # in one write: later, nothing would tell it from the next response
                await peer.send(sent[canary] * 2)
                continue
            for part in raw_fuzz.pieces(random, sent[canary]):
                await peer.send(part)
                await turn()
            if random.random() < 0.3:
                return peer.close() if random.random() < 0.5 else peer.reset()

    async def exchange(connection: Client, number: int) -> bool:
        """Whether the connection can be used again."""
        own = b"%d.0" % number
        await connection.send(request("/v1/chat/completions", b'{"model":"m","n":"%b"}' % own))
        received = await connection.answer()
        outcomes[f"{received.status}{'' if received.ended else ', aborted'}"] += 1
        if received.status == 200:
            echoes = re.findall(rb'"canary":"(\d+\.\d+)"', received.body)
            assert not any(echo in sent and echo != own for echo in echoes), (sent[own], received)
        return received.ended and received.header(b"connection") != [b"close"]

    async def work(port: int) -> None:
        for number in numbers:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                async with asyncio.timeout(20), client(port) as connection:
                    again = await exchange(connection, number)
                    while again and (following := next(numbers, None)) is not None:
                        again = await exchange(connection, following)

    async with raw_server(provider) as server:
        limits = {"connect": 2, "first_byte": 0.3, "idle": 0.3}
        config = artifacts.gateway(
            artifacts.connection("a", server.url, timeouts=limits),
            inventory=PollSettings(interval=1, timeout=5, grace=60),
        )
        artifacts.write_generated(tmp_path / "generated", config)
        async with gateway_process(tmp_path / "generated") as gateway:
            await asyncio.gather(*(work(gateway.port) for _ in range(CLIENTS)))
            print(dict(outcomes))
            assert outcomes["200"] > COUNT // 8
            assert gateway.process.poll() is None
            assert not [line for line in gateway.lines if "Traceback" in line]
            assert (await ask(gateway.port, "/health")).status == 200
