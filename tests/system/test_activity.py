"""What a running gateway tells of its requests, and cancelling one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from fleet_runtime.simulator import ServerSpec, SimulatedModel, SimulationThread
from tests.support.stack import Stack, running_stack
from tests.support.waiting import eventually

ALL = {"authorization": "Bearer key-of-all"}
CHAT = {"authorization": "Bearer key-of-chat"}
MODEL = SimulatedModel("qwen3-8b", reply="a few words of an answer")


def fleet_yaml(machines: SimulationThread, listen: str) -> str:
    return f"""\
version: 1
default_provider: box
providers:
  box: "{machines.url("box")}"
  secret: "{machines.url("secret")}"
  attic: {{url: "{machines.url("attic")}", poll: 3600}}
surfaces: {{chat: {{providers: [box], legacy: strict}}, code: }}
gateway:
  listen: "{listen}"
  keys: {{all: {{env: ALL}}, chat: {{env: CHAT, surfaces: [chat]}}}}
inventory: {{interval: 0.2, timeout: 1, grace: 0.5}}
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    specs = (
        ServerSpec("box", models=(MODEL,)),
        ServerSpec("secret", kind="llama-server", models=(MODEL,)),
        ServerSpec("attic", kind="ollama", models=(SimulatedModel("gemma"),)),
    )
    env = {"ALL": "key-of-all", "CHAT": "key-of-chat"}
    with running_stack(tmp_path_factory.mktemp("activity"), specs, fleet_yaml, env) as stack:
        stack.client.headers.update(ALL)
        for name in ("box", "secret", "attic"):
            eventually(lambda name=name: stack.status(name) == "online")  # type: ignore[misc]
        yield stack


def chat(stack: Stack, id: str, surface: str = "/chat", **more: Any) -> httpx.Response:
    body = {"model": id, "messages": [{"role": "user", "content": "the secret word is xyzzy"}], **more}
    return stack.client.post(f"{surface}/v1/chat/completions", json=body)


def activity(stack: Stack, headers: dict[str, str] = ALL, /, **query: str | int) -> Any:
    response = stack.client.get("/api/activity", params=query, headers=headers)
    response.raise_for_status()
    assert "xyzzy" not in response.text
    assert "key-of" not in response.text
    return response.json()


def test_a_request_that_is_over_is_listed_with_the_tokens_that_its_server_stated(stack: Stack) -> None:
    stack.client.post("/api/fleet/box/unload", json={"model": "qwen3-8b"}).raise_for_status()
    usage = chat(stack, "box/qwen3-8b").json()["usage"]
    eventually(lambda: stack.client.get("/api/models/box/qwen3-8b").json()["state"] == "loaded")
    streamed = chat(stack, "box/qwen3-8b", "/code", stream=True)
    second, first = activity(stack, limit=2)["requests"]
    assert (first["tokens_in"], first["tokens_out"]) == (usage["prompt_tokens"], usage["completion_tokens"])
    assert (first["surface"], first["requested"], first["provider"], first["model"]) == (
        *("chat", "box/qwen3-8b", "box", "qwen3-8b"),
    )
    assert (first["status"], first["end_reason"], first["phase"]) == (200, "ok", "over")
    assert (first["state"], second["state"], first["stream"]) == ("unloaded", "loaded", False)
    assert 0 < first["first_byte"] <= first["total"]
    assert second["tokens_out"] == usage["completion_tokens"]  # of `timings`, without `include_usage`
    assert second["stream"]
    assert second["tokens_per_second"] > 0
    assert second["bytes_out"] == len(streamed.content)
    assert second["request_id"] == streamed.headers["x-request-id"]


def test_only_a_request_that_found_the_model_not_loaded_is_cold(stack: Stack) -> None:
    """The second begins before the provider is probed again."""
    for _ in range(2):
        assert chat(stack, "attic/gemma", "/code").status_code == 200
    warm, cold = activity(stack, provider="attic", limit=2)["requests"]
    assert (cold["state"], warm["state"]) == ("unloaded", "loaded")


