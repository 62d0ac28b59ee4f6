"""The store: nothing acknowledged is lost, and nothing that is wrong with the file stops the gateway."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path

import pytest

from fleet_runtime.catalog.favorites import (
    AddFavorite,
    Favorites,
    FavoritesChange,
    RemoveFavorite,
    VersionConflictError,
)
from fleet_runtime.event_log import EventLog
from fleet_runtime.events import FavoritesVersion, ProviderChange
from fleet_runtime.store import local_state
from fleet_runtime.store.schema import MIGRATIONS
from fleet_runtime.store.sqlite import HISTORY_ROWS, Database
from fleet_runtime.store.store import StatusChange, Store, StoreUnavailableError, keep_history
from tests.support.waiting import turn, until

pytestmark = pytest.mark.anyio

NAMES: dict[str, str] = {}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kept" / "state.db"


@contextlib.asynccontextmanager
async def opened(path: Path, told: Callable[[int], None] = lambda version: None) -> AsyncIterator[Store]:
    store = Store(path, told)
    store.open()
    try:
        yield store
    finally:
        await store.close()


def adding(id: str) -> FavoritesChange:
    return FavoritesChange(NAMES, AddFavorite(id, 1.0))


def removing(id: str) -> FavoritesChange:
    return FavoritesChange(NAMES, RemoveFavorite(frozenset({id})))


async def add(store: Store, *ids: str) -> None:
    for id in ids:
        await store.edit(adding(id))


def ids(store: Store) -> list[str]:
    return [item.id for item in store.favorites.items]


def fault(store: Store) -> str:
    return store.fault or ""


async def test_what_was_kept_is_there_again_in_its_order(path: Path) -> None:
    async with opened(path) as store:
        await add(store, "b/1", "a/1", "ü/…/☃")
        await store.edit(removing("b/1"))
        await add(store, "b/1")
        before = store.favorites
    async with opened(path) as store:
        assert store.favorites == before
        assert (ids(store), store.favorites.version) == (["a/1", "ü/…/☃", "b/1"], 5)


async def test_a_change_is_reported_once_it_is_kept(path: Path) -> None:
    told: list[int] = []
    async with opened(path, told.append) as store:
        await add(store, "a/1", "a/1", "a/2")
    assert told == [1, 2]


async def test_of_two_changes_for_one_version_one_is_rejected(path: Path) -> None:
    async with opened(path) as store:
        await add(store, "a/1")
        expected = frozenset({store.favorites.tag})
        first, second = await asyncio.gather(
            store.edit(FavoritesChange(NAMES, AddFavorite("a/2", 1.0), expected)),
            store.edit(FavoritesChange(NAMES, AddFavorite("a/3", 1.0), expected)),
            return_exceptions=True,
        )
        assert isinstance(first, Favorites)
        assert isinstance(second, VersionConflictError)
        assert ids(store) == ["a/1", "a/2"]


async def test_a_change_of_a_disconnected_client_is_kept(path: Path) -> None:
    async with opened(path) as store:
        gone = asyncio.ensure_future(store.edit(adding("a/1")))
        await turn()
        gone.cancel()
        await add(store, "a/2")
        assert ids(store) == ["a/1", "a/2"]


async def test_a_fault_in_one_change_harms_that_one_only(path: Path) -> None:
    class Broken(AddFavorite):
        def apply(self, favorites: Favorites) -> Favorites:
            raise RuntimeError("no")

    async with opened(path) as store:
        wrong, right = await asyncio.gather(
            store.edit(FavoritesChange(NAMES, Broken("a/1", 1.0))),
            store.edit(adding("a/1")),
            return_exceptions=True,
        )
        assert isinstance(wrong, RuntimeError)
        assert isinstance(right, Favorites)


async def test_another_process_that_wrote_to_the_file_is_not_overwritten(path: Path) -> None:
    async with opened(path) as one, opened(path) as other:
        await add(one, "a/1")
        await add(other, "a/2")
        await add(one, "a/3")
        assert ids(one) == ["a/1", "a/2", "a/3"]
        assert one.favorites.version == 3


async def test_a_file_is_read_again_soon_after_another_process_wrote_and_seldom_otherwise(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_state, "WATCH_SECONDS", 0.005)
    monkeypatch.setattr(local_state, "RETRY_ROUNDS", 10**9)
    rounds: list[str] = []
    async with opened(path) as one, opened(path) as other:
        catch_up, stamp = Database.catch_up, local_state.stamp

        def counted_catch_up(database: Database) -> None:
            rounds.append("read")
            catch_up(database)

        def counted_stamp(files: Iterable[Path]) -> object:
            rounds.append("stat")
            return stamp(files)

        monkeypatch.setattr(Database, "catch_up", counted_catch_up)
        monkeypatch.setattr(local_state, "stamp", counted_stamp)
        watching = asyncio.create_task(one.watch())
        for number in range(3):
            await add(other, f"a/{number}")
            await until(lambda: ids(one) == ids(other))
            rounds.clear()
            await until(lambda: rounds.count("stat") >= 40)
            assert rounds.count("read") <= 20
        watching.cancel()


@pytest.mark.parametrize("operations", [40, pytest.param(200, marks=pytest.mark.slow)])
async def test_fault_30_fifty_writers_lose_no_acknowledged_write(path: Path, operations: int) -> None:
    """50 writers on 20 favorites each; every version is given once, and only grows."""
    told: list[int] = []

    async def write(store: Store, writer: int) -> tuple[set[str], list[int]]:
        mine: set[str] = set()
        versions: list[int] = []
        chance = random.Random(writer)
        for _ in range(operations):
            id = f"m{writer}/{chance.randrange(20)}"
            before = store.favorites.version
            if id in mine:
                now = await store.edit(removing(id))
                mine.remove(id)
            else:
                now = await store.edit(adding(id))
                mine.add(id)
            assert now.version > before
            assert {item.id for item in now.items if item.id.startswith(f"m{writer}/")} == mine
            versions.append(now.version)
        return mine, versions

    async with opened(path, told.append) as store:
        results = await asyncio.gather(*(write(store, writer) for writer in range(50)))
    versions = sorted(version for _, given in results for version in given)
    assert versions == list(range(1, 50 * operations + 1))
    assert told == sorted(told)
    assert told[-1] == 50 * operations
    async with opened(path) as store:
        assert set(ids(store)) == set.union(*(mine for mine, _ in results))
        assert store.favorites.version == 50 * operations


WRITER = """
import asyncio, json, sys
from pathlib import Path
from fleet_runtime.catalog.favorites import AddFavorite, FavoritesChange, RemoveFavorite
from fleet_runtime.store.store import Store

