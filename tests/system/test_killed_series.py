"""Thirty days of series survive a gateway that is killed at any moment, within their bound."""

from __future__ import annotations

import platform
import random
import signal
import sqlite3
import time
import zlib
from array import array
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet_runtime.store.series_table import Step, write_steps
from fleet_runtime.store.store import Store
from fleet_runtime.telemetry import series_cell as at
from fleet_runtime.telemetry.series_ring import SPANS
from tests.support.artifacts import connection, gateway, write_generated
from tests.support.process import GatewayProcess, gateway_process
from tests.support.raw_client import ask
from tests.support.raw_server import raw_server, responding
from tests.support.waiting import pace, until

pytestmark = pytest.mark.anyio

CHAT = "/v1/chat/completions"
BODY = b'{"usage":{"prompt_tokens":3,"completion_tokens":2}}'
OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(BODY), BODY)
HURRIED = """\
from fleet_runtime.telemetry import series, series_keeper
series.SAMPLE_SECONDS, series.FOLD_SECONDS, series_keeper.SAVE_SECONDS = 0.02, 0, 0.02
from fleet_compiler.__main__ import main
main()
"""
"""Writes fifty times a second what is otherwise written once a minute, so that a kill comes in the middle."""


def steps_of_thirty_days(now: float) -> Iterator[Step]:
    """Yield what a provider and its model did until now, with requests in every step of each range."""
    for series, columns in (("a", at.PROVIDER_COLUMNS), ("a/m", at.MODEL_COLUMNS)):
        for span, each in SPANS.items():
            last = int(now) // each.width
            for step in range(last - each.steps + 1, last):
                cell = array("I", [0]) * columns
                cell[at.REQUESTS], cell[at.TOKENS_OUT] = step % 1000, step
                yield Step(series, span, step, zlib.compress(cell.tobytes(), 1))


def requests_since(state: Path, step: int) -> int:
    """Return how many requests the file has in the months' steps from `step` on."""
    with sqlite3.connect(f"file:{state}?mode=ro", uri=True) as reader:
        rows = reader.execute(
            "SELECT cell FROM series_name JOIN series_step USING (id) "
            "WHERE series = 'a' AND span = 'month' AND step >= ?",
            (step,),
        ).fetchall()
    reader.close()
    return sum(array("I", zlib.decompress(cell))[at.REQUESTS] for (cell,) in rows)


async def month(served: GatewayProcess) -> dict[str, tuple[int, int]]:
    """Return requests and tokens of each hour of the last month, of the provider."""
    found = await ask(served.port, "/api/fleet/a/series?range=month")
    return {point["at"]: (point["requests"], point["tokens_out"]) for point in found.json()["points"]}


async def thirty_days(served: GatewayProcess) -> dict[str, tuple[int, int]]:
    """Return `month` once the file is read."""
    while len(found := await month(served)) < 719:
        await pace(0.02)
    return found


@pytest.mark.parametrize("seed", range(2))
async def test_thirty_days_are_there_after_every_kill(tmp_path: Path, seed: int) -> None:
    chance, began = random.Random(seed), time.time()
    state = tmp_path / "state" / "state.db"
    state.parent.mkdir()
    store = Store(state, gateway=f"{platform.node()}:0")
    store.open()
    await store.write(lambda c: write_steps(c, store.gateway, steps_of_thirty_days(began)))
    await store.close()
    present = int(began) // 3600
    least = most = 0
    async with raw_server(responding(OK)) as machine:
        provider = connection("a", machine.url, poll=False, declared={"m": {}})
        write_generated(tmp_path / "generated", gateway(provider))
        before: dict[str, tuple[int, int]] = {}
        for _ in range(5):
            async with gateway_process(tmp_path / "generated", code=HURRIED) as served:
                hours = await thirty_days(served)
                before = before or {hour: hours[hour] for hour in sorted(hours)[:719]}
                past = sorted(before.keys() & hours.keys())  # without the first if an hour has passed
                assert [hours[hour] for hour in past] == [before[hour] for hour in past]
                assert len(past) >= 718
                least = requests_since(state, present)
                assert least <= most
                sent = chance.randrange(1, 10)
                for _ in range(sent):
                    await ask(served.port, CHAT, {"model": "a/m"})
                least += sent
                await until(lambda expected=least: requests_since(state, present) == expected)  # type: ignore[misc]
                more = chance.randrange(10)
                for _ in range(more):
                    await ask(served.port, CHAT, {"model": "a/m"})
                most = least + more
                await pace(chance.random() * 0.2)
                served.send(signal.SIGKILL)
                await served.ended()
            assert least <= requests_since(state, present) <= most
    assert sum(file.stat().st_size for file in state.parent.iterdir()) < 32_000_000
