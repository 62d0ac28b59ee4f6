"""A provider that falls asleep and wakes up, seen from every side."""

from __future__ import annotations

import time

import pytest

from tests.support.event_reader import following
from tests.support.stack import Stack
from tests.support.waiting import eventually
from tests.system.conftest import GRACE, listed

SPARE_SECONDS = 1.0
FIRST, SECOND = "attic/qwen3-4b", "embedding/qwen3-4b"


def available(stack: Stack, model: str) -> bool:
    return bool(stack.client.get("/api/resolve", params={"model": model}).json()["available"])


def test_a_provider_goes_and_comes_back_within_its_grace_and_a_second(stack: Stack) -> None:
    assert FIRST in listed(stack)
    fell_asleep = time.monotonic()
    stack.machines.set("attic", offline=True)
    eventually(lambda: FIRST not in listed(stack), GRACE + SPARE_SECONDS)
    assert time.monotonic() - fell_asleep >= GRACE / 2, "a list outlives its machine for the grace period"
    assert stack.status("attic") == "offline"
    stack.machines.set("attic", offline=False)
    eventually(lambda: FIRST in listed(stack), GRACE + SPARE_SECONDS)
    assert stack.status("attic") == "online"


def test_a_role_moves_to_its_second_choice_and_back_and_says_so(stack: Stack) -> None:
    assert "x-fleet-fallback" not in stack.chat("@task").headers
    stack.machines.set("attic", offline=True)
    eventually(lambda: stack.status("attic") == "offline")
    role = stack.client.get("/api/roles", params={"surface": "boochat"}).json()["roles"]["task"]
    assert (role["candidates"], role["id"], role["fallback"]) == ([FIRST, SECOND], SECOND, True)
    moved = stack.chat("@task")
    assert (moved.status_code, moved.headers["x-fleet-provider"]) == (200, "embedding")
    assert moved.headers["x-fleet-fallback"] == "@task"
    stack.machines.set("attic", offline=False)
    eventually(lambda: stack.status("attic") == "online")
    back = stack.chat("@task")
    assert (back.headers["x-fleet-provider"], "x-fleet-fallback" in back.headers) == ("attic", False)


def test_its_composite_id_is_rejected_meanwhile_and_never_sent_elsewhere(stack: Stack) -> None:
    stack.machines.set("attic", offline=True)
    try:
        for _ in range(2):
            refused = stack.chat(FIRST)
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "provider_unreachable")
            eventually(lambda: not available(stack, FIRST))
    finally:
        stack.machines.set("attic", offline=False)
    eventually(lambda: available(stack, FIRST))
    assert stack.chat(FIRST).headers["x-fleet-provider"] == "attic"


def test_events_show_of_it_and_a_reader_that_comes_back_misses_none(stack: Stack) -> None:
    with following(stack) as feed:
        stack.machines.set("attic", offline=True)
        feed.until("provider", {"provider": "attic", "status": "offline", "was": "online"}, GRACE + 5)
    seen = feed.events[-1]["id"]
    stack.machines.set("attic", offline=False)
    eventually(lambda: stack.status("attic") == "online")
    with following(stack, seen) as feed:
        feed.until("provider", {"provider": "attic", "status": "online", "was": "offline"})
    with following(stack, "another-run-7") as feed:
        feed.until("resync", {})


def test_the_history_shows_when_it_was_offline(stack: Stack) -> None:
    def statuses() -> list[str]:
        changes = stack.client.get("/api/fleet/attic/history").json()["changes"]
        return [change["status"] for change in changes]

    before = len(statuses())
    stack.machines.set("attic", offline=True)
    eventually(lambda: stack.status("attic") == "offline")
    stack.machines.set("attic", offline=False)
    eventually(lambda: stack.status("attic") == "online")

    def recorded() -> bool:
        found = statuses()
        new = found[: len(found) - before]
        return "offline" in new and new[0] == "online"

    eventually(recorded)
    changes = stack.client.get("/api/fleet/history").json()["changes"]
    assert "attic" in {change["provider"] for change in changes}


@pytest.mark.parametrize("limit", ["0", "1001", "many"])
def test_a_history_is_bounded(stack: Stack, limit: str) -> None:
    refused = stack.client.get("/api/fleet/attic/history", params={"limit": limit})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "limit")


def test_a_provider_that_never_existed_has_no_history(stack: Stack) -> None:
    refused = stack.client.get("/api/fleet/cellar/history")
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "not_found")
    assert "'attic'" in refused.json()["error"]["message"]
