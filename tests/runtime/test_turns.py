"""Long work on the event loop lets everything else run in between."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest

from fleet_runtime.turns import TURN_SECONDS, in_turns
from tests.support.waiting import eventually

pytestmark = pytest.mark.anyio


def _compute_for_a_turn() -> None:
    end = time.perf_counter() + TURN_SECONDS
    eventually(lambda: time.perf_counter() >= end)


async def test_after_a_turn_what_waits_for_the_loop_comes_first() -> None:
    seen: list[object] = []

    def pieces() -> Iterator[int]:
        for number in range(3):
            asyncio.get_running_loop().call_soon(seen.append, f"request {number}")
            _compute_for_a_turn()
            seen.append(number)
            yield number

    assert await in_turns(pieces()) == [0, 1, 2]
    assert seen == [0, "request 0", 1, "request 1", 2, "request 2"]


async def test_short_work_is_one_turn() -> None:
    asyncio.get_running_loop().call_soon(pytest.fail)
    work = in_turns(iter("abc"))
    with pytest.raises(StopIteration) as ended:
        work.send(None)
    assert ended.value.value == ["a", "b", "c"]
