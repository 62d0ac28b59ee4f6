"""A simulated llama-swap writes what the recorded ones of 2026-07 (fdda55e4) and 2026-08 (0bdb3720) wrote."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from fleet_runtime.dialects.server_memory import Gpu, read_gauges
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
RECORDINGS = {"2026-07": "llama-swap", "v2": "llama-swap-2026-08"}
"""Which recordings each simulated version comes from."""
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


versions = pytest.mark.parametrize("version", RECORDINGS)


@versions
@pytest.mark.parametrize("name", SAME)
async def test_the_same_request_gets_a_response_of_the_same_shape(name: str, version: str) -> None:
    real = recorded(f"{RECORDINGS[version]}/{name}")
    key = "k1" if name in ("unauthorized", "health-without-key") else None
    async with machine("llama-swap", *MODELS, api_key=key, list_version=version) as box:
        sent = [f"{key}: {value}" for key, value in real.request_headers.items()]
        head, body = await _asked(box.url, real.method, real.path, real.request_body, sent)
    assert int(head[0].split()[1]) == real.status
    assert _shown([line.partition(": ")[::2] for line in head[1:]]) == _shown(list(real.headers))
    if name in FIXED - ({"models-without-v1"} if version == "v2" else set()):
        assert body == real.body
    elif real.body.startswith(b"{") and name != "unauthorized":
        assert list(json.loads(body)) == list(real.json)


@versions
async def test_the_list_has_the_keys_of_the_recorded_one(version: str) -> None:
    real = recorded(f"{RECORDINGS[version]}/models").json
    async with machine("llama-swap", *MODELS, list_version=version) as box, client(box) as http:
        made = (await http.get("/v1/models")).json()
    assert list(made) == list(real)
    (rich,) = (item for item in real["data"] if item["id"] == "hf/qwen3:Q4")
    (ours,) = (item for item in made["data"] if item["id"] == "hf/qwen3:Q4")
    wrote = rich["meta"]["llamaswap"]
    del wrote["mine"], wrote["n_ctx"]  # what the user wrote about the model
    if version == "v2":
        assert [list(item["meta"]) for item in (ours, rich)] == [["llamaswap", "n_ctx"]] * 2
        assert ours["meta"]["llamaswap"] == wrote
        named = [next(item for item in each["data"] if item["id"] == "qwen3-8b") for each in (made, real)]
        assert named[0]["meta"]["llamaswap"] == named[1]["meta"]["llamaswap"]
    else:
        del rich["meta"]
    assert list(ours) == list(rich)
    assert ours["architecture"] == rich["architecture"]
    assert (ours["capabilities"], ours["status"]) == (rich["capabilities"], rich["status"])


async def test_what_runs_has_the_keys_of_the_recorded_one() -> None:
    (real,) = recorded("llama-swap/running").json["running"]
    async with machine("llama-swap", SimulatedModel("m", loaded=True)) as box, client(box) as http:
        (made,) = (await http.get("/running")).json()["running"]
    assert list(made) == list(real)


@versions
async def test_events_have_the_form_of_the_recorded_ones(version: str) -> None:
    text = recorded(f"{RECORDINGS[version]}/events-raw").body
    real = [_event(part) for part in text.split(b"event:message")[1:]]
    first = 6 if version == "v2" else 4
    async with machine("llama-swap", MODELS[1], list_version=version) as box, client(box) as http:
        made: list[Any] = []
        async with http.stream("GET", "/api/events") as answer:
            async for piece in answer.aiter_raw():
                made.append(_event(piece.partition(b"event:message")[2]))
                if len(made) == first:
                    break
    assert [kind for kind, _ in made] == [kind for kind, _ in real[:first]]
    ours, theirs = dict(made), dict(reversed(real))
    assert list(ours["modelStatus"][0]) == list(theirs["modelStatus"][1])
    assert list(ours["inflight"]) == list(theirs["inflight"])
    assert {kind: ours[kind] for kind in ours if kind in ("uiConfig", "profileChanged")} == {
        kind: theirs[kind] for kind in theirs if kind in ("uiConfig", "profileChanged")
    }


async def test_its_gauges_are_read_as_those_of_the_recorded_one() -> None:
    real = read_gauges(recorded("llama-swap-2026-08/metrics").body)
    async with (
        machine("llama-swap", SimulatedModel("m", loaded=True), vram=2**34) as box,
        client(box) as http,
    ):
        made = read_gauges((await http.get("/metrics")).content)
    assert (real["ram_total"], real["ram_used"], real["gpus"]) == (25_275_924_480, 1_145_044_992, ())
    assert (made["ram_total"], made["gpus"]) == (2**36, (Gpu("Simulated GPU", 2**34, 2**32),))


def _event(part: bytes) -> tuple[str, Any]:
    told = json.loads(part.partition(b"data:")[2].partition(b"\n")[0])
    return told["type"], json.loads(told["data"])


async def _asked(
    url: str, method: str, path: str, body: bytes, headers: list[str]
) -> tuple[list[str], bytes]:
    """The response's head, line by line, and its body as it was on the wire."""
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
