"""How many requests a provider gets at a time (fleet_runtime.providers.limiter)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from fleet_runtime.artifacts.snapshot import load_snapshot
from fleet_runtime.event_log import EventLog
from fleet_runtime.gateway.live_snapshot import LiveSnapshot, build_live_snapshot
from fleet_runtime.providers.limiter import QUEUE_PER_SLOT, ConcurrencyLimiter, LimiterPool, QueueFullError
from tests.support.artifacts import connection, gateway, write_generated
from tests.support.waiting import turn

pytestmark = pytest.mark.anyio
ADDRESS = "http://127.0.0.1:9"


def built(folder: Path, previous: LiveSnapshot | None = None, **config: Any) -> LiveSnapshot:
    write_generated(folder, gateway(connection("a", ADDRESS, max_concurrency=1, poll=False, **config)))
    return build_live_snapshot(load_snapshot(folder), {}, EventLog(), previous)


async def test_fault_41_a_reload_gives_a_provider_no_further_slots(tmp_path: Path) -> None:
    live = built(tmp_path)
    await live.providers["a"].enter("m")
    for idle in (8, 9, 10):
        live = built(tmp_path, live, timeouts={"idle": idle})
        waits = asyncio.ensure_future(live.providers["a"].enter("m"))
        await turn()
        assert not waits.done()
        waits.cancel()


async def test_a_renamed_provider_keeps_its_slots_and_another_address_has_its_own() -> None:
    pool = LimiterPool()
    before = pool.limiters([connection("a", ADDRESS, max_concurrency=1)])["a"]
    renamed = pool.limiters([connection("b", ADDRESS + "/openai", max_concurrency=1)])["b"]
    moved = pool.limiters([connection("a", "http://127.0.0.1:10", max_concurrency=1)])["a"]
    assert renamed is before
    assert moved is not before


async def test_two_providers_of_one_address_share_the_lower_limit() -> None:
    configs = [connection("a", ADDRESS, max_concurrency=3), connection("b", ADDRESS, max_concurrency=2)]
    found = LimiterPool().limiters(configs)
    assert found["a"] is found["b"]
    assert found["a"].limit == 2


async def test_a_higher_limit_admits_those_who_wait_and_a_lower_one_waits_for_those_who_run() -> None:
    limiter = ConcurrencyLimiter(1)
    await limiter.enter()
    waiting = [asyncio.ensure_future(limiter.enter()) for _ in range(2)]
    await turn()
    limiter.limit = 3
    await asyncio.gather(*waiting)
    limiter.limit = 1
    late = asyncio.ensure_future(limiter.enter())
    for _ in range(2):
        limiter.leave()
        await turn()
        assert not late.done()
    limiter.leave()
    await late


async def test_a_full_queue_takes_no_more_and_a_caller_that_gives_up_leaves_its_place() -> None:
    limiter = ConcurrencyLimiter(1)
    await limiter.enter()
    waiting = [asyncio.ensure_future(limiter.enter()) for _ in range(QUEUE_PER_SLOT)]
    await turn()
    with pytest.raises(QueueFullError):
        await limiter.enter()
    waiting[0].cancel()
    await asyncio.gather(waiting[0], return_exceptions=True)
    assert limiter.waiting == QUEUE_PER_SLOT - 1
    limiter.leave()
    await waiting[1]
    for task in waiting[2:]:
        task.cancel()