def test_the_list_is_selected_by_surface_provider_model_and_end(stack: Stack) -> None:
    chat(stack, "secret/qwen3-8b", "/code")
    assert chat(stack, "secret/qwen3-8b").status_code == 403
    everything = activity(stack)["requests"]
    newest, rejected = everything[1]["id"], everything[0]
    assert (rejected["end_reason"], rejected["code"]) == ("refused", "surface_not_allowed")

    def ids(**query: str) -> list[str]:
        return [row["id"] for row in activity(stack, **query)["requests"]]

    assert ids(surface="code")[0] == newest
    assert ids(provider="secret", end_reason="ok")[0] == newest
    assert ids(model="secret/qwen3-8b", end_reason="ok")[0] == newest
    assert newest in ids(model="qwen3-8b")
    assert ids(after=newest) == [rejected["id"]]
    assert ids(after="of-a-former-run") == [row["id"] for row in everything]
    wrong = stack.client.get("/api/activity", params={"end_reason": "fine"})
    assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "end_reason")


def test_a_limited_key_sees_the_requests_of_its_surface_without_other_providers(stack: Stack) -> None:
    chat(stack, "box/qwen3-8b")
    chat(stack, "secret/qwen3-8b", "/code")
    chat(stack, "secret/qwen3-8b")
    rows = activity(stack, CHAT, surface="chat")["requests"]
    assert {row["surface"] for row in rows} == {"chat"}
    assert {row["provider"] for row in rows} == {"box", None}
    assert stack.client.get("/api/activity", headers=CHAT).status_code == 403
    assert stack.client.get("/api/activity?surface=code", headers=CHAT).status_code == 403
    id = rows[0]["id"]
    assert stack.client.delete(f"/api/activity/{id}?surface=chat", headers=CHAT).status_code == 403


def running(stack: Stack, phase: str) -> Any:
    """Wait for the one request that runs, and return it."""

    def found() -> Any:
        return [row for row in activity(stack)["running"] if row["phase"] == phase]

    eventually(lambda: bool(found()))
    (row,) = found()
    assert (row["end_reason"], row["tokens_out"], row["provider"]) == (None, None, "box")
    assert activity(stack, CHAT, surface="chat")["running"][0]["id"] == row["id"]
    return row


def cancel(stack: Stack, id: str) -> None:
    cancelled = stack.client.delete(f"/api/activity/{id}").json()
    assert (cancelled["id"], cancelled["end_reason"], cancelled["phase"]) == (id, "cancelled", "over")
    assert activity(stack)["running"] == []
    again = stack.client.delete(f"/api/activity/{id}")
    assert (again.status_code, again.json()["error"]["code"]) == (404, "not_found")


@pytest.fixture
def held(stack: Stack) -> Iterator[None]:
    """The server sends nothing until it is told to."""
    stack.machines.set("box", hold=True)
    yield
    stack.machines.set("box", hold=False)


@pytest.mark.usefixtures("held")
def test_requests_are_numbered_in_the_order_in_which_they_begin(stack: Stack) -> None:
    def number(row: Any) -> int:
        return int(row["id"].rpartition("-")[2])

    with ThreadPoolExecutor(1) as threads:
        asking = threads.submit(chat, stack, "box/qwen3-8b")
        eventually(lambda: stack.machines.inference("box")[-1].ended is None)
        chat(stack, "secret/qwen3-8b", "/code")
        (second,) = activity(stack, limit=1)["requests"]
        first = running(stack, "waiting")
        cancel(stack, first["id"])
        asking.result(10)
    assert number(second) == number(first) + 1
    assert [row["id"] for row in activity(stack, limit=2)["requests"]] == [first["id"], second["id"]]


