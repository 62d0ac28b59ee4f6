"""A provider that turns into a black hole costs one request its connect timeout, and the next ones
nothing."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from fleet_runtime.artifacts.contract import PollSettings
from tests.support.artifacts import connection, gateway, write_generated
from tests.support.black_hole import black_hole
from tests.support.process import gateway_process
from tests.support.raw_client import Answer, ask
from tests.support.raw_server import raw_server, responding
from tests.support.waiting import pace

pytestmark = pytest.mark.anyio

CONNECT = 2.0
LIST = json.dumps({"data": [{"id": "m"}]}).encode()
RESPONSE = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(LIST) + LIST


async def chat(port: int, model: str) -> tuple[Answer, float]:
    started = monotonic()
    answer = await ask(port, "/v1/chat/completions", json.dumps({"model": model}).encode())
    return answer, monotonic() - started


async def test_fault_42_after_a_timeout_and_a_failed_probe_requests_get_503_at_once_and_lists_stay(
    tmp_path: Path,
) -> None:
    polling = PollSettings(interval=60, timeout=0.3, grace=60)
    roles: dict[str, Any] = {"roles": {"task": ("hole/m", "other/m")}}
    async with raw_server(responding(RESPONSE)) as other:
        async with raw_server(responding(RESPONSE)) as machine:
            hole = connection("hole", machine.url, timeouts={"connect": CONNECT})
            fleet = gateway(hole, connection("other", other.url), inventory=polling)
            write_generated(tmp_path / "generated", fleet, **roles)
            running = gateway_process(tmp_path / "generated")
            serving = await running.__aenter__()
            try:
                await until_listed(serving.port, "hole/m")
            except BaseException:
                await running.__aexit__(None, None, None)
                raise
        try:
            with black_hole(machine.port):
                first, seconds = await chat(serving.port, "hole/m")
                assert (first.status, first.code) == (503, "provider_unreachable")
                assert seconds >= CONNECT / 2
                await until_unreachable(serving.port, "hole/m")
                for _ in range(3):
                    again, seconds = await chat(serving.port, "hole/m")
                    assert (again.status, again.code, seconds < CONNECT / 2) == (503, again.code, True)
                role, seconds = await chat(serving.port, "@task")
                assert (role.header(b"x-fleet-provider"), seconds < CONNECT / 2) == ([b"other"], True)
                listed = (await ask(serving.port, "/v1/models")).json()["data"]
                assert "hole/m" in {item["id"] for item in listed}
        finally:
            await running.__aexit__(None, None, None)


async def until_listed(port: int, model: str) -> None:
    async with asyncio.timeout(10):
        while True:
            answer = await ask(port, "/api/fleet")
            if all(provider["status"] == "online" for provider in answer.json()["providers"]):
                return
            await pace(0.05)


async def until_unreachable(port: int, model: str) -> None:
    """The probe after a failed request comes within a second and takes its timeout."""
    async with asyncio.timeout(5):
        while (await ask(port, f"/api/resolve?model={model}")).json()["available"]:
            await pace(0.05)
