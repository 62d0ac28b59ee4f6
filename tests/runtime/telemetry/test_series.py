"""Series merge, stay within their memory, survive restarts, and are not harmed by a clock that jumps."""

from __future__ import annotations

import asyncio
import time
import tracemalloc
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet_runtime.proxy.request_record import RequestRecord
from fleet_runtime.store.series_table import Step, write_steps
from fleet_runtime.store.store import Store
from fleet_runtime.telemetry import series_cell as at
from fleet_runtime.telemetry import series_keeper
from fleet_runtime.telemetry.series import MODELS, Gauges, SeriesBook
from fleet_runtime.telemetry.series_cell import median, merged
from fleet_runtime.telemetry.series_keeper import SeriesKeeper
from fleet_runtime.telemetry.series_ring import SPANS, Ring
from fleet_runtime.telemetry.token_counts import Tokens
from tests.support.waiting import until

NOW = 1_800_000_000.0
CELLS = st.lists(st.integers(0, 2**20), min_size=at.PROVIDER_COLUMNS, max_size=at.PROVIDER_COLUMNS)


def record(model: str = "m", provider: str | None = "a", **fields: Any) -> RequestRecord:
    record = RequestRecord("id", None, "/v1/chat/completions", provider=provider, model=model, status=200)
    record.streamed, record.state, record.sent_at = True, "loaded", record.started_at
    record.first_byte_at = record.started_at + 0.3
    record.finished_at = record.started_at + 1.3
    for name, value in fields.items():
        setattr(record, name, value)
    return record


def gauges(name: str = "a", **fields: Any) -> Gauges:
    return replace(Gauges(name, "online", 0, 0, 0.004), **fields)


@given(CELLS, CELLS, CELLS)
def test_cells_merge_in_any_order(one: list[int], two: list[int], three: list[int]) -> None:
    assert merged(merged(one, two), three) == merged(one, merged(three, two))


def test_what_happened_is_in_the_steps_of_every_range() -> None:
    book = SeriesBook()
    book.count([(record(), Tokens(10, 31), 0.0)])
    book.count([(record(end_reason="upstream_cut"), None, 0.0)])
    book.count([(record(status=500, streamed=False), None, 0.0)])
    book.count([(record("other", state="unloaded"), None, 0.0)])
    book.count([(record(provider=None), None, 0.0)])
    book.count([(record("anything", sent_at=None, end_reason="refused", streamed=False), None, 0.0)])
    book.sample([gauges(in_flight=3, waiting=1)], 1)
    book.sample([gauges(in_flight=1, status="offline", latency=None)], 1)
    list(book.fold(NOW))
    provider, model = book.series["a", None], book.series["a", "m"]
    assert list(book.series) == [("a", "m"), ("a", "other"), ("a", None)]
    for name, span in SPANS.items():
        ((step, cell),) = provider.rings[name].past(NOW)
        assert step == int(NOW) // span.width
        assert (cell[at.REQUESTS], cell[at.FAILED], sum(cell[at.ERRORS : at.FAILED])) == (5, 1, 2)
        assert (sum(cell[at.FIRST_BYTE : at.COLD]), sum(cell[at.COLD : at.SPEED])) == (2, 1)
        assert (cell[at.TOKENS_IN], cell[at.TOKENS_OUT]) == (10, 31)
        assert (cell[at.IN_FLIGHT], cell[at.WAITING], cell[at.PROBES], cell[at.LATENCY]) == (3, 1, 1, 4)
        assert [seconds for seconds in cell[at.STATUS :] if seconds] == [1, 1]
    ((_, cell),) = model.rings["hour"].past(NOW)
    assert cell[at.REQUESTS] == 3
    assert median(cell[at.SPEED : at.TOKENS_IN], at.SPEED_BOUNDS) == pytest.approx(27.5, abs=8)


def test_only_the_models_used_last_have_a_series() -> None:
    book = SeriesBook()
    for number in range(MODELS + 10):
        book.count([(record(f"m{number}"), None, 0.0)])
        list(book.fold(NOW))
    models = [model for _, model in book.series if model is not None]
    assert models == [f"m{number}" for number in range(10, MODELS + 10)]


def test_fifty_providers_and_all_models_fit_in_32_megabytes() -> None:
    tracemalloc.start()
    book = SeriesBook()
    for number in range(50):
        book.open((f"provider-{number}", None))
    for number in range(MODELS):
        book.open(("provider-0", f"model-{number}"))
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size < 32_000_000


