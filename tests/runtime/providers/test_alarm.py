"""An alarm ends the waiting when it is set, or when the time has come, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import time

import pytest

from fleet_runtime.providers.alarm import Alarm
from tests.support.waiting import turn

pytestmark = pytest.mark.anyio
LONG = 60.0


async def test_an_alarm_that_is_set_ends_the_waiting_at_once() -> None:
    alarm, began = Alarm(), time.monotonic()
    waiting = asyncio.create_task(alarm.wait_until(began + LONG))
    asyncio.get_running_loop().call_soon(alarm.set)
    assert await waiting
    assert time.monotonic() - began < LONG / 2


async def test_an_alarm_that_was_set_before_does_not_wait() -> None:
    alarm = Alarm()
    alarm.set()
    assert await alarm.wait_until(time.monotonic() + LONG)


async def test_an_alarm_that_nobody_sets_waits_until_its_time() -> None:
    alarm, due = Alarm(), time.monotonic() + 0.05
    assert not await alarm.wait_until(due)
    assert time.monotonic() >= due - 0.002


async def test_a_cleared_alarm_waits_again() -> None:
    alarm = Alarm()
    alarm.set()
    alarm.clear()
    assert not await alarm.wait_until(time.monotonic())


async def test_a_cancelled_waiter_can_be_followed_by_another() -> None:
    alarm = Alarm()
    waiting = asyncio.create_task(alarm.wait_until(time.monotonic() + LONG))
    await turn()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    asyncio.get_running_loop().call_soon(alarm.set)
    assert await alarm.wait_until(time.monotonic() + LONG)
