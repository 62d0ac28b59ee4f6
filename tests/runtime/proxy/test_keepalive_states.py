"""A client that waits gets comments in every state; what follows them is the same, or one error event."""

from __future__ import annotations

import asyncio
import json

import pytest

from fleet_runtime.proxy.exchange_state import ExchangeState
from tests.support.exchange_stage import UNREACHED, Stage, check_given_back, head, stays_away
from tests.support.waiting import pace, turn, until

pytestmark = pytest.mark.anyio

SECONDS = 0.05
SILENT = ("RESOLVING", "WAKING", "QUEUED", "CONNECTING", "SENT")
COMMENT = ": keepalive\n\n"


async def kept_alive(state: str) -> Stage:
    """Return a stage in `state` whose client has got the first comment."""
    stage = Stage(keepalive=SECONDS)
    if state == "RESOLVING":
        stage.fleet.probed = asyncio.get_running_loop().create_future()
    await getattr(stage, state.lower())()
    await until(lambda: bool(stage.sink.sent))
    assert stage.exchange.state is ExchangeState[state]
    assert stage.sink.sent[0] == f"200 {COMMENT}"
    return stage


def check_cut(stage: Stage, status: int, code: str) -> None:
    """The response ended with one error event and without its end, as did the exchange."""
    first, *comments, event, end = stage.sink.sent
    assert (first, set(comments), end) == (f"200 {COMMENT}", {COMMENT} & set(comments), "cut")
    error = json.loads(event.removeprefix("data: "))["error"]
    assert (error["status"], error["code"]) == (status, code)
    assert (stage.records[0].status, stage.records[0].code) == (status, code)
    check_given_back(stage)


@pytest.mark.parametrize("state", SILENT)
async def test_a_client_that_waits_in_any_state_gets_comments_and_may_go(state: str) -> None:
    stage = await kept_alive(state)
    stage.exchange.on_gone()
    assert stage.records[0].end_reason == "client_gone"
    sent = len(stage.sink.sent)
    await pace(2 * SECONDS)
    assert len(stage.sink.sent) == sent
    check_given_back(stage)


@pytest.mark.parametrize("state", SILENT)
async def test_a_stop_after_a_comment_is_an_error_event(state: str) -> None:
    stage = await kept_alive(state)
    stage.exchange.stop()
    await turn()
    check_cut(stage, 503, "gateway_stopping")


async def test_no_connection_after_a_comment_is_an_error_event() -> None:
    stage = await kept_alive("CONNECTING")
    stage.connect(UNREACHED)
    await stage.becomes("DONE")
    check_cut(stage, 503, "provider_unreachable")


async def test_a_provider_that_does_not_wake_after_a_comment_is_an_error_event() -> None:
    stage = await kept_alive("WAKING")
    stays_away(stage)
    await stage.becomes("DONE")
    check_cut(stage, 503, "provider_unreachable")


async def test_a_role_uses_its_next_choice_after_the_comments() -> None:
    stage = Stage(keepalive=SECONDS)
    stage.upstream.idle = None
    stage.receive(b'{"model":"@r"}')
    await until(lambda: bool(stage.sink.sent))
    stage.connect(UNREACHED)
    await stage.becomes("SENT")
    stage.exchange.on_head(head(200, b"text/event-stream"), b"x", True)
    assert stage.sink.sent[0] == f"200 {COMMENT}"
    assert stage.sink.sent[-1] == "x."
    assert (stage.records[0].provider, stage.records[0].status) == ("b", 200)


async def test_headers_that_are_held_end_the_comments_before_the_first() -> None:
    stage = Stage(keepalive=SECONDS)
    stage.receive()
    stage.exchange.on_head(head(500), b"", False)
    await pace(2 * SECONDS)
    assert stage.sink.sent == []
    stage.exchange.on_data(b"x", True)
    assert stage.sink.sent == ["500 x."]