@given(st.lists(st.integers(0, 10**7), min_size=1, max_size=60))
def test_a_clock_that_jumps_loses_at_most_what_it_covers(times: list[int]) -> None:
    ring = Ring(SPANS["hour"], 1)
    for seconds in times:
        ring.add(seconds // 10, [1])
        ring.add(seconds // 10, [1])
        steps = dict(ring.past(seconds))
        assert steps[seconds // 10][0] >= 2
        assert all(seconds // 10 - 360 < step <= seconds // 10 for step in steps)


@asynccontextmanager
async def kept(
    path: Path, *, names: Mapping[str, str] = MappingProxyType({})
) -> AsyncIterator[tuple[SeriesBook, Store]]:
    """Yield a book once the series of the file are read."""
    store, book, loaded = Store(path, gateway="box:1"), SeriesBook(), asyncio.Event()
    store.open()

    def present_names() -> Mapping[str, str]:
        loaded.set()
        return names

    task = asyncio.create_task(SeriesKeeper(book, store, present_names).run())
    async with asyncio.timeout(20):
        await loaded.wait()
    try:
        yield book, store
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await store.close()


@pytest.mark.anyio
async def test_a_restart_keeps_every_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = NOW
    monkeypatch.setattr(time, "time", lambda: now)
    path = tmp_path / "state.db"
    async with kept(path) as (book, _):
        for hour in range(800):
            now = NOW + hour * 3600
            book.count([(record(), Tokens(1, 2), 0.0)])
            book.sample([gauges()], 10)
            list(book.fold(now))
        ring = book.series["a", None].rings["month"]
        before = [(step, list(cell)) for step, cell in ring.past(now)]
        assert len(before) == 720
    async with kept(path) as (book, _):
        ring = book.series["a", None].rings["month"]
        assert [(step, list(cell)) for step, cell in ring.past(now)] == before
        book.count([(record(), None, 0.0)])
        list(book.fold(now))
    async with kept(path) as (book, store):
        ((_, cell),) = list(book.series["a", "m"].rings["hour"].past(now))
        assert cell[at.REQUESTS] == 2
        rows = await store.read(lambda c: c.execute("SELECT count(*) FROM series_step").fetchone()[0])
        assert rows <= 2 * (720 + 24 + 2)


YEARS = 10 * 365 * 86_400


def month_of(book: SeriesBook, now: float) -> list[tuple[int, list[int]]]:
    return [(step, list(cell)) for step, cell in book.series["a", None].rings["month"].past(now)]


async def keep_a_month(path: Path, end: float) -> list[tuple[int, list[int]]]:
    """Keep a request in each of the 720 hours until `end`; return the month."""
    async with kept(path) as (book, _):
        for hour in range(720):
            book.count([(record(), Tokens(1, 2), 0.0)])
            list(book.fold(end + (hour - 719) * 3600))
        return month_of(book, end)


@pytest.mark.anyio
@pytest.mark.parametrize("jump", [-YEARS, YEARS])
async def test_a_clock_that_is_years_wrong_for_a_run_takes_nothing_from_the_state_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump: int
) -> None:
    now = right = NOW + 719 * 3600
    monkeypatch.setattr(time, "time", lambda: now)
    path = tmp_path / "state.db"
    before = await keep_a_month(path, right)
    now = right + jump
    async with kept(path) as (book, _):
        book.count([(record(), None, 0.0)])
        list(book.fold(now))
    now = right
    async with kept(path) as (book, _):
        assert month_of(book, now)[-719:] == before[-719:]
        assert len(month_of(book, now)) == 720
        assert ("a", "m") in book.series


@pytest.mark.anyio
async def test_a_clock_that_is_set_right_while_the_gateway_runs_brings_everything_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(series_keeper, "SAVE_SECONDS", 0.01)
    now = right = NOW + 719 * 3600
    monkeypatch.setattr(time, "time", lambda: now)
    path = tmp_path / "state.db"
    before = await keep_a_month(path, right)
    now = 0.0
    async with kept(path) as (book, _):
        assert ("a", None) not in book.series
        now = right
        book.count([(record(), None, 0.0)])
        list(book.fold(now))
        await until(lambda: len(month_of(book, now)) == 720)
        after = month_of(book, now)
    assert after[:-1] == before[:-1]
    assert after[-1][1][at.REQUESTS] == before[-1][1][at.REQUESTS] + 1


def test_a_renamed_provider_keeps_its_series() -> None:
    book = SeriesBook()
    book.count([(record(), Tokens(1, 2), 0.0)])
    book.sample([gauges()], 1)
    list(book.fold(NOW))
    book.count([(record(), None, 0.0)])
    book.rename_providers({"a": "loft", "loft": "loft"}, NOW)
    assert set(book.series) == {("loft", None), ("loft", "m")}
    for series in book.series.values():
        ((_, cell),) = series.rings["day"].past(NOW)
        assert cell[at.REQUESTS] == 2


@pytest.mark.anyio
async def test_series_are_kept_when_a_provider_is_renamed_while_the_gateway_is_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: NOW)
    path = tmp_path / "state.db"
    async with kept(path) as (book, _):
        book.count([(record(), None, 0.0)])
    async with kept(path, names={"a": "loft"}):
        pass
    async with kept(path) as (book, _):
        assert set(book.series) == {("loft", None), ("loft", "m")}
        ((_, cell),) = book.series["loft", "m"].rings["month"].past(NOW)
        assert cell[at.REQUESTS] == 1


@pytest.mark.anyio
@pytest.mark.parametrize("content", [b"", b"\x00" * 40, b"x" * 7, bytes(range(256))])
async def test_an_invalid_stored_step_is_left_out(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "state.db"
    store = Store(path, gateway="box:1")
    store.open()
    step = Step("a", "hour", int(time.time()) // 10, content)
    await store.write(lambda connection: write_steps(connection, "box:1", [step]))
    await store.close()
    async with kept(path) as (book, store):
        assert list(book.series) == []
