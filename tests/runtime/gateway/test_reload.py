"""A new snapshot is loaded completely or not at all, without affecting running requests (fault 34)."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fleet_runtime.artifacts.snapshot import load_snapshot
from tests.support.artifacts import connection, gateway, write_generated
from tests.support.process import GatewayProcess, gateway_process
from tests.support.raw_client import Client, ask, client, request
from tests.support.raw_server import Peer, RawServer, raw_server, responding
from tests.support.waiting import pace

pytestmark = pytest.mark.anyio

CHAT = "/boochat/v1/chat/completions"
UNARY = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def write(folder: Path, url: str, number: int = 0, **settings: Any) -> str:
    """Build `number`: provider ``a`` at `url`, the alias ``build-<number>``; its snapshot id."""
    machine = connection("a", url, poll=False, declared={"m": {}})
    write_generated(folder, gateway(machine, **settings), aliases={f"build-{number}": "a/m"})
    return load_snapshot(folder).id


def touch(folder: Path) -> None:
    """Make the manifest look new without changing a byte of it."""
    manifest = folder / "manifest.json"
    data = manifest.read_bytes()
    manifest.unlink()
    manifest.write_bytes(data)


@asynccontextmanager
async def machine_and_gateway(tmp_path: Path) -> AsyncIterator[tuple[RawServer, GatewayProcess, Path]]:
    generated = tmp_path / "generated"
    async with raw_server(responding(UNARY)) as machine:
        write(generated, machine.url)
        async with gateway_process(generated) as served:
            yield machine, served, generated


async def keep_asking(port: int, per_second: float, ended: asyncio.Event) -> list[int]:
    """Ask at a steady rate, each request when its time has come, until `ended`; the statuses."""
    body = request(CHAT, {"model": "a/m"})
    statuses: list[int] = []
    loop = asyncio.get_running_loop()
    started = loop.time()
    due = 0

    async def worker() -> None:
        nonlocal due
        async with client(port) as connection:
            while not ended.is_set():
                due += 1
                await pace(started + due / per_second - loop.time())
                await connection.send(body)
                statuses.append((await connection.answer()).status)

    async with asyncio.TaskGroup() as workers:
        for _ in range(16):
            workers.create_task(worker())
    return statuses


@pytest.mark.parametrize("reloads", [10, pytest.param(50, marks=pytest.mark.slow)])
async def test_fault_34_reloads_under_500_requests_a_second_fail_none_of_them(
    tmp_path: Path, reloads: int
) -> None:
    async with machine_and_gateway(tmp_path) as (machine, served, generated):
        ended = asyncio.Event()
        load = asyncio.create_task(keep_asking(served.port, 500, ended))
        loop = asyncio.get_running_loop()
        started = loop.time()
        for number in range(1, reloads + 1):
            id = write(generated, machine.url, number)
            answer = await served.reload()
            assert (answer.status, answer.json()) == (200, {"snapshot": id})
            await pace(started + number / 10 - loop.time())
        ended.set()
        statuses = await load
        assert set(statuses) == {200}
        assert len(statuses) > 5 * reloads, "how near it comes to 50 is up to this computer"
        assert not any("Traceback" in line for line in served.lines)


async def test_a_stream_that_runs_ends_on_the_snapshot_that_it_began_on(tmp_path: Path) -> None:
    go = asyncio.Event()

    async def slow(peer: Peer) -> None:
        await peer.request()
        await peer.send(STREAM + b"8\r\ndata: 1\n\r\n")
        await go.wait()
        await peer.send(b"8\r\ndata: 2\n\r\n0\r\n\r\n")

    generated = tmp_path / "generated"
    async with raw_server(slow) as old, raw_server(responding(UNARY)) as new:
        write(generated, old.url)
        async with gateway_process(generated) as served, client(served.port) as stream:
            await stream.send(request(CHAT, {"model": "a/m", "stream": True}))
            assert (await stream.head()).status == 200
            assert await stream.chunk() == b"data: 1\n"
            write(generated, new.url, 1)
            await served.reload()
            assert (await ask(served.port, CHAT, {"model": "build-1"})).status == 200
            assert len(new.requests) == 1
            metrics = (await ask(served.port, "/metrics")).body
            assert b'fleet_in_flight{provider="a"} 1.0' in metrics, "the old machine's stream is counted"
            go.set()
            assert await stream.chunk() == b"data: 2\n"
            assert await stream.chunk() == b""


async def test_a_build_is_loaded_without_a_signal(tmp_path: Path) -> None:
    async with machine_and_gateway(tmp_path) as (machine, served, generated):
        id = write(generated, machine.url, 1)
        await served.said(f"now serving snapshot {id}")
        assert (await ask(served.port, CHAT, {"model": "build-1"})).status == 200
        assert (await ask(served.port, CHAT, {"model": "build-0"})).status == 404


async def test_the_same_bytes_written_again_change_nothing(tmp_path: Path) -> None:
    async with machine_and_gateway(tmp_path) as (_, served, generated):
        touch(generated)
        answer = await served.reload()
        assert answer.json() == {"snapshot": load_snapshot(generated).id}
        assert not any("now serving" in line for line in served.lines)
        metrics = (await ask(served.port, "/metrics")).body
        assert b'fleet_reloads_total{result="loaded"} 0.0' in metrics


async def test_a_broken_snapshot_leaves_the_old_one_serving_and_is_named(tmp_path: Path) -> None:
    async with machine_and_gateway(tmp_path) as (machine, served, generated):
        before = await served.snapshot()
        (generated / "routing" / "boochat.json").write_text("{}")
        touch(generated)
        await served.said("rejected the new configuration")
        fleet = await served.fleet()
        assert fleet["snapshot"] == before
        assert "boochat.json' is not the file that manifest.json was written with" in fleet["refused"]
        refused = await served.reload()
        assert (refused.status, refused.code) == (409, "snapshot_refused")
        assert (await ask(served.port, CHAT, {"model": "build-0"})).status == 200
        assert b"fleet_snapshot_refused 1.0" in (await ask(served.port, "/metrics")).body

        id = write(generated, machine.url, 1)
        await served.said(f"now serving snapshot {id}")
        assert (await served.fleet())["refused"] is None


async def test_a_folder_that_is_copied_manifest_first_is_taken_only_when_it_is_complete(
    tmp_path: Path,
) -> None:
    async with machine_and_gateway(tmp_path) as (machine, served, generated):
        before = await served.snapshot()
        release = tmp_path / "release"
        id = write(release, machine.url, 1)
        files = ["manifest.json", *(name for name in load_manifest(release) if name != "manifest.json")]
        for number, name in enumerate(files, 1):
            copy_like_rsync(release / name, generated / name)
            answer = await served.reload()
            if number < len(files):
                assert answer.status == 409
                assert await served.snapshot() == before
                assert (await ask(served.port, CHAT, {"model": "build-0"})).status == 200
        assert await served.snapshot() == id


async def test_a_manifest_that_came_first_is_tried_again_when_the_other_files_come(tmp_path: Path) -> None:
    async with machine_and_gateway(tmp_path) as (machine, served, generated):
        release = tmp_path / "release"
        id = write(release, machine.url, 1)
        copy_like_rsync(release / "manifest.json", generated / "manifest.json")
        await served.said("rejected the new configuration")
        for name in load_manifest(release):
            copy_like_rsync(release / name, generated / name)
        await served.said(f"now serving snapshot {id}")


async def test_a_symbolic_link_to_another_release_is_followed(tmp_path: Path) -> None:
    async with raw_server(responding(UNARY)) as machine:
        write(tmp_path / "releases" / "1" / "generated", machine.url, 1)
        second = write(tmp_path / "releases" / "2" / "generated", machine.url, 2)
        current = tmp_path / "current"
        current.symlink_to("releases/1")
        async with gateway_process(current / "generated") as served:
            swap(current, "releases/2")
            await served.said(f"now serving snapshot {second}")
            assert not any("refused" in line for line in served.lines)


async def test_a_config_map_that_is_updated_through_its_data_link_is_followed(tmp_path: Path) -> None:
    """Kubernetes mounts ``generated/<name> -> ..data/<name>`` and ``..data -> ..<timestamp>``."""
    async with raw_server(responding(UNARY)) as machine:
        mount = tmp_path / "generated"
        write(mount / "..1", machine.url, 1)
        second = write(mount / "..2", machine.url, 2)
        (mount / "..data").symlink_to("..1")
        for name in ("manifest.json", "gateway.json", "routing"):
            (mount / name).symlink_to(f"..data/{name}")
        async with gateway_process(mount) as served:
            swap(mount / "..data", "..2")
            await served.said(f"now serving snapshot {second}")
            assert await served.snapshot() == second


async def test_sighup_reads_the_folder_again(tmp_path: Path) -> None:
    async with machine_and_gateway(tmp_path) as (_, served, generated):
        (generated / "gateway.json").unlink()
        served.send(signal.SIGHUP)
        assert "gateway.json' is missing" in await served.said("rejected the new configuration")


async def test_key_files_are_read_again_though_no_artifact_changed(tmp_path: Path) -> None:
    key = tmp_path / "laptop.key"
    key.write_text("old-key\n")
    generated = tmp_path / "generated"
    async with raw_server(responding(UNARY)) as machine:
        write(generated, machine.url, keys={"laptop": {"file": "laptop.key"}})
        async with gateway_process(generated) as served:

            async def status(key: str) -> int:
                headers = {"authorization": f"Bearer {key}"}
                return (await ask(served.port, CHAT, {"model": "a/m"}, headers)).status

            assert [await status("old-key"), await status("new-key")] == [200, 401]
            key.write_text("new-key\n")
            served.send(signal.SIGHUP)
            await served.said("now serving")
            assert [await status("old-key"), await status("new-key")] == [401, 200]
            key.unlink()
            served.send(signal.SIGHUP)
            assert "laptop.key" in await served.said("rejected the new configuration")
            assert await status("new-key") == 200
            assert not any("new-key" in line or "old-key" in line for line in served.lines)


async def test_changes_that_need_a_restart_are_reported(tmp_path: Path) -> None:
    async with machine_and_gateway(tmp_path) as (machine, served, generated):
        write(generated, machine.url, 1, state="elsewhere/state.db")
        await served.reload()
        assert (await served.fleet())["needs_restart"] == ["state"]
        await served.said("the changed 'gateway.state' takes effect after a restart")


async def test_reloads_that_come_at_once_end_with_the_newest(tmp_path: Path) -> None:
    async with machine_and_gateway(tmp_path) as (machine, served, generated):
        pending = []
        for number in range(1, 9):
            id = write(generated, machine.url, number)
            pending.append(asyncio.create_task(served.reload()))
            served.send(signal.SIGHUP)
        await asyncio.gather(*pending)
        assert (await served.reload()).json() == {"snapshot": id}
        assert await served.snapshot() == id


async def test_an_events_reader_is_notified_of_a_new_snapshot(tmp_path: Path) -> None:
    async with machine_and_gateway(tmp_path) as (machine, served, generated), client(served.port) as reader:
        await reader.send(request("/api/events"))
        assert (await reader.head()).status == 200
        assert await reader.chunk() == b": connected\n\n"
        id = write(generated, machine.url, 1)
        await served.reload()
        told = await event(reader, "snapshot")
        assert told == {"snapshot": id}


async def event(reader: Client, topic: str) -> object:
    async with asyncio.timeout(10):
        while True:
            chunk = (await reader.chunk()).decode()
            if f"event: {topic}\n" in chunk:
                return json.loads(chunk.partition("data: ")[2])


def load_manifest(folder: Path) -> list[str]:
    return sorted(json.loads((folder / "manifest.json").read_text())["files"])


def copy_like_rsync(source: Path, target: Path) -> None:
    """To a file next to the target, then over it; the source's time kept."""
    beside = target.with_name(f".{target.name}.Xy12")
    shutil.copy2(source, beside)
    beside.replace(target)


