"""While two gateways serve different snapshots, a response that something does not exist says in which."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import httpx
import pytest

from fleet_runtime.artifacts.snapshot import load_snapshot
from tests.support.artifacts import connection, gateway, write_generated
from tests.support.process import gateway_process

pytestmark = pytest.mark.anyio

BODY = {"model": "spare/m", "messages": [{"role": "user", "content": "hi"}]}
REQUESTS = (
    ("POST", "/v1/chat/completions"),
    ("POST", "/boochat/v1/chat/completions"),
    ("POST", "/other/v1/chat/completions"),
    ("POST", "/providers/spare/v1/chat/completions"),
    ("GET", "/providers/spare/health"),
    ("GET", "/v1/models/spare/m"),
    ("GET", "/api/models/spare/m"),
    ("GET", "/api/picker?surface=other"),
    ("GET", "/api/fleet?surface=other"),
    ("GET", "/api/fleet/spare/history"),
    ("GET", "/api/fleet/spare/series"),
    ("POST", "/api/fleet/spare/refresh"),
    ("POST", "/api/fleet/spare/load"),
    ("PUT", "/api/favorites/spare/m"),
)


async def test_a_404_for_what_another_snapshot_may_have_names_the_snapshot(tmp_path: Path) -> None:
    folder = tmp_path / "generated"
    write_generated(folder, gateway(connection("box", poll=False, declared={"m": {}})))
    named = f"(snapshot {load_snapshot(folder).id[:19]})"
    async with (
        gateway_process(folder) as served,
        httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{served.port}", verify=False, trust_env=False
        ) as client,
    ):
        asked = (client.request(method, path, json=BODY) for method, path in REQUESTS)
        responses = await asyncio.gather(*asked)
    for (method, path), response in zip(REQUESTS, responses, strict=True):
        message = json.loads(response.content)["error"]["message"]
        assert (response.status_code, named in message) == (404, True), f"{method} {path}: {message}"
