"""``/api/favorites`` and ``/api/picker`` of a running gateway."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import AsyncGenerator
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.support.favorites_fleet import HARD_ID
from tests.support.stack import Stack

pytestmark = pytest.mark.anyio


def put(stack: Stack, id: str, **headers: str) -> httpx.Response:
    return stack.client.put(f"/api/favorites/{quote(id)}", headers=headers)


def listed(stack: Stack) -> list[str]:
    return [item["id"] for item in stack.client.get("/api/favorites").json()["favorites"]]


def test_favorites_are_in_the_order_in_which_they_were_added(stack: Stack) -> None:
    for id in ("nas/llama3:latest", "sam-desktop/qwen3-8b", "embedding/qwen3-8b"):
        assert put(stack, id).status_code == 200
    assert listed(stack) == ["nas/llama3:latest", "sam-desktop/qwen3-8b", "embedding/qwen3-8b"]


def test_an_item_has_the_shape_that_consumers_build_on(stack: Stack) -> None:
    found = put(stack, "embedding/qwen3-8b").json()
    assert stack.client.get("/api/favorites").json() == found
    (item,) = found["favorites"]
    added_at = item.pop("added_at")
    assert item == {
        "id": "embedding/qwen3-8b",
        "provider": "embedding",
        "model": "qwen3-8b",
        "available": True,
        "reason": None,
        "orphan": False,
    }
    assert added_at.endswith("Z")


def test_adding_and_removing_twice_is_once(stack: Stack) -> None:
    first, second = put(stack, "embedding/qwen3-8b"), put(stack, "embedding/qwen3-8b")
    assert first.json() == second.json()
    gone = [stack.client.delete("/api/favorites/embedding/qwen3-8b") for _ in range(2)]
    assert [answer.status_code for answer in gone] == [200, 200]
    assert gone[0].json() == gone[1].json()
    assert (gone[0].json()["version"], gone[0].json()["favorites"]) == (first.json()["version"] + 1, [])


@pytest.mark.parametrize(
    ("name", "id"),
    [
        ("qwen3-4b", "sam-desktop/qwen3-4b"),
        ("old-qwen", "embedding/qwen3-8b"),
        ("llama-swap/qwen3-4b", "sam-desktop/qwen3-4b"),
        ("llama-swap/embedding/qwen3-4b", "embedding/qwen3-4b"),
        ("nas/llama3", "nas/llama3:latest"),
        (HARD_ID, HARD_ID),
    ],
)
def test_any_name_of_a_model_is_kept_as_its_composite_id(stack: Stack, name: str, id: str) -> None:
    assert put(stack, name).status_code == 200
    assert listed(stack) == [id]
    assert put(stack, id).json() == stack.client.get("/api/favorites").json()
    assert stack.client.delete(f"/api/favorites/{quote(name)}").json()["favorites"] == []


def test_an_id_may_come_with_its_slashes_encoded(stack: Stack) -> None:
    assert stack.client.put(f"/api/favorites/{quote(HARD_ID, safe='')}").status_code == 200
    assert listed(stack) == [HARD_ID]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("@task", 400, "invalid_request"),
        ("@none", 400, "invalid_request"),
        ("", 400, "invalid_request"),
        ("embedding/", 400, "invalid_request"),
        ("embedding/a%01b", 400, "invalid_request"),
        ("embedding/%FF", 400, "invalid_request"),
        ("embedding/" + "x" * 600, 400, "invalid_request"),
        ("elsewhere/qwen3-8b", 404, "model_not_found"),
        ("qwen3-88b", 404, "model_not_found"),
        ("EMBEDDING/qwen3-8b", 404, "model_not_found"),
    ],
)
def test_what_is_not_a_model_here_is_rejected(stack: Stack, path: str, status: int, code: str) -> None:
    answer = stack.client.put(f"/api/favorites/{path}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert listed(stack) == []


@pytest.mark.parametrize(
    ("id", "reason"),
    [("embedding/comes-later", "model_not_found"), ("unset/qwen3-8b", "provider_disabled")],
)
def test_what_a_known_provider_lacks_now_can_be_a_favorite(stack: Stack, id: str, reason: str) -> None:
    (item,) = put(stack, id).json()["favorites"]
    assert (item["id"], item["available"], item["reason"]) == (id, False, reason)
    assert stack.client.get("/api/picker").json()["favorites"] == []


def test_a_change_for_a_past_version_is_rejected_with_the_present_one(stack: Stack) -> None:
    tag = put(stack, "embedding/qwen3-8b").headers["etag"]
    newer = put(stack, "embedding/qwen3-4b", **{"if-match": tag})
    assert newer.status_code == 200
    for late in (
        put(stack, "sam-desktop/qwen3-8b", **{"if-match": tag}),
        stack.client.delete("/api/favorites/embedding/qwen3-8b", headers={"if-match": tag}),
        stack.client.put("/api/favorites", json={"favorites": []}, headers={"if-match": tag}),
        put(stack, "sam-desktop/qwen3-8b", **{"if-match": '"nonsense"'}),
    ):
        assert (late.status_code, late.json()["error"]["code"]) == (412, "version_conflict")
        assert late.headers["etag"] == newer.headers["etag"]
    assert newer.json()["etag"] == newer.headers["etag"]
    version = str(newer.json()["version"])
    alone = put(stack, "sam-desktop/qwen3-8b", **{"if-match": f'"{version}"'})
    assert (alone.status_code, alone.headers["etag"]) == (412, newer.headers["etag"])
    assert f"`etag`, not its version alone: {newer.json()['etag']}" in alone.json()["error"]["message"]
    assert listed(stack) == ["embedding/qwen3-8b", "embedding/qwen3-4b"]


def test_the_order_can_be_changed_and_what_is_left_out_goes(stack: Stack) -> None:
    for id in ("embedding/qwen3-8b", "nas/llama3:latest", "sam-desktop/qwen3-8b"):
        put(stack, id)
    found = stack.client.get("/api/favorites")
    wanted = {"favorites": [found.json()["favorites"][2], "embedding/qwen3-8b", "qwen3-4b"]}
    answer = stack.client.put("/api/favorites", json=wanted, headers={"if-match": found.headers["etag"]})
    assert answer.status_code == 200
    assert listed(stack) == ["sam-desktop/qwen3-8b", "embedding/qwen3-8b", "sam-desktop/qwen3-4b"]
    assert answer.json()["favorites"][0]["added_at"] == found.json()["favorites"][2]["added_at"]


def test_replacing_the_entire_list_needs_the_version_that_it_was_made_from(stack: Stack) -> None:
    put(stack, "embedding/qwen3-8b")
    answer = stack.client.put("/api/favorites", json={"favorites": []})
    assert (answer.status_code, answer.json()["error"]["code"]) == (428, "version_required")
    assert listed(stack) == ["embedding/qwen3-8b"]


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"favorites": "x"}', b'{"favorites": [1]}', b'{"favorites": [{}]}']
)
def test_a_list_of_another_shape_is_rejected(stack: Stack, body: bytes) -> None:
    answer = stack.client.put("/api/favorites", content=body, headers={"if-match": "*"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")


def test_a_thousand_favorites_are_kept_and_one_more_is_rejected(stack: Stack) -> None:
    ids = [f"embedding/m{number}" for number in range(1001)]
    too_many = stack.client.put("/api/favorites", json={"favorites": ids}, headers={"if-match": "*"})
    assert (too_many.status_code, too_many.json()["error"]["code"]) == (400, "invalid_request")
    assert "length <= 1000" in too_many.json()["error"]["message"]
    full = stack.client.put("/api/favorites", json={"favorites": ids[:1000]}, headers={"if-match": "*"})
    assert full.status_code == 200
    refused = put(stack, ids[1000])
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_request")
    assert "at most 1000 favorites" in refused.json()["error"]["message"]
    assert listed(stack) == ids[:1000]


def test_an_id_of_more_than_512_bytes_is_no_favorite(stack: Stack) -> None:
    longest = "embedding/" + "x" * 502
    answer = stack.client.put(
        "/api/favorites", json={"favorites": [longest, longest + "x"]}, headers={"if-match": "*"}
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")
    assert [put(stack, id).status_code for id in (longest, longest + "x")] == [200, 400]
    assert listed(stack) == [longest]


def test_one_wrong_id_rejects_the_entire_list(stack: Stack) -> None:
    wanted = {"favorites": ["embedding/qwen3-8b", "elsewhere/x"]}
    answer = stack.client.put("/api/favorites", json=wanted, headers={"if-match": "*"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")
    assert listed(stack) == []


def test_the_picker_shows_favorites_first_and_still_in_their_groups(stack: Stack) -> None:
    put(stack, "embedding/qwen3-8b")
    put(stack, "sam-desktop/qwen3-4b")
    picker = stack.client.get("/api/picker", params={"surface": "boochat"}).json()
    models = stack.client.get("/api/models", params={"surface": "boochat"}).json()
    assert picker["surface"] == "boochat"
    assert [model["id"] for model in picker["favorites"]] == ["embedding/qwen3-8b", "sam-desktop/qwen3-4b"]
    assert picker["providers"] == models["providers"]
    shown = [model for provider in picker["providers"] for model in provider["models"]]
    assert [model for model in shown if model["favorite"]] == [picker["favorites"][1], picker["favorites"][0]]
    one = stack.client.get("/api/models/embedding/qwen3-8b", params={"surface": "boochat"}).json()
    assert one == picker["favorites"][0]


def test_a_surface_sees_the_favorites_that_it_may_use(stack: Stack) -> None:
    put(stack, "sam-desktop/qwen3-8b")
    put(stack, "embedding/qwen3-8b")
    picker = stack.client.get("/api/picker", params={"surface": "arena"}).json()
    assert [model["id"] for model in picker["favorites"]] == ["embedding/qwen3-8b"]
    seen = stack.client.get("/api/favorites", params={"surface": "arena"}).json()["favorites"]
    assert [(item["id"], item["reason"]) for item in seen] == [
        ("sam-desktop/qwen3-8b", "surface_not_allowed"),
        ("embedding/qwen3-8b", None),
    ]


def test_the_picker_gets_a_response_from_what_the_client_holds_until_something_changes(stack: Stack) -> None:
    held = stack.client.get("/api/picker")
    again = {"if-none-match": held.headers["etag"]}
    assert stack.client.get("/api/picker", headers=again).status_code == 304
    put(stack, "embedding/qwen3-8b")
    assert stack.client.get("/api/picker", headers=again).status_code == 200


@pytest.mark.parametrize("path", ["/api/picker", "/api/favorites"])
def test_an_unknown_surface_is_named(stack: Stack, path: str) -> None:
    answer = stack.client.get(path, params={"surface": "nowhere"})
    assert answer.status_code == 404
    assert "'nowhere'" in answer.json()["error"]["message"]


def browser(stack: Stack) -> httpx.AsyncClient:
    """A client with connections of its own."""
    return httpx.AsyncClient(base_url=stack.url, timeout=60, verify=False, trust_env=False)


async def events(
    client: httpx.AsyncClient, ready: asyncio.Semaphore
) -> AsyncGenerator[tuple[str, Any], None]:
    """Events of the feed by topic; `ready` is released once it is followed."""
    topic = ""
    async with client.stream("GET", "/api/events") as feed:
        async for line in feed.aiter_lines():
            if line.startswith(":"):
                ready.release()
            elif line.startswith("event: "):
                topic = line.removeprefix("event: ")
            elif line.startswith("data: "):
                yield topic, json.loads(line.removeprefix("data: "))


async def test_fifty_writers_fifty_readers_and_twenty_listeners(stack: Stack) -> None:
    """Every reader sees the versions only grow, and every listener ends with the same list."""
    writers, operations, readers, reads, listeners = 50, 6, 50, 10, 20
    start = stack.client.get("/api/favorites").json()["version"]
    last = start + writers * operations
    ready = asyncio.Semaphore(0)

    async def write(number: int) -> None:
        async with browser(stack) as client:
            for operation in range(operations):
                id = f"embedding/{number}-{operation // 2 if operation < 4 else operation}"
                method = "DELETE" if operation in (1, 3) else "PUT"
                answer = await client.request(method, f"/api/favorites/{id}")
                assert answer.status_code == 200, answer.text

    async def read() -> None:
        version = start
        async with browser(stack) as client:
            for _ in range(reads):
                now = (await client.get("/api/favorites")).json()["version"]
                assert now >= version
                version = now

    async def listen() -> list[str]:
        version = start
        async with browser(stack) as client, contextlib.aclosing(events(client, ready)) as feed:
            async for topic, data in feed:
                if topic == "favorites":
                    assert data["version"] > version
                    version = data["version"]
                if version == last:
                    break
            return [item["id"] for item in (await client.get("/api/favorites")).json()["favorites"]]

    async with asyncio.TaskGroup() as group:
        listening = [group.create_task(listen()) for _ in range(listeners)]
        for _ in listening:
            await ready.acquire()
        for _ in range(readers):
            group.create_task(read())
        for number in range(writers):
            group.create_task(write(number))
    kept = {f"embedding/{number}-{operation}" for number in range(writers) for operation in (4, 5)}
    final = listed(stack)
    assert set(final) == kept
    assert all(task.result() == final for task in listening)


def test_the_fleet_shows_where_its_state_is_kept_and_the_providers_history_is_there(stack: Stack) -> None:
    store = stack.client.get("/api/fleet").json()["store"]
    assert (store["state"], store["reason"]) == ("up", None)
    assert store["where"] == str(stack.folder / "state" / "state.db")
    with contextlib.closing(sqlite3.connect(store["where"])) as connection:
        seen = connection.execute("SELECT provider, status FROM status_history").fetchall()
    assert {("sam-desktop", "online"), ("embedding", "online"), ("nas", "online")} <= set(seen)
