"""A surface that keeps streams open while a model loads, as clients, operator and captures see it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest

from fleet_runtime.simulator import ServerSpec, SimulatedModel, SimulationThread
from tests.support.stack import Stack, running_stack
from tests.support.waiting import eventually

COLD = SimulatedModel("cold", load_seconds=0.6)
WARM = SimulatedModel("warm", loaded=True)
BODY = {"messages": [{"role": "user", "content": "hi"}], "stream": True}


def fleet_yaml(machines: SimulationThread, listen: str) -> str:
    return f"""\
version: 1
default_provider: box
providers: {{box: "{machines.url("box")}"}}
surfaces: {{open: {{keepalive: 0.1}}, plain: }}
gateway: {{listen: "{listen}", captures: {{}}}}
inventory: {{interval: 0.2, timeout: 1, grace: 0.5}}
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    specs = (ServerSpec("box", models=(COLD, WARM)),)
    with running_stack(tmp_path_factory.mktemp("keepalive"), specs, fleet_yaml, online=("box",)) as stack:
        yield stack


@pytest.fixture
def unloaded(stack: Stack) -> None:
    body = {"model": "cold", "force": True}
    stack.client.post("/api/fleet/box/unload", json=body).raise_for_status()


def row_of(stack: Stack, id: str) -> Any:
    rows = stack.client.get("/api/activity").json()["requests"]
    return next(row for row in rows if row["request_id"] == id)


@pytest.mark.usefixtures("unloaded")
@pytest.mark.parametrize("path", ["chat/completions", "completions", "responses", "messages"])
def test_a_cold_load_is_bridged_by_comments(stack: Stack, path: str) -> None:
    body = BODY | {"model": "box/cold", "prompt": "hi", "input": "hi", "max_tokens": 9}
    response = stack.client.post(f"/open/v1/{path}", json=body)
    comments, events = response.text.count(": keepalive\n\n"), response.text.replace(": keepalive\n\n", "")
    assert (response.status_code, comments > 1) == (200, True)
    assert events.startswith(("data: ", "event: "))
    row = row_of(stack, response.headers["x-request-id"])
    assert (row["status"], row["end_reason"], row["state"], row["stream"]) == (200, "ok", "unloaded", True)
    assert row["first_byte"] > 0.3, "a comment is not the first byte of the response"
    assert row["tokens_out"] > 0
    capture = stack.client.get(f"/api/activity/{row['id']}/capture").json()
    assert capture["response"]["body"] == response.text


@pytest.mark.usefixtures("unloaded")
def test_other_surfaces_and_ollamas_api_get_no_comment(stack: Stack) -> None:
    plain = stack.client.post("/plain/v1/chat/completions", json=BODY | {"model": "box/cold"})
    stack.client.post("/api/fleet/box/unload", json={"model": "cold", "force": True}).raise_for_status()
    ollama = stack.client.post("/open/ollama/api/chat", json=BODY | {"model": "box/cold"})
    for response in (plain, ollama):
        assert response.status_code == 200
        assert "keepalive" not in response.text
    assert all(json.loads(line) for line in ollama.text.splitlines())


def test_a_late_error_is_an_event_and_keeps_its_status_in_activity_and_log(stack: Stack) -> None:
    stack.machines.set("box", error_status=500, hold=True)
    text = b""
    with stack.client.stream(
        "POST", "/open/v1/chat/completions", json=BODY | {"model": "box/warm"}
    ) as response:
        stack.machines.set("box", hold=False)
        with suppress(httpx.RemoteProtocolError):
            for chunk in response.iter_raw():
                text += chunk
            pytest.fail("the response came to an end")
    stack.machines.reset("box")
    event = text.decode().replace(": keepalive\n\n", "")
    assert json.loads(event.removeprefix("data: "))["error"]["status"] == 500
    row = row_of(stack, response.headers["x-request-id"])
    assert (row["status"], row["end_reason"]) == (500, "ok")
    eventually(lambda: any(is_logged(line, row["request_id"]) for line in stack.log.splitlines()))


def is_logged(line: str, id: str) -> bool:
    return f"id={id} " in line and "status=500 end_reason=ok" in line
