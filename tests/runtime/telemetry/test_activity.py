"""The last requests: bounded, numbered, kept over restarts, and next to free."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from fleet_runtime.event_log import EventLog
from fleet_runtime.events import ActivityChange
from fleet_runtime.proxy.request_record import RequestRecord
from fleet_runtime.store.store import Store
from fleet_runtime.telemetry import activity_keeper
from fleet_runtime.telemetry.activity import COUNTED, ROWS, Activity, Finished
from fleet_runtime.telemetry.activity_keeper import ActivityKeeper
from fleet_runtime.telemetry.finished_requests import FinishedRequests
from tests.support.waiting import turn, until

pytestmark = pytest.mark.anyio

BODY = b'{"usage":{"prompt_tokens":3,"completion_tokens":2}}'


def record(name: str = "id", surface: str | None = "chat") -> RequestRecord:
    record = RequestRecord(name, surface, "/v1/chat/completions", provider="a", model="m", status=200)
    record.keep_chunk(BODY)
    record.finished_at = record.started_at + 1
    return record


async def test_the_last_thousand_are_kept_and_above_a_rate_only_some_are_counted() -> None:
    activity = Activity(EventLog())
    seen: list[Finished] = []
    activity.observers.append(seen.extend)
    for number in range(ROWS + 10):
        activity.add([record(str(number))])
    rows = list(activity.rows())
    assert [row.request_id for row in rows] == [str(number) for number in range(ROWS + 9, 9, -1)]
    assert len({row.id for row in rows}) == ROWS
    assert len(seen) == ROWS + 10
    assert sum(tokens is not None for _, tokens, _ in seen) == COUNTED
    assert not any(each.first_chunk for each, _, _ in seen)


async def test_one_event_reports_all_requests_of_a_surface_in_a_tenth_of_a_second() -> None:
    events = EventLog()
    activity, feed, requests = Activity(events), events.follow(), FinishedRequests()
    requests.sinks.append(activity.add)
    requests.on_pause = activity.announce
    for surface in ("chat", None, "chat"):
        requests.add(record(surface=surface))
    news = [(await anext(feed)).data for _ in range(2)]
    newest = [row.id for row in activity.rows()]
    assert news == [
        ActivityChange(surface="chat", newest=newest[0]),
        ActivityChange(surface=None, newest=newest[1]),
    ]
    assert events.newest == 2


@asynccontextmanager
async def kept(path: Path, gateway: str, *, is_known: bool = False) -> AsyncIterator[Activity]:
    store, activity = Store(path, gateway=gateway), Activity(EventLog())
    store.open()
    task = asyncio.create_task(ActivityKeeper(activity, store).run())
    await turn()
    if is_known:
        await until(lambda: bool(activity.earlier))
    try:
        yield activity
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await store.close()


async def test_the_requests_of_a_gateway_survive_its_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activity_keeper, "SAVE_SECONDS", 0.01)
    path = tmp_path / "state.db"
    async with kept(path, "box:1") as activity:
        activity.add([record(f"first-{number}") for number in range(700)])
        before = list(activity.rows())
    async with kept(path, "box:2") as other:
        other.add([record("other")])
        assert [row.request_id for row in other.rows()] == ["other"]
    async with kept(path, "box:1", is_known=True) as activity:
        assert list(activity.rows()) == before
        activity.add([record(f"second-{number}") for number in range(700)])
        names = [row.request_id for row in activity.rows()]
        assert (len(names), names[0], names[-1]) == (ROWS, "second-699", "first-400")
    async with kept(path, "box:1", is_known=True) as activity:
        assert [row.request_id for row in activity.rows()] == names