def swap(link: Path, target: str) -> None:
    """``ln -sfn``, in one step."""
    beside = link.with_name(link.name + ".new")
    beside.symlink_to(target)
    beside.replace(link)


async def test_a_named_pipe_among_the_files_is_rejected_and_holds_up_nothing(tmp_path: Path) -> None:
    async with machine_and_gateway(tmp_path) as (_, served, generated):
        table = generated / "routing" / "boochat.json"
        table.unlink()
        os.mkfifo(table)
        answer = await served.reload()
        assert (answer.status, answer.code) == (409, "snapshot_refused")
        assert (await ask(served.port, CHAT, {"model": "a/m"})).status == 200
        served.send(signal.SIGTERM)
        assert await served.ended() == 0


async def test_a_named_pipe_as_a_providers_key_file_disables_that_provider_alone(tmp_path: Path) -> None:
    key = tmp_path / "a.key"
    key.write_text("key\n")
    generated = tmp_path / "generated"
    async with raw_server(responding(UNARY)) as server:
        declared = {"poll": False, "declared": {"m": {}}}
        providers = [connection("a", server.url, api_key_file="a.key", **declared)]
        write_generated(generated, gateway(*providers, connection("b", server.url, **declared)))
        async with gateway_process(generated) as served:
            assert (await ask(served.port, CHAT, {"model": "a/m"})).status == 200
            key.unlink()
            os.mkfifo(key)
            await served.reload()
            assert (await ask(served.port, CHAT, {"model": "a/m"})).code == "provider_disabled"
            assert (await ask(served.port, CHAT, {"model": "b/m"})).status == 200
