"""The feed of events (fleet_runtime.event_log)."""

from __future__ import annotations

import asyncio

import pytest

from fleet_runtime.event_log import CAPACITY, MAX_BYTES, EventLog
from fleet_runtime.events import FavoritesVersion, SnapshotChange
from tests.support.waiting import turn

pytestmark = pytest.mark.anyio


def change(number: int) -> FavoritesVersion:
    return FavoritesVersion(version=number)


def large(number: int, padding: str) -> SnapshotChange:
    return SnapshotChange(snapshot=f"{number:03}{padding}")


async def test_a_reader_gets_every_event_from_when_it_came_in_order() -> None:
    log = EventLog()
    log.publish(change(0))
    feed = log.follow()
    waiting = asyncio.ensure_future(anext(feed))
    await turn()
    log.publish(change(1))
    log.publish(SnapshotChange(snapshot="2"))
    events = [await waiting, await anext(feed)]
    assert [(event.topic, event.data) for event in events] == [
        ("favorites", change(1)),
        ("snapshot", SnapshotChange(snapshot="2")),
    ]


async def test_a_reader_that_comes_back_goes_on_where_it_was() -> None:
    log = EventLog()
    for number in range(5):
        log.publish(change(number))
    feed = log.follow(f"{log.run}-3")
    assert [(await anext(feed)).data for _ in range(2)] == [change(3), change(4)]


@pytest.mark.parametrize(
    "last_id", ["other-3", "nonsense", "-", "{run}-99999", "{run}-x", "{run}-0", "{run}-" + "9" * 5000]
)
async def test_a_reader_whose_position_is_not_in_the_log_gets_resync(
    last_id: str,
) -> None:
    log = EventLog()
    for number in range(CAPACITY + 5):
        log.publish(change(number))
    feed = log.follow(last_id.format(run=log.run))
    first = await anext(feed)
    assert (first.topic, first.id) == ("resync", f"{log.run}-{log.newest}")


async def test_a_slow_reader_gets_resync_and_delays_no_other() -> None:
    log = EventLog()
    slow, quick = log.follow(f"{log.run}-0"), log.follow(f"{log.run}-0")
    log.publish(change(0))
    await anext(slow)
    for number in range(1, CAPACITY * 2):
        log.publish(change(number))
        if number < CAPACITY:
            await anext(quick)
    assert (await anext(slow)).topic == "resync"
    log.publish(change(-1))
    assert (await anext(slow)).data == change(-1)


async def test_the_log_is_bounded_in_bytes_and_always_holds_the_newest() -> None:
    log = EventLog()
    for number in range(200):
        log.publish(large(number, "x" * 50_000))
    size = len((await anext(log.follow(f"{log.run}-{log.newest - 1}"))).encoded())
    kept = MAX_BYTES // size
    oldest = await anext(log.follow(f"{log.run}-{log.newest - kept}"))
    assert oldest.data == large(200 - kept, "x" * 50_000)
    assert (await anext(log.follow(f"{log.run}-{log.newest - kept - 1}"))).topic == "resync"
    log.publish(large(200, "x" * 2 * MAX_BYTES))
    assert (await anext(log.follow(f"{log.run}-{log.newest - 1}"))).data == large(200, "x" * 2 * MAX_BYTES)
    assert (await anext(log.follow(f"{log.run}-{log.newest - 2}"))).topic == "resync"


async def test_a_reader_behind_the_limit_in_bytes_gets_resync() -> None:
    log = EventLog()
    for number in range(3):
        log.publish(large(number, "x" * (MAX_BYTES // 2)))
    assert (await anext(log.follow(f"{log.run}-0"))).topic == "resync"
    assert (await anext(log.follow(f"{log.run}-2"))).data == large(2, "x" * (MAX_BYTES // 2))


async def test_an_event_is_sent_as_a_server_sent_event() -> None:
    log = EventLog(run="abc")
    log.publish(change(7))
    event = await anext(log.follow("abc-0"))
    assert event.encoded() == b'id: abc-1\nevent: favorites\ndata: {"version":7}\n\n'
