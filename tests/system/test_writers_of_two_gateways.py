"""Fifty clients change favorites on two gateways at a time: nothing that was acknowledged is lost."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.postgres import postgres_server
from tests.support.waiting import pace, until
from tests.system.test_two_gateways import two_gateways

pytestmark = [pytest.mark.anyio, pytest.mark.integration]

WRITERS, OPERATIONS, MODELS = 50, 200, 5
OUTAGES = (WRITERS * OPERATIONS // 3, WRITERS * OPERATIONS * 2 // 3)
"""The numbers of acknowledged changes after which the database is killed."""


@dataclass
class Writer:
    """A client of one gateway. `known` are its favorites by the last response; the last change of each
    `doubtful` one was not acknowledged."""

    number: int
    url: str
    known: set[str] = field(default_factory=set)
    doubtful: set[str] = field(default_factory=set)
    versions: list[int] = field(default_factory=list)
    refused: int = 0

    async def run(self, operations: int) -> None:
        chance = random.Random(self.number)
        async with httpx.AsyncClient(base_url=self.url, verify=False, trust_env=False, timeout=30) as client:
            for _ in range(operations):
                id = f"box/{self.number}-{chance.randrange(MODELS)}"
                method = "DELETE" if id in self.known else "PUT"
                response = await client.request(method, f"/api/favorites/{id}")
                while response.status_code == 503:
                    assert response.json()["error"]["code"] == "store_unavailable"
                    self.refused += 1
                    self.doubtful.add(id)
                    await pace(0.1)
                    response = await client.request(method, f"/api/favorites/{id}")
                assert response.status_code == 200, response.text
                self.doubtful.discard(id)
                data = response.json()
                self.known = self._own({each["id"] for each in data["favorites"]})
                self.versions.append(data["version"])

    def _own(self, ids: set[str]) -> set[str]:
        return {id for id in ids if id.startswith(f"box/{self.number}-")}


def acknowledged(writers: list[Writer]) -> int:
    return sum(len(writer.versions) for writer in writers)


def refused(writers: list[Writer]) -> int:
    return sum(writer.refused for writer in writers)


async def more_than(writers: list[Writer], number: Callable[[list[Writer]], int], least: int) -> None:
    await until(lambda: number(writers) > least, 120)


async def favorites(url: str) -> dict[str, Any]:
    async with httpx.AsyncClient(verify=False, trust_env=False) as client:
        return dict((await client.get(f"{url}/api/favorites")).json())


async def check(writers: list[Writer]) -> None:
    """Both gateways have the same list, which is what the writers know of."""
    urls = {writer.url for writer in writers}
    async with asyncio.timeout(10):
        while len({(await favorites(url))["etag"] for url in urls}) > 1:
            await pace(0.05)
    present = {each["id"] for each in (await favorites(writers[0].url))["favorites"]}
    assert not any(writer.doubtful for writer in writers)
    assert present == set().union(*(writer.known for writer in writers))
    for writer in writers:
        assert writer.versions == sorted(set(writer.versions))


@pytest.mark.slow
async def test_fifty_writers_lose_nothing_through_one_file(tmp_path: Path) -> None:
    async with two_gateways(tmp_path) as gateways:
        urls = [f"http://127.0.0.1:{port}" for port in gateways.ports]
        writers = [Writer(number, urls[number % 2]) for number in range(WRITERS)]
        await asyncio.gather(*(writer.run(OPERATIONS) for writer in writers))
        await check(writers)


@pytest.mark.slow
async def test_fifty_writers_lose_nothing_while_their_database_is_killed_twice(tmp_path: Path) -> None:
    state = {"postgres": {"env": "FLEET_STATE_URL"}}
    with postgres_server() as server:
        server.sql("CREATE DATABASE writers")
        async with two_gateways(tmp_path, state, FLEET_STATE_URL=server.url("writers")) as gateways:
            urls = [f"http://127.0.0.1:{port}" for port in gateways.ports]
            writers = [Writer(number, urls[number % 2]) for number in range(WRITERS)]
            writing = [asyncio.create_task(writer.run(OPERATIONS)) for writer in writers]
            for outage in OUTAGES:
                await more_than(writers, acknowledged, outage)
                await asyncio.to_thread(server.kill)
                await more_than(writers, refused, refused(writers))
                await asyncio.to_thread(server.start)
            await asyncio.gather(*writing)
            await check(writers)
            print(f"{refused(writers)} changes were refused and repeated")
