"""What cannot be served is rejected in words, at start and at a reload (fleet_runtime.gateway.service)."""

from __future__ import annotations

import asyncio
import gc
import weakref
from pathlib import Path
from typing import Any

import pytest

from fleet_runtime.gateway.service import REFUSALS, Service
from tests.support.artifacts import connection, gateway, write_generated
from tests.support.raw_server import raw_server, responding
from tests.support.waiting import until

pytestmark = pytest.mark.anyio

UNSERVABLE: dict[str, dict[str, Any]] = {
    "a host with an empty label": {"url": "http://a..b:80"},
    "a host with a label of 64 letters": {"url": f"http://{'a' * 64}:80"},
    "an unfinished address": {"url": "http://["},
    "a port past the last": {"url": "http://127.0.0.1:99999"},
    "another protocol": {"url": "ftp://127.0.0.1"},
}


@pytest.mark.parametrize("fields", UNSERVABLE.values(), ids=UNSERVABLE)
async def test_a_provider_that_cannot_be_addressed_is_rejected_and_the_old_snapshot_keeps_serving(
    tmp_path: Path, fields: dict[str, Any]
) -> None:
    folder = tmp_path / "generated"
    write_generated(folder, gateway(connection("box")))
    service = Service.load(folder, {})
    before = service.live
    broken = connection("box").model_copy(update=fields)
    write_generated(folder, gateway(connection("box")).model_copy(update={"providers": (broken,)}))
    reason = await service.reload()
    assert reason is not None
    assert "fleet build" in reason
    assert (service.refused, service.live) == (reason, before)
    with pytest.raises(REFUSALS):
        Service.load(folder, {})


@pytest.mark.parametrize("name", ["my..box", "a" * 64])
async def test_a_host_name_that_is_none_is_rejected_before_a_request_comes(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "generated"
    write_generated(folder, gateway(connection("box")).model_copy(update={"hosts": (name,)}))
    with pytest.raises(REFUSALS, match="fleet build"):
        Service.load(folder, {})


async def test_a_replaced_snapshot_is_gone_without_a_garbage_collection(tmp_path: Path) -> None:
    """A look goes through everything that lives: with a thousand providers it would hold up all requests."""
    folder, body = tmp_path / "generated", b'{"data": [{"id": "m"}]}'
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
    wake = {"command": "true"}
    async with raw_server(responding(head + body)) as server:
        write_generated(folder, gateway(connection("a", server.url, wake=wake), connection("b", server.url)))
        service = Service.load(folder, {})
        running = asyncio.create_task(service.run())
        gc.collect()
        gc.disable()
        try:
            await until(lambda: all(each == "online" for each in service.statuses.values()))
            replaced = weakref.ref(service.live.inventory)
            write_generated(folder, gateway(connection("b", server.url)))
            assert await service.reload() is None
            await until(lambda: replaced() is None)
        finally:
            gc.enable()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
