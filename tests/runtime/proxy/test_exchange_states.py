"""Every transition of an exchange, as docs/architecture.md lists them; what it held is given back."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from fleet_runtime.errors import malformed_head
from fleet_runtime.proxy.exchange_state import ExchangeState
from fleet_runtime.routing import resolver as router
from tests.support.exchange_stage import (
    CUT,
    LATE,
    UNREACHED,
    Stage,
    check_given_back,
    head,
    responds,
    stays_away,
)
from tests.support.paths import DOCS
from tests.support.waiting import turn

pytestmark = pytest.mark.anyio


async def probed(stage: Stage) -> None:
    await turn()


async def slot_free(stage: Stage) -> None:
    stage.provider.leave("m")


def connected(stage: Stage) -> None:
    stage.connect()


def unreached(stage: Stage) -> None:
    stage.connect(UNREACHED)


Event = Callable[[Stage], Awaitable[None] | None]
WALK: dict[tuple[str, str], list[tuple[Event, str, list[str]]]] = {
    ("RECEIVING", "a part of the body"): [
        (lambda stage: stage.exchange.on_body(b"}"), "RECEIVING", []),
        (lambda stage: stage.exchange.on_body(b"x" * 2_000_000), "DONE", ["413"]),
    ],
    ("RECEIVING", "the body's end"): [
        (lambda stage: stage.exchange.on_body_end(), "DONE", ["400"]),
        (lambda stage: stage.receive(b'"model":"a/m"}'), "SENT", []),
    ],
    ("RECEIVING", "the rest of the body is invalid"): [
        (lambda stage: stage.exchange.on_invalid(malformed_head("x")), "DONE", ["400"]),
    ],
    ("PREPARING", "parsed"): [(lambda stage: None, "SENT", [])],
    ("RESOLVING", "probed"): [
        (probed, "DONE", ["404"]),
        (
            lambda stage: stage.fleet.fresh.update({"a": router.ProviderView("online", {"new": "new"})}),
            "SENT",
            [],
        ),
    ],
    ("WAKING", "the provider responds"): [(responds, "SENT", [])],
    ("WAKING", "the provider does not respond"): [(stays_away, "DONE", ["503"])],
    ("QUEUED", "a slot is free"): [(slot_free, "SENT", [])],
    ("QUEUED", "the queue is full"): [],
    ("CONNECTING", "connected"): [(connected, "SENT", [])],
    ("CONNECTING", "no connection"): [(unreached, "DONE", ["503"])],
    ("RESOLVING, WAKING, QUEUED, CONNECTING, SENT", "the surface's `keepalive` interval passes"): [],
    ("SENT", "headers with part of the body, or of an event stream"): [
        (lambda stage: stage.exchange.on_head(head(), b"x", False), "RELAYING", ["200 x"]),
        (lambda stage: stage.exchange.on_head(head(), b"x", True), "DONE", ["200 x."]),
        (lambda stage: stage.exchange.on_head(head(503), b"", True), "DONE", ["503"]),
        (
            lambda stage: stage.exchange.on_head(head(200, b"text/event-stream"), b"", False),
            "RELAYING",
            ["200 "],
        ),
    ],
    ("SENT", "headers alone"): [
        (lambda stage: stage.exchange.on_head(head(), b"", False), "HEAD_HELD", []),
        (lambda stage: stage.exchange.on_head(head(307), b"", False), "DONE", ["502"]),
    ],
    ("SENT", "a reused connection ends without a byte"): [
        (lambda stage: stage.exchange.on_error(CUT), "CONNECTING", []),
    ],
    ("SENT, HEAD_HELD", "error, limit"): [
        (lambda stage: stage.exchange.on_error(LATE), "DONE", ["502"]),
    ],
    ("HEAD_HELD", "data"): [
        (lambda stage: stage.exchange.on_data(b"x", False), "RELAYING", ["200 x"]),
        (lambda stage: stage.exchange.on_data(b"x", True), "DONE", ["200 x."]),
    ],
    ("RELAYING", "data"): [
        (lambda stage: stage.exchange.on_data(b"y", False), "RELAYING", ["200 x", "y"]),
        (lambda stage: stage.exchange.on_data(b"", True), "DONE", ["200 x", "."]),
    ],
    ("RELAYING", "error, limit"): [
        (lambda stage: stage.exchange.on_error(LATE), "DONE", ["200 x", "cut"]),
    ],
    ("RELAYING", "the client stops reading, or continues"): [
        (lambda stage: stage.exchange.on_slow(), "RELAYING", ["200 x"]),
        (lambda stage: stage.exchange.on_ready(), "RELAYING", ["200 x"]),
    ],
}
STEPS = [
    pytest.param(state, event, expected, sent, id=f"{state}: {name} -> {expected} {number}")
    for (states, name), steps in WALK.items()
    for state in states.split(", ")
    for number, (event, expected, sent) in enumerate(steps)
]
EVERY = [state.name for state in ExchangeState if state is not ExchangeState.DONE]


async def reach(state: str) -> Stage:
    stage = Stage(limits={"body": 2_000_000})
    await getattr(stage, state.lower())()
    assert stage.exchange.state is ExchangeState[state]
    return stage


@pytest.mark.parametrize(("state", "event", "expected", "sent"), STEPS)
async def test_an_event_makes_the_next_state(
    state: str, event: Event, expected: str, sent: list[str]
) -> None:
    stage = await reach(state)
    done = event(stage)
    if done is not None:
        await done
    await stage.becomes(expected)
    assert stage.sink.sent == sent
    if expected == "DONE":
        check_given_back(stage)
        assert stage.provider.in_flight == {}
    stage.exchange.on_gone()
    check_given_back(stage)


@pytest.mark.parametrize("state", EVERY)
async def test_a_client_that_goes_ends_every_state(state: str) -> None:
    stage = await reach(state)
    before = len(stage.sink.sent)
    stage.exchange.on_gone()
    assert stage.exchange.state is ExchangeState.DONE
    assert stage.records[0].end_reason == "client_gone"
    assert len(stage.sink.sent) == before
    if state in ("SENT", "HEAD_HELD", "RELAYING"):
        assert stage.connection is not None
        assert stage.connection.calls[-1] == "abort"
    await turn()
    check_given_back(stage)


@pytest.mark.parametrize("state", EVERY)
async def test_a_stop_ends_every_state_and_never_gives_a_response_an_end(state: str) -> None:
    stage = await reach(state)
    stage.exchange.stop()
    assert stage.exchange.state is ExchangeState.DONE
    assert stage.sink.sent[-1] == ("cut" if state == "RELAYING" else "503")
    assert (stage.records[0].end_reason, stage.records[0].code) == ("refused", "gateway_stopping")
    await turn()
    check_given_back(stage)


async def test_a_full_queue_is_429() -> None:
    stage = Stage()
    assert stage.provider.try_enter("m")
    waiting = [asyncio.ensure_future(stage.provider.enter("m")) for _ in range(4)]
    await turn()
    stage.receive()
    await stage.becomes("DONE")
    assert stage.sink.sent == ["429"]
    for task in waiting:
        task.cancel()


async def test_a_role_whose_provider_cannot_be_reached_goes_to_its_next_choice() -> None:
    stage = Stage()
    stage.upstream.idle = None
    stage.receive(b'{"model":"@r"}')
    stage.connect(UNREACHED)
    await stage.becomes("SENT")
    assert stage.fleet.suspects == ["a"]
    assert stage.provider.in_flight == {}
    stage.exchange.on_head(head(), b"x", True)
    assert (stage.records[0].provider, stage.records[0].fallback) == ("b", True)


@pytest.mark.parametrize("wakes", [True, False])
async def test_a_role_skips_a_sleeping_provider_that_it_may_not_wake_or_that_does_not_wake(
    wakes: bool,
) -> None:
    stage = Stage()
    stage.fleet.waking["a"] = asyncio.get_running_loop().create_future()
    view = stage.fleet.view["a"]
    stage.fleet.view["a"] = replace(view, status="offline", can_wake=True, wakes_for_roles=wakes)
    stage.receive(b'{"model":"@r"}')
    if wakes:
        await stage.becomes("WAKING")
        stays_away(stage)
    await stage.becomes("SENT")
    stage.exchange.on_head(head(), b"x", True)
    assert stage.records[0].provider == "b"


async def test_a_retry_happens_once() -> None:
    stage = await reach("SENT")
    stage.exchange.on_error(CUT)
    stage.connect()
    await stage.becomes("SENT")
    stage.exchange.on_error(CUT)
    assert stage.exchange.state is ExchangeState.DONE
    assert stage.records[0].retried


async def test_an_event_stream_that_is_cut_gets_an_error_event() -> None:
    stage = await reach("SENT")
    stage.exchange.on_head(head(200, b"text/event-stream"), b"", False)
    stage.exchange.on_error(LATE)
    assert stage.sink.sent[0] == "200 "
    assert "data: {" in stage.sink.sent[1]
    assert stage.sink.sent[2] == "cut"


async def test_a_slow_client_holds_the_provider_back_and_lets_it_go_on() -> None:
    stage = await reach("RELAYING")
    stage.exchange.on_slow()
    stage.exchange.on_ready()
    assert stage.connection is not None
    assert stage.connection.calls == ["start", "pause", "resume"]


async def test_a_finished_exchange_ignores_events() -> None:
    stage = await reach("RELAYING")
    stage.exchange.on_data(b"", True)
    stage.exchange.on_gone()
    stage.exchange.stop()
    stage.exchange.on_body(b"x")
    stage.exchange.on_body_end()
    stage.exchange.on_invalid(malformed_head("x"))
    check_given_back(stage)
    assert stage.sink.sent == ["200 x", "."]


def test_the_page_lists_these_transitions() -> None:
    page = (
        (DOCS / "architecture.md").read_text(encoding="utf-8").partition("### The states of an exchange")[2]
    )
    rows = re.findall(r"^\| ([A-Z_, ]+) \| ([^|]+) \|", page, re.MULTILINE)
    assert {(state, event) for state, event in rows} == set(WALK)
