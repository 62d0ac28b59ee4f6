"""``/api/events?topics=`` of a running gateway."""

from __future__ import annotations

import json

from tests.support.stack import Stack


def test_a_reader_that_names_its_topics_gets_only_these(stack: Stack) -> None:
    lines: list[str] = []
    with stack.client.stream("GET", "/api/events?topics=favorites", timeout=20) as response:
        feed = response.iter_lines()
        assert next(feed) == ": connected"
        stack.chat("attic/qwen3-8b").raise_for_status()
        version = stack.client.put("/api/favorites/attic/qwen3-8b").json()["version"]
        for line in feed:
            lines.append(line)
            if line.startswith("data: "):
                break
    assert [line for line in lines if line.startswith("event: ")] == ["event: favorites"]
    assert json.loads(lines[-1].removeprefix("data: ")) == {"version": version}
    stack.client.delete("/api/favorites/attic/qwen3-8b").raise_for_status()


def test_many_changes_of_one_thing_reach_it_as_few_events_with_the_newest_last(stack: Stack) -> None:
    versions: list[int] = []
    with stack.client.stream("GET", "/api/events?topics=favorites", timeout=20) as response:
        feed = response.iter_lines()
        assert next(feed) == ": connected"
        for _ in range(20):
            stack.client.put("/api/favorites/attic/qwen3-4b").raise_for_status()
            last = stack.client.delete("/api/favorites/attic/qwen3-4b").json()["version"]
        for line in feed:
            if line.startswith("data: "):
                versions.append(json.loads(line.removeprefix("data: "))["version"])
                if versions[-1] == last:
                    break
    assert len(versions) < 40
    assert versions == sorted(versions)


def test_missed_events_of_a_topic_come_after_the_last_id(stack: Stack) -> None:
    with stack.client.stream("GET", "/api/events?topics=favorites", timeout=20) as response:
        feed = response.iter_lines()
        next(feed)
        stack.client.put("/api/favorites/attic/qwen3-8b").raise_for_status()
        last_id = next(line for line in feed if line.startswith("id: ")).removeprefix("id: ")
    version = stack.client.delete("/api/favorites/attic/qwen3-8b").json()["version"]
    headers = {"last-event-id": last_id}
    with stack.client.stream("GET", "/api/events?topics=favorites", headers=headers, timeout=20) as response:
        data = next(line for line in response.iter_lines() if line.startswith("data: "))
    assert json.loads(data.removeprefix("data: ")) == {"version": version}


def test_a_reader_that_lost_its_place_gets_resync_whatever_its_topics(stack: Stack) -> None:
    headers = {"last-event-id": "before-1"}
    with stack.client.stream("GET", "/api/events?topics=state", headers=headers, timeout=20) as response:
        event = next(line for line in response.iter_lines() if line.startswith("event: "))
    assert event == "event: resync"


def test_a_topic_that_does_not_exist_is_an_invalid_request(stack: Stack) -> None:
    error = stack.client.get("/api/events?topics=state,weather").json()["error"]
    assert (error["code"], error["param"]) == ("invalid_request", "topics")
    assert "'weather'" in error["message"]
