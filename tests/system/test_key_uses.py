"""The gateway tells when each of its keys was last used, and never a key."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from tests.support.artifacts import connection, gateway, write_generated
from tests.support.process import GatewayProcess, gateway_process
from tests.support.raw_client import ask
from tests.support.raw_server import raw_server, responding

pytestmark = pytest.mark.anyio

KEYS = {"OLD": "secret-of-the-old-key", "NEW": "secret-of-the-new-key", "ADMIN": "secret-of-the-operator"}
OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"


async def last_used(served: GatewayProcess) -> dict[str, str | None]:
    """Return when each key was last used, as the settings say."""
    answer = await ask(served.port, "/api/settings", headers={"x-api-key": KEYS["ADMIN"]})
    assert not [secret for secret in KEYS.values() if secret.encode() in answer.body]
    return {key["name"]: key["last_used"] for key in answer.json()["keys"]}


async def chat(served: GatewayProcess, key: str) -> int:
    headers = {"authorization": f"Bearer {KEYS[key]}", "content-type": "application/json"}
    return (await ask(served.port, "/boochat/v1/chat/completions", {"model": "a/m"}, headers)).status


async def test_the_settings_tell_which_key_is_still_used(tmp_path: Path) -> None:
    async with raw_server(responding(OK)) as machine:
        references: dict[str, Any] = {
            "old": {"env": "OLD", "surfaces": ["boochat"]},
            "new": {"env": "NEW", "surfaces": ["boochat"]},
            "admin": {"env": "ADMIN"},
        }
        provider = connection("a", machine.url, poll=False, declared={"m": {}})
        write_generated(tmp_path / "generated", gateway(provider, keys=references))
        async with gateway_process(tmp_path / "generated", env=KEYS) as served:
            assert (await last_used(served))["old"] is None
            for _ in range(4):  # the headers are remembered from the second time on
                assert await chat(served, "OLD") == 200
            used = await last_used(served)
            assert used["old"] is not None
            assert used["new"] is None
            limited = await ask(served.port, "/api/settings", headers={"x-api-key": KEYS["OLD"]})
            assert limited.status == 403
            served.send(signal.SIGTERM)
            assert await served.ended() == 0
        del references["old"]
        write_generated(tmp_path / "generated", gateway(provider, keys=references))
        async with gateway_process(tmp_path / "generated", env=KEYS) as served:
            assert await chat(served, "NEW") == 200
            used = await last_used(served)
            assert used.keys() == {"new", "admin"}
            assert None not in used.values()


async def test_the_last_use_survives_a_restart(tmp_path: Path) -> None:
    async with raw_server(responding(OK)) as machine:
        provider = connection("a", machine.url, poll=False, declared={"m": {}})
        keys = {"old": {"env": "OLD"}, "admin": {"env": "ADMIN"}}
        write_generated(tmp_path / "generated", gateway(provider, keys=keys))
        async with gateway_process(tmp_path / "generated", env=KEYS) as served:
            assert await chat(served, "OLD") == 200
            before = await last_used(served)
            served.send(signal.SIGKILL)
            await served.ended()
        async with gateway_process(tmp_path / "generated", env=KEYS) as served:
            assert (await last_used(served))["old"] == before["old"]
