"""Simulated servers as a client of their API sees them, and as a probe does."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from fleet_runtime.artifacts.contract import ProviderKind
from fleet_runtime.dialects.messages import ProbeRequest, ProbeResponse
from fleet_runtime.dialects.observation import Observation, drive
from fleet_runtime.dialects.probe import probe_provider
from fleet_runtime.simulator import ServerSpec, SimulatedModel, SimulatedServer, Simulation
from fleet_runtime.simulator.spec import SimulatedKind

CHAT = "/v1/chat/completions"


@asynccontextmanager
async def machine(
    kind: SimulatedKind = "llama-swap", *models: SimulatedModel, **spec: Any
) -> AsyncIterator[SimulatedServer]:
    """Run a server named ``box``, with one model ``m`` if none is given."""
    made = ServerSpec("box", kind, models or (SimulatedModel("m"),), **spec)
    async with Simulation([made]) as simulation:
        yield simulation["box"]


@asynccontextmanager
async def client(box: SimulatedServer, **headers: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=box.url, headers=headers, trust_env=False, verify=False) as opened:
        yield opened


def chat(model: str = "m", text: str = "hello there", **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}


def events(body: bytes) -> list[Any]:
    """The JSON of each event of a stream, the closing ``[DONE]`` as text."""
    data = [line.removeprefix("data: ") for line in body.decode().split("\n") if line.startswith("data: ")]
    return [value if value == "[DONE]" else json.loads(value) for value in data]


async def probe_server(
    box: SimulatedServer,
    kind: ProviderKind = "auto",
    previous: Observation | None = None,
    key: str | None = None,
) -> Observation:
    """Probe over HTTP once."""
    async with client(box, **({"authorization": f"Bearer {key}"} if key else {})) as http:

        async def get(ask: ProbeRequest) -> ProbeResponse:
            path = f"/v1{ask.path}" if ask.api else ask.path
            try:
                if ask.body is None:
                    answer = await http.get(path)
                else:
                    answer = await http.post(path, content=ask.body)
            except httpx.HTTPError:
                return ProbeResponse(0)
            headers = {name.lower(): value for name, value in answer.headers.items()}
            return ProbeResponse(answer.status_code, headers, answer.content)

        return await drive(probe_provider(kind, previous), get)