async def write():
    store = Store(Path(sys.argv[1]))
    store.open()
    start = store.favorites.version

    async def one(writer):
        for number in range(1000000):
            id = f"m{writer}/{start}-{number // 2}"
            removes = number % 2 and writer == 0
            command = RemoveFavorite(frozenset({id})) if removes else AddFavorite(id, 1.0)
            now = await store.edit(FavoritesChange({}, command))
            print(json.dumps([now.version, [item.id for item in now.items]]), flush=True)

    await asyncio.gather(*(one(writer) for writer in range(3)))

asyncio.run(write())
"""


@pytest.mark.parametrize("rounds", [10, pytest.param(100, marks=pytest.mark.slow)])
async def test_fault_30_killed_while_writing(path: Path, rounds: int) -> None:
    """kill -9 at any moment: every acknowledged write is there, and the file is sound."""
    chance = random.Random(rounds)
    for _ in range(rounds):
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(chance.randrange(1, 40))]
        process.send_signal(signal.SIGKILL)
        lines += process.stdout.read().splitlines(keepends=True)
        process.stdout.close()
        process.wait()
        version, known = json.loads([line for line in lines if line.endswith(b"\n")][-1])
        async with opened(path) as store:
            assert not fault(store)
            assert store.favorites.version >= version
            # what was under way may have been kept too, one change for each of three writers
            assert len(set(known) ^ set(ids(store))) <= 3
        with contextlib.closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.parametrize("damage", ["text", "head", "middle", "short"])
async def test_fault_30_a_damaged_file_is_kept_aside_and_a_new_one_serves(path: Path, damage: str) -> None:
    async with opened(path) as store:
        await add(store, *(f"a/{number}" for number in range(200)))
        version = store.favorites.version
    whole = path.read_bytes()
    damaged = {
        "text": b"these are not the favorites you are looking for" * 100,
        "head": b"\xff" * 100 + whole[100:],
        "middle": whole[:4096] + b"\xff" * (len(whole) - 4096),
        "short": whole[: len(whole) // 2],
    }[damage]
    path.write_bytes(damaged)
    async with opened(path) as store:
        aside = path.with_name("state.db.damaged-1")
        assert aside.read_bytes() == damaged
        assert str(aside) in fault(store)
        assert store.favorites.version >= version
        await add(store, "b/1")
        kept = store.favorites
    async with opened(path) as store:
        assert store.favorites == kept
        assert not fault(store)


async def test_fault_30_a_damaged_page_elsewhere_loses_no_favorite(path: Path) -> None:
    async with opened(path) as store:
        await add(store, "a/1", "a/2")
        for number in range(20):
            await store.record_status("a", "online", "x" * 2000, float(number))
        before = store.favorites
    with contextlib.closing(sqlite3.connect(path)) as connection:
        (page,) = connection.execute(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'status_history'"
        ).fetchone()
    data = bytearray(path.read_bytes())
    data[(page - 1) * 4096 : page * 4096] = b"\xff" * 4096
    path.write_bytes(data)
    async with opened(path) as store:
        assert store.favorites == before
        assert "rescued 2 favorites" in fault(store)


async def test_fault_30_a_file_damaged_under_the_running_gateway_is_written_again(path: Path) -> None:
    async with opened(path) as store:
        await add(store, "a/1", "a/2")
        for file in path.parent.iterdir():
            file.write_bytes(b"\x00garbage" * 4096)
        await add(store, "a/3")
        assert ids(store) == ["a/1", "a/2", "a/3"]
        assert fault(store)
    async with opened(path) as store:
        assert ids(store) == ["a/1", "a/2", "a/3"]


async def test_every_damaged_file_is_kept(path: Path) -> None:
    for _ in range(3):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"garbage" * 1000)
        async with opened(path):
            pass
    assert sorted(file.name for file in path.parent.glob("*damaged-?")) == [
        "state.db.damaged-1",
        "state.db.damaged-2",
        "state.db.damaged-3",
    ]


async def test_a_file_removed_under_the_running_gateway_is_written_again(path: Path) -> None:
    async with opened(path) as store:
        await add(store, "a/1")
        shutil.rmtree(path.parent)
        await add(store, "a/2")
    async with opened(path) as store:
        assert ids(store) == ["a/1", "a/2"]


async def test_a_file_removed_while_it_could_not_be_written_is_written_again(path: Path) -> None:
    async with opened(path) as store:
        await add(store, "a/1")
        shutil.rmtree(path.parent)
        path.parent.write_text("in the way")
        with pytest.raises(StoreUnavailableError):
            await add(store, "a/2")
        assert ids(store) == ["a/1"]
        path.parent.unlink()
        await add(store, "a/3")
        assert (ids(store), fault(store)) == (["a/1", "a/3"], "")
    async with opened(path) as store:
        assert ids(store) == ["a/1", "a/3"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KB, where this process may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this process may not mount a file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


async def test_fault_30_a_full_disk_loses_nothing_and_is_left_behind(small_disk: Path) -> None:
    """Writes are rejected while the disk is full, reads go on, and writes go on when there is room."""
    path = small_disk / "state.db"
    async with opened(path) as store:
        await add(store, "a/1", "a/2")
        filler = small_disk / "filler"
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"x" * 1024)
        with pytest.raises(StoreUnavailableError, match="full"):
            await add(store, *(f"b/{number}-{'x' * 400}" for number in range(200)))
        held = ids(store)
        assert held[:2] == ["a/1", "a/2"]
        assert "full" in fault(store)
        await store.history()
        assert fault(store)
        filler.unlink()
        await add(store, "c/1")
        assert not fault(store)
        assert ids(store) == [*held, "c/1"]
    async with opened(path) as store:
        assert ids(store) == [*held, "c/1"]


async def test_fault_30_a_file_that_may_not_grow(path: Path) -> None:
    """The same as a full disk, for those who may not mount one: no file may pass 1 MB for a while."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    async with opened(path) as store:
        await add(store, "a/1")
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
        try:
            with pytest.raises(StoreUnavailableError):
                await add(store, *(f"b/{number}" for number in range(1000)))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        held = ids(store)
        assert held[0] == "a/1"
        assert fault(store)
        await add(store, "c/1")
        assert not fault(store)
    async with opened(path) as store:
        assert ids(store) == [*held, "c/1"]


