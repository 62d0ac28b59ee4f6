"""The feed of events (fleet_runtime.event_log)."""

from __future__ import annotations

import asyncio

import pytest

from fleet_runtime.event_log import CAPACITY, MAX_BYTES, EventLog

pytestmark = pytest.mark.anyio


async def test_a_reader_gets_every_event_from_when_it_came_in_order() -> None:
    log = EventLog()
    log.publish("provider", {"n": 0})
    feed = log.follow()
    waiting = asyncio.ensure_future(anext(feed))
    await asyncio.sleep(0)
    log.publish("provider", {"n": 1})
    log.publish("models", {"n": 2})
    events = [await waiting, await anext(feed)]
    assert [(event.topic, event.data["n"]) for event in events] == [("provider", 1), ("models", 2)]


async def test_a_reader_that_comes_back_goes_on_where_it_was() -> None:
    log = EventLog()
    for number in range(5):
        log.publish("state", {"n": number})
    feed = log.follow(f"{log.run}-3")
    assert [(await anext(feed)).data["n"] for _ in range(2)] == [3, 4]


@pytest.mark.parametrize(
    "last_id", ["other-3", "nonsense", "-", "{run}-99999", "{run}-x", "{run}-0", "{run}-" + "9" * 5000]
)
async def test_a_reader_whose_place_is_not_in_the_log_is_told_to_read_anew(last_id: str) -> None:
    log = EventLog()
    for number in range(CAPACITY + 5):
        log.publish("state", {"n": number})
    feed = log.follow(last_id.format(run=log.run))
    first = await anext(feed)
    assert (first.topic, first.id) == ("resync", f"{log.run}-{log.newest}")


async def test_a_slow_reader_is_told_to_read_anew_and_holds_nobody_up() -> None:
    log = EventLog()
    slow, quick = log.follow(f"{log.run}-0"), log.follow(f"{log.run}-0")
    log.publish("state", {"n": 0})
    await anext(slow)
    for number in range(1, CAPACITY * 2):
        log.publish("state", {"n": number})
        if number < CAPACITY:
            await anext(quick)
    assert (await anext(slow)).topic == "resync"
    log.publish("state", {"n": -1})
    assert (await anext(slow)).data["n"] == -1


def test_the_log_is_bounded_in_bytes_and_always_holds_the_newest() -> None:
    log = EventLog()
    for number in range(200):
        log.publish("models", {"n": number, "padding": "x" * 50_000})
    kept = [event.data["n"] for event in log._events]
    assert kept == list(range(200 - len(kept), 200))
    assert MAX_BYTES - 60_000 < sum(len(event.encoded()) for event in log._events) <= MAX_BYTES
    log.publish("models", {"n": 200, "padding": "x" * 2 * MAX_BYTES})
    assert [event.data["n"] for event in log._events] == [200]


async def test_a_reader_behind_what_the_bytes_allow_is_told_to_read_anew() -> None:
    log = EventLog()
    for number in range(3):
        log.publish("models", {"n": number, "padding": "x" * (MAX_BYTES // 2)})
    assert (await anext(log.follow(f"{log.run}-0"))).topic == "resync"
    assert (await anext(log.follow(f"{log.run}-2"))).data["n"] == 2


def test_an_event_is_told_as_a_server_sent_event() -> None:
    log = EventLog(run="abc")
    log.publish("provider", {"name": "embedding"})
    event = log._events[0]
    assert event.encoded() == b'id: abc-1\nevent: provider\ndata: {"name":"embedding"}\n\n'
