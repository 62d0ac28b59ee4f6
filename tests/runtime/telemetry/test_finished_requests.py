"""Records of requests that are over reach the sinks together, soon after the first, and each once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from fleet_runtime.proxy.request_record import RequestRecord
from fleet_runtime.telemetry.finished_requests import MOST, FinishedRequests

pytestmark = pytest.mark.anyio


def record(number: int) -> RequestRecord:
    return RequestRecord(str(number), None, "/v1/chat/completions")


async def test_records_reach_the_sinks_together_soon_after_the_first_and_each_once() -> None:
    requests, batches, paused = FinishedRequests(), list[Sequence[RequestRecord]](), asyncio.Event()
    requests.sinks.append(batches.append)
    requests.on_pause = paused.set
    for number in range(MOST + 3):
        requests.add(record(number))
    assert [len(batch) for batch in batches] == [MOST]
    assert not paused.is_set()
    await asyncio.wait_for(paused.wait(), 5)
    assert [len(batch) for batch in batches] == [MOST, 3]
    ids = [each.request_id for batch in batches for each in batch]
    assert ids == [str(number) for number in range(MOST + 3)]


async def test_a_reader_gets_every_finished_request() -> None:
    requests, seen = FinishedRequests(), list[RequestRecord]()
    requests.sinks.append(seen.extend)
    requests.flush()
    requests.add(record(1))
    requests.flush()
    assert [each.request_id for each in seen] == ["1"]