async def test_fault_30_a_disk_that_is_full_from_the_start(small_disk: Path) -> None:
    with (small_disk / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 1024)
    async with opened(small_disk / "state.db") as store:
        assert store.favorites == Favorites()
        assert fault(store)
        with pytest.raises(StoreUnavailableError):
            await add(store, "a/1")
        (small_disk / "filler").unlink()
        await add(store, "a/1")
        assert not fault(store)


async def test_fault_30_a_read_only_folder_shows_what_it_holds(small_disk: Path) -> None:
    path = small_disk / "state.db"
    async with opened(path) as store:
        await add(store, "a/1")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    async with opened(path) as store:
        assert ids(store) == ["a/1"]
        assert fault(store)
        with pytest.raises(StoreUnavailableError):
            await add(store, "a/2")
        assert ids(store) == ["a/1"]
        subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
        await add(store, "a/3")
        assert ids(store) == ["a/1", "a/3"]
        assert not fault(store)


async def test_fault_30_a_read_only_folder_without_a_file(small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    async with opened(small_disk / "deep" / "state.db") as store:
        assert store.favorites == Favorites()
        assert fault(store)
        assert await store.history() == ()


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for root")
async def test_fault_30_a_folder_without_the_right_to_write(path: Path) -> None:
    async with opened(path) as store:
        await add(store, "a/1")
    path.chmod(0o400)
    path.parent.chmod(0o500)
    async with opened(path) as store:
        assert ids(store) == ["a/1"]
        assert fault(store)
        with pytest.raises(StoreUnavailableError):
            await add(store, "a/2")
    path.parent.chmod(0o700)


async def test_a_folder_in_the_place_of_the_file_does_not_stop_the_gateway(path: Path) -> None:
    path.mkdir(parents=True)
    async with opened(path) as store:
        assert str(path) in fault(store)
        with pytest.raises(StoreUnavailableError):
            await add(store, "a/1")


async def test_a_file_of_a_newer_version_is_left_as_it_is(path: Path) -> None:
    async with opened(path) as store:
        await add(store, "a/1")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    async with opened(path) as store:
        assert "newer version" in fault(store)
        assert ids(store) == ["a/1"]
        with pytest.raises(StoreUnavailableError):
            await add(store, "a/2")


async def test_a_locked_file_is_waited_for(path: Path) -> None:
    async with opened(path) as store:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            writing = asyncio.ensure_future(store.edit(adding("a/1")))
            done, _ = await asyncio.wait((writing,), timeout=0.05)
            assert not done
            other.execute("COMMIT")
            assert (await writing).version == 1


async def test_the_history_is_newest_first_by_provider_and_bounded(path: Path) -> None:
    async with opened(path) as store:
        for number in range(HISTORY_ROWS // 100):
            await store.record_status("a", "online" if number % 2 else "offline", None, float(number))
        await store.record_status("b", "offline", "it does not answer", 1e6)
        assert await store.history(limit=1) == (StatusChange("b", "offline", "it does not answer", 1e6),)
        assert [change.at for change in await store.history(("a",), 2)] == [99.0, 98.0]
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        rows = [("old", "online", None, 0.0)] * HISTORY_ROWS
        connection.executemany(
            "INSERT INTO status_history (provider, status, reason, at) VALUES (?, ?, ?, ?)", rows
        )
    async with opened(path) as store:
        await store.record_status("a", "online", None, 2e6)
        assert len(await store.history(limit=10**6)) == HISTORY_ROWS


async def test_the_history_follows_the_events(path: Path) -> None:
    events = EventLog()
    async with opened(path) as store:
        feed = asyncio.ensure_future(keep_history(store, events.follow(), lambda: 5.0))
        await turn()
        events.publish(
            ProviderChange(provider="a", status="offline", was="online", reason="gone", reason_code=None)
        )
        events.publish(FavoritesVersion(version=1))
        async with asyncio.timeout(5):
            while not (history := await store.history()):
                await turn()
        feed.cancel()
        assert history == (StatusChange("a", "offline", "gone", 5.0),)
