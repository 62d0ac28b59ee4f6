"""A simulated llama-swap writes what the recorded one (commit fdda55e4, 2026-07) wrote."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from fleet_runtime.simulator import SimulatedModel
from tests.simulator.servers import client, machine
from tests.support.recorded import recorded

pytestmark = pytest.mark.anyio

MODELS = (
    SimulatedModel("qwen3-8b", name="Qwen3 8B", aliases=("q8",)),
    SimulatedModel("hf/qwen3:Q4", vision=True),
    SimulatedModel("hidden", listed=False),
    SimulatedModel("broken", loadable=False),
)
SAME = [
    "models-without-v1",
    "running-none",
    "health",
    "options",
    "version",
    "unknown-path",
    "unknown-model",
    "no-model",
    "bad-json",
    "form-without-model",
    "upstream-redirect",
    "upstream-redirect-post",
    "upstream-unknown",
    "props-without-model",
    "load-failed",
    "chat",
    "chat-hidden",
    "chat-stream-raw",
    "unload",
    "unauthorized",
    "health-without-key",
]
FIXED = {
    "models-without-v1",
    "unknown-path",
    "unknown-model",
    "no-model",
    "form-without-model",
    "load-failed",
}


@pytest.mark.parametrize("name", SAME)
async def test_the_same_request_gets_an_answer_of_the_same_shape(name: str) -> None:
    real = recorded(f"llama-swap/{name}")
    key = "k1" if name in ("unauthorized", "health-without-key") else None
    async with machine("llama-swap", *MODELS, api_key=key, list_version="2026-07") as box:
        head, body = await _asked(box.url, real.method, real.path, real.request_body, _sent(name))
    assert int(head[0].split()[1]) == real.status
    assert _shown([line.partition(": ")[::2] for line in head[1:]]) == _shown(list(real.headers))
    if name in FIXED:
        assert body == real.body
    elif real.body.startswith(b"{") and name != "unauthorized":
        assert list(json.loads(body)) == list(real.json)


async def test_the_list_has_the_keys_of_the_recorded_one() -> None:
    real = recorded("llama-swap/models").json
    async with machine("llama-swap", *MODELS, list_version="2026-07") as box, client(box) as http:
        made = (await http.get("/v1/models")).json()
    assert list(made) == list(real)
    (rich,) = (item for item in real["data"] if item["id"] == "hf/qwen3:Q4")
    (ours,) = (item for item in made["data"] if item["id"] == "hf/qwen3:Q4")
    del rich["meta"]  # what the user wrote about the model
    assert list(ours) == list(rich)
    assert ours["architecture"] == rich["architecture"]
    assert (ours["capabilities"], ours["status"]) == (rich["capabilities"], rich["status"])


async def test_what_runs_has_the_keys_of_the_recorded_one() -> None:
    (real,) = recorded("llama-swap/running").json["running"]
    async with machine("llama-swap", SimulatedModel("m", loaded=True)) as box, client(box) as http:
        (made,) = (await http.get("/running")).json()["running"]
    assert list(made) == list(real)


async def test_events_have_the_form_of_the_recorded_ones() -> None:
    real = [_event(part) for part in recorded("llama-swap/events-raw").body.split(b"event:message")[1:]]
    async with machine("llama-swap", MODELS[0]) as box, client(box) as http:
        made: list[Any] = []
        async with http.stream("GET", "/api/events") as answer:
            async for piece in answer.aiter_raw():
                made.append(_event(piece.partition(b"event:message")[2]))
                if len(made) == 4:
                    break
    assert [kind for kind, _ in made] == [kind for kind, _ in real[:4]]
    (ours,) = next(data for kind, data in made if kind == "modelStatus")
    theirs = next(data for kind, data in real if kind == "modelStatus")
    assert set(ours) >= set(theirs[0])


def _event(part: bytes) -> tuple[str, Any]:
    told = json.loads(part.partition(b"data:")[2].partition(b"\n")[0])
    return told["type"], json.loads(told["data"])


def _sent(name: str) -> list[str]:
    """The recorded request's header lines, as its file keeps them."""
    real = recorded(f"llama-swap/{name}")
    return [f"{key}: {value}" for key, value in real.request_headers.items()]


async def _asked(
    url: str, method: str, path: str, body: bytes, headers: list[str]
) -> tuple[list[str], bytes]:
    """The answer's head, line by line, and its body as it was on the wire."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    if body and not any(line.startswith("Content-Type") for line in headers):
        headers.append("Content-Type: application/json")
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *headers, f"Content-Length: {len(body)}"]
    writer.write("\r\n".join([*lines, "Connection: close", "", ""]).encode() + body)
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    await writer.wait_closed()
    head, _, rest = answer.partition(b"\r\n\r\n")
    return head.decode().split("\r\n"), rest


def _shown(headers: Any) -> list[tuple[str, str]]:
    """Names in order, with values where those cannot differ."""
    free = ("Content-Length", "Date")
    shown = [(name, "" if name in free else value) for name, value in headers]
    return [header for header in shown if header[0] != "Connection"]
