"""The tables of the state file: what an older file gets, and what the version before it still reads."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fleet_runtime.catalog.favorites import AddFavorite, FavoritesChange, RemoveFavorite
from fleet_runtime.store import schema
from fleet_runtime.store.rows import StatusChange
from fleet_runtime.store.schema import ADDITIONS, Addition
from fleet_runtime.store.store import Store
from tests.support.previous_state import previous_state

pytestmark = pytest.mark.anyio


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@contextlib.asynccontextmanager
async def opened(path: Path, gateway: str | None = None) -> AsyncIterator[Store]:
    store = Store(path, gateway=gateway)
    store.open()
    try:
        yield store
    finally:
        await store.close()


async def add(store: Store, *ids: str) -> None:
    for id in ids:
        await store.edit(FavoritesChange({}, AddFavorite(id, 1.0)))


def ids(store: Store) -> list[str]:
    return [item.id for item in store.favorites.items]


def test_the_additions_are_those_that_this_page_knows() -> None:
    names = [addition.name for addition in ADDITIONS]
    assert names == ["favorites_by_list", "old_name", "activity", "series", "key_use"]


async def test_a_file_of_the_previous_version_can_go_back_to_it_with_every_change(
    path: Path,
) -> None:
    with previous_state(path) as before:
        before.add("a/1", 1.0)
        before.add("a/2", 2.0)
        before.record("a", "online", None, 3.0)
    async with opened(path, "box:8400") as store:
        assert (ids(store), store.favorites.version, store.fault) == (["a/1", "a/2"], 2, None)
        assert await store.history() == (StatusChange("a", "online", None, 3.0),)
        run = store.favorites.run
        await add(store, "a/3")
        await store.edit(FavoritesChange({}, RemoveFavorite(frozenset({"a/1"}))))
        await store.record_status("a", "offline", "it is off", 4.0)
        assert (await store.history())[0] == StatusChange("a", "offline", "it is off", 4.0, "box:8400")

    with previous_state(path) as rolled_back:
        assert (rolled_back.favorites, rolled_back.version) == (["a/2", "a/3"], 4)
        assert rolled_back.history == [("a", "offline", "it is off", 4.0), ("a", "online", None, 3.0)]
        rolled_back.add("b/1", 5.0)
        rolled_back.record("a", "online", None, 6.0)

    async with opened(path) as again:
        assert (ids(again), again.fault) == (["a/2", "a/3", "b/1"], None)
        assert again.favorites.tag == f"{run}-5"
        assert (await again.history())[0] == StatusChange("a", "online", None, 6.0)


async def test_an_older_file_is_backed_up_once_before_its_tables_change(path: Path) -> None:
    with previous_state(path) as before:
        before.add("a/1", 1.0)
    old = path.read_bytes()
    for _ in range(2):
        async with opened(path) as store:
            await add(store, "a/2")
    others = sorted(file.name for file in path.parent.iterdir() if file.name != path.name)
    assert others == ["state.db.backup-1"]
    with previous_state(path.with_name("state.db.backup-1")) as backup:
        assert backup.favorites == ["a/1"]
    path.write_bytes(old)
    async with opened(path):
        assert path.with_name("state.db.backup-2").exists()


async def test_a_new_file_needs_no_backup(path: Path) -> None:
    async with opened(path) as store:
        assert not store.fault
    assert [file.name for file in path.parent.iterdir()] == [path.name]


async def test_an_unknown_addition_of_a_newer_version_is_left_alone(path: Path) -> None:
    async with opened(path) as store:
        await add(store, "a/1")
    with contextlib.closing(sqlite3.connect(path)) as newer, newer:
        newer.execute("CREATE TABLE later (what TEXT)")
        newer.execute("INSERT INTO later VALUES ('kept')")
        newer.execute("INSERT INTO additions VALUES ('later', 1.0)")
    async with opened(path) as store:
        await add(store, "a/2")
        assert (ids(store), store.fault) == (["a/1", "a/2"], None)
        kept = await store.read(lambda connection: connection.execute("SELECT what FROM later").fetchall())
    assert kept == [("kept",)]


async def test_a_table_that_is_added_is_there_in_old_and_new_files(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(path) as store:
        await add(store, "a/1")
    statement = "CREATE TABLE sight (name TEXT PRIMARY KEY, at REAL NOT NULL)"
    monkeypatch.setattr(schema, "ADDITIONS", (*ADDITIONS, Addition("sights", (statement,))))
    for file in (path, path.with_name("new.db")):
        async with opened(file) as store:
            await store.write(lambda to: to.execute("INSERT INTO sight VALUES ('owl', 1.0)"))
            assert await store.read(lambda of: of.execute("SELECT * FROM sight").fetchall()) == [("owl", 1.0)]
            assert not store.fault
    with previous_state(path) as before:
        assert before.favorites == ["a/1"]


async def test_two_files_never_have_the_same_tag(path: Path) -> None:
    tags = set()
    for name in ("one.db", "two.db"):
        async with opened(path.with_name(name)) as store:
            await add(store, "a/1")
            tags.add(store.favorites.tag)
    assert len(tags) == 2


async def test_what_another_process_commits_is_reported(path: Path) -> None:
    told = asyncio.Event()
    reader = Store(path, lambda version: told.set())
    reader.open()
    watching = asyncio.create_task(reader.watch())
    async with opened(path) as writer:
        await add(writer, "a/1")
        async with asyncio.timeout(10):
            await told.wait()
        assert reader.favorites == writer.favorites
        told.clear()
        with previous_state(path) as older:
            older.add("a/2", 2.0)
        async with asyncio.timeout(10):
            await told.wait()
        assert ids(reader) == ["a/1", "a/2"]
    watching.cancel()
    await reader.close()