@pytest.mark.usefixtures("held")
def test_a_cancelled_request_without_a_response_gets_an_error(stack: Stack) -> None:
    with ThreadPoolExecutor(1) as threads:
        asking = threads.submit(chat, stack, "box/qwen3-8b")
        cancel(stack, running(stack, "waiting")["id"])
        response = asking.result(10)
    assert (response.status_code, response.headers["x-should-retry"]) == (409, "false")
    assert response.json()["error"]["code"] == "request_cancelled"
    eventually(lambda: stack.machines.inference("box")[-1].ended is not None)


@pytest.mark.usefixtures("held")
def test_a_cancelled_stream_is_cut_and_never_ended(stack: Stack) -> None:
    body = {"model": "box/qwen3-8b", "messages": [{"role": "user", "content": "hi"}], "stream": True}
    with ThreadPoolExecutor(1) as threads:
        asking = threads.submit(lambda: chunks_until_cut(stack, body))
        running(stack, "waiting")
        stack.machines.release("box", 1)
        cancel(stack, running(stack, "responding")["id"])
        content = asking.result(10)
    assert content.startswith(b"data: ")
    assert b"[DONE]" not in content


def chunks_until_cut(stack: Stack, body: dict[str, Any]) -> bytes:
    content = b""
    with stack.client.stream("POST", "/chat/v1/chat/completions", json=body, headers=CHAT) as response:
        try:
            for chunk in response.iter_raw():
                content += chunk
        except httpx.RemoteProtocolError:
            return content
    raise AssertionError("the response came to an end")


def test_readers_of_the_topic_get_one_event_for_each_surface_with_news(stack: Stack) -> None:
    def data(feed: Iterator[str]) -> Any:
        return json.loads(next(line for line in feed if line.startswith("data: ")).removeprefix("data: "))

    path = "/api/events?topics=activity&surface=chat"
    with stack.client.stream("GET", path, headers=CHAT, timeout=20) as response:
        feed = response.iter_lines()
        assert next(feed) == ": connected"
        chat(stack, "secret/qwen3-8b", "/code")
        chat(stack, "box/qwen3-8b")
        newest = activity(stack, limit=1)["requests"][0]["id"]
        news = [data(feed)]  # the first may be about a request of an earlier test
        while news[-1]["newest"] != newest:
            news.append(data(feed))
    assert {each["surface"] for each in news} == {"chat"}


def test_the_series_of_a_provider_and_the_speed_of_a_model_count_every_request(stack: Stack) -> None:
    def series(**query: str) -> Any:
        return stack.client.get("/api/fleet/box/series", params=query).json()

    before = sum(point["requests"] for point in series()["points"])
    usage = chat(stack, "box/qwen3-8b", stream=True, stream_options={"include_usage": True}).text
    chat(stack, "box/nothing")
    hour = series()
    assert (hour["step"], hour["steps"], hour["provider"], hour["model"]) == (10, 360, "box", None)
    assert sum(point["requests"] for point in hour["points"]) == before + 2
    assert sum(point["errors"].get("refused", 0) for point in hour["points"]) >= 1
    assert sum(point["status"].get("online", 0) for point in hour["points"]) >= 0
    assert series(range="month")["points"][-1]["tokens_out"] >= int(
        usage.split('"completion_tokens":')[1].split(",")[0]
    )
    assert sum(point["requests"] for point in series(range="day", model="qwen3-8b")["points"]) >= 1
    assert series(model="never")["error"]["code"] == "not_found"
    limited = stack.client.get("/api/fleet/secret/series?surface=chat", headers=CHAT)
    assert limited.status_code == 404
    chat(stack, "secret/qwen3-8b", "/code")
    (model,) = stack.client.get("/api/speed?model=qwen3-8b").json()["models"]
    assert [each["provider"] for each in model["providers"]] == ["box", "secret"]
    assert model["providers"][0]["tokens_per_second"] > 0
    (model,) = stack.client.get("/api/speed?surface=chat", headers=CHAT).json()["models"]
    assert [each["provider"] for each in model["providers"]] == ["box"]
