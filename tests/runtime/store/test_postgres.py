"""The state in PostgreSQL: shared, never lost once acknowledged, and away without harm (a real server)."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import signal
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from fleet_runtime.artifacts.gateway_parts import DatabaseReference
from fleet_runtime.catalog.favorites import AddFavorite, Favorites, FavoritesChange, RemoveFavorite
from fleet_runtime.store.postgres import READ_SECONDS, PostgresState
from fleet_runtime.store.postgres_url import DatabaseUrl, failure_reason, shown_url
from fleet_runtime.store.rows import StatusChange
from fleet_runtime.store.store import Store, StoreUnavailableError
from fleet_runtime.tasks import end_tasks
from tests.support.postgres import PostgresServer, pgbouncer, postgres_server
from tests.support.waiting import until

pytestmark = pytest.mark.anyio
NAMES = itertools.count()


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


@pytest.fixture
def url(server: PostgresServer) -> str:
    """The URL of a new database."""
    name = f"state{next(NAMES)}"
    assert server.sql(f"CREATE DATABASE {name}").returncode == 0
    return server.url(name)


@contextlib.asynccontextmanager
async def gateway(url: str, folder: Path, *, connected: bool = True) -> AsyncIterator[Store]:
    """The store of one gateway; `told` notes the versions that it reported."""
    reference = DatabaseReference(env="STATE")
    shared = PostgresState(DatabaseUrl(reference, folder, {"STATE": url}), "test")
    store = Store(folder / f"{next(NAMES)}.db", gateway=f"g{next(NAMES)}", shared=shared)
    store.open()
    watching = asyncio.create_task(store.watch())
    try:
        if connected:
            await until(lambda: store.status.up)
        yield store
    finally:
        await end_tasks([watching])
        await store.close()


def adding(id: str) -> FavoritesChange:
    return FavoritesChange({}, AddFavorite(id, 1.5))


def removing(id: str) -> FavoritesChange:
    return FavoritesChange({}, RemoveFavorite(frozenset({id})))


def ids(favorites: Favorites) -> list[str]:
    return [item.id for item in favorites.items]


async def test_a_change_is_on_the_other_gateway_before_its_next_read(url: str, tmp_path: Path) -> None:
    async with gateway(url, tmp_path) as one, gateway(url, tmp_path) as other:
        await one.edit(adding("a/ü☃"))
        await until(lambda: other.favorites == one.favorites, READ_SECONDS - 1)
        await other.edit(adding("a/2"))
        await one.edit(removing("a/ü☃"))
        assert (ids(one.favorites), one.favorites.version) == (["a/2"], 3)
        assert one.status.where == shown_url(url)
        assert "canary" not in repr(one) + str(one.status)
    async with gateway(url, tmp_path) as again:
        assert ids(again.favorites) == ["a/2"]


async def test_a_change_for_another_list_is_rejected(url: str, tmp_path: Path) -> None:
    async with gateway(url, tmp_path) as one, gateway(url, tmp_path) as other:
        expected = frozenset({one.favorites.tag})
        edits = (
            store.edit(FavoritesChange({}, AddFavorite(f"a/{n}", 1.0), expected))
            for n, store in enumerate((one, other))
        )
        outcomes = await asyncio.gather(*edits, return_exceptions=True)
        assert sum(isinstance(outcome, Favorites) for outcome in outcomes) == 1


async def test_the_history_is_shared_and_names_the_gateway(url: str, tmp_path: Path) -> None:
    async with gateway(url, tmp_path) as one, gateway(url, tmp_path) as other:
        await one.record_status("a", "offline", "it is off", 1.0)
        await other.record_status("b", "online", None, 2.0)
        newest, older = await one.history()
        assert (newest.provider, newest.status, older.reason) == ("b", "online", "it is off")
        assert newest.gateway != older.gateway
        assert await other.history(("a",), 1) == (older,)


async def test_through_pgbouncer_a_change_arrives_within_six_seconds(
    server: PostgresServer, url: str, tmp_path: Path
) -> None:
    database = url.rpartition("/")[2]
    with pgbouncer(server) as port:
        pooled = server.url(database, port)
        async with gateway(pooled, tmp_path) as one, gateway(pooled, tmp_path) as other:
            for number in range(20):
                await one.edit(adding(f"a/{number}"))
            await one.record_status("a", "online", None, 1.0)
            async with asyncio.timeout(6):
                await until(lambda: other.favorites == one.favorites)
            assert len(await other.history()) == 1


async def test_gateways_that_start_together_make_the_tables_once(url: str, tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as stack:
        starting = [stack.enter_async_context(gateway(url, tmp_path)) for _ in range(6)]
        stores = await asyncio.gather(*starting)
        assert {store.favorites.tag for store in stores} == {stores[0].favorites.tag}


@pytest.mark.parametrize("operations", [20, pytest.param(200, marks=pytest.mark.slow)])
async def test_fifty_writers_over_two_gateways_lose_nothing_while_the_server_is_killed_twice(
    server: PostgresServer, url: str, tmp_path: Path, operations: int
) -> None:
    done = itertools.count()

    async def write(store: Store, writer: int) -> tuple[set[str], set[str], list[int]]:
        """Return the favorites that were acknowledged, those that may be there, and the versions."""
        known: set[str] = set()
        doubtful: set[str] = set()
        versions: list[int] = []
        chance = random.Random(writer)
        for _ in range(operations):
            id = f"m{writer}/{chance.randrange(15)}"
            try:
                now = await store.edit(removing(id) if id in known else adding(id))
            except StoreUnavailableError:
                doubtful.add(id)
                await until(lambda: store.status.up, 30)
                continue
            doubtful.discard(id)
            known = {each for each in ids(now) if each.startswith(f"m{writer}/")}
            versions.append(now.version)
            next(done)
        return known, doubtful, versions

    async with gateway(url, tmp_path) as one, gateway(url, tmp_path) as other:
        writing = [asyncio.create_task(write((one, other)[n % 2], n)) for n in range(50)]
        for share in (3, 2):
            goal = next(done) + 50 * operations // (share * 2)
            await until(partial(_is_reached, done, goal, writing), 60)
            server.kill()
            await until(lambda: not one.status.up)
            server.start()
        results = await asyncio.gather(*writing)
        await until(lambda: one.favorites == other.favorites)
        present = set(ids(one.favorites))
        for writer, (known, doubtful, versions) in enumerate(results):
            mine = {id for id in present if id.startswith(f"m{writer}/")}
            assert mine ^ known <= doubtful
            assert versions == sorted(set(versions))


def _is_reached(done: itertools.count[int], goal: int, tasks: Iterable[asyncio.Task[Any]]) -> bool:
    return next(done) > goal or all(task.done() for task in tasks)


async def test_a_stopped_server_is_noticed_within_three_seconds_and_used_again_by_itself(
    server: PostgresServer, url: str, tmp_path: Path
) -> None:
    async with gateway(url, tmp_path) as store:
        await store.edit(adding("a/1"))
        server.signal_all(signal.SIGSTOP)
        try:
            began = time.monotonic()
            with pytest.raises(StoreUnavailableError, match="no response in time"):
                await store.edit(adding("a/2"))
            assert time.monotonic() - began < 3
            began = time.monotonic()
            with pytest.raises(StoreUnavailableError):
                await store.edit(adding("a/2"))
            assert time.monotonic() - began < 3
            assert (ids(store.favorites), store.status.up) == (["a/1"], False)
            await store.record_status("a", "offline", "while away", 1.0)
            assert await store.history() == ()
        finally:
            server.signal_all(signal.SIGCONT)
        await until(lambda: store.status.up, 15)
        assert store.status.reason is None
        await store.edit(adding("a/3"))
        assert [change.reason for change in await store.history()] == ["while away"]


async def test_a_gateway_starts_without_its_database_and_has_it_later(
    server: PostgresServer, url: str, tmp_path: Path
) -> None:
    server.kill()
    async with gateway(url, tmp_path, connected=False) as store:
        with pytest.raises(StoreUnavailableError, match="connection refused"):
            await store.edit(adding("a/1"))
        assert store.favorites == Favorites()
        server.start()
        await until(lambda: store.status.up, 15)
        assert (await store.edit(adding("a/1"))).version == 1


@pytest.mark.parametrize(
    ("broken", "reason", "remedy"),
    [
        ("canary-password@", "password authentication failed", '`psql "$STATE"` must connect'),
        ("127.0.0.1:", "connection refused", "`pg_isready --dbname=postgresql://127.0.0.2:"),
        ("/state", "does not exist", "`createdb "),
    ],
)
async def test_the_reason_why_the_database_is_unavailable_has_no_password(
    url: str, tmp_path: Path, broken: str, reason: str, remedy: str
) -> None:
    changes = {"canary-password@": "canary-wrong@", "127.0.0.1:": "127.0.0.2:", "/state": "/nothing"}
    async with gateway(url.replace(broken, changes[broken]), tmp_path, connected=False) as store:
        await until(lambda: reason in (store.fault or ""))
        assert (store.status.remedy or "").startswith(remedy)
        assert "canary" not in f"{store.fault}{store.status}"


async def test_a_user_without_the_right_to_create_tables_gets_the_remedy(
    server: PostgresServer, url: str, tmp_path: Path
) -> None:
    database = url.rpartition("/")[2]
    assert server.sql("CREATE ROLE guest LOGIN PASSWORD 'canary-guest'").returncode == 0
    guest = url.replace("fleet:canary-password", "guest:canary-guest")
    async with gateway(guest, tmp_path, connected=False) as store:
        await until(lambda: "permission denied" in (store.fault or ""))
        assert "OWNER TO" in (store.status.remedy or "")
        assert server.sql(f"ALTER DATABASE {database} OWNER TO guest").returncode == 0
        await until(lambda: store.status.up)
        assert store.status.remedy is None


async def test_a_list_that_somebody_deleted_begins_again(
    server: PostgresServer, url: str, tmp_path: Path
) -> None:
    async with gateway(url, tmp_path) as store:
        before = await store.edit(adding("a/1"))
        deleted = "DELETE FROM favorite_list; DELETE FROM favorite"
        assert server.sql(deleted, url.rpartition("/")[2]).returncode == 0
        with pytest.raises(StoreUnavailableError, match="the list of favorites was deleted"):
            await store.edit(adding("a/2"))
        await until(lambda: store.status.up)
        after = await store.edit(adding("a/3"))
        assert (ids(after), after.run != before.run) == (["a/3"], True)


def test_a_url_is_read_from_its_variable_or_file_and_nothing_else_is_taken_for_one(tmp_path: Path) -> None:
    good = "postgresql://fleet:canary@db/fleet"
    (tmp_path / "url").write_text(f"{good}\n")
    assert DatabaseUrl(DatabaseReference(env="STATE"), tmp_path, {"STATE": good}).read() == good
    assert DatabaseUrl(DatabaseReference(file="url"), tmp_path, {}).read() == good
    for reference, environ in (
        (DatabaseReference(env="STATE"), {}),
        (DatabaseReference(env="STATE"), {"STATE": "mysql://canary@db"}),
        (DatabaseReference(env="STATE"), {"STATE": "postgresql://[canary"}),
        (DatabaseReference(file="missing"), {}),
        *(
            (DatabaseReference(env="STATE"), {"STATE": f"postgresql://fleet:{password}@db:5432/fleet"})
            for password in ("can/ary", "can?ary", "can#ary", "1/canary", "a@c/canary", "a@c?canary")
        ),
        (DatabaseReference(env="STATE"), {"STATE": "postgresql://db:canary/fleet"}),
    ):
        with pytest.raises(StoreUnavailableError) as caught:
            DatabaseUrl(reference, tmp_path, environ).read()
        assert "can" not in f"{caught.value}{caught.value.remedy}".replace("cannot", "")
        assert "`" in (caught.value.remedy or "")
    assert failure_reason(ValueError("canary")).startswith("ValueError; its URL must be")
    assert failure_reason(asyncpg.InternalClientError("canary")) == "the connection was lost"


def test_of_a_url_only_hosts_and_database_are_shown() -> None:
    hosts = "db:5432,[fd00::1]:5433,other"
    assert (
        shown_url(f"postgres://fleet:a%2Fb@c@{hosts}/fleet?password=canary") == f"postgresql://{hosts}/fleet"
    )
    assert shown_url("postgresql:///fleet?host=/run/postgresql") == "postgresql:///fleet"


async def test_a_row_that_is_not_a_favorite_hides_no_other(
    url: str, server: PostgresServer, tmp_path: Path
) -> None:
    async with gateway(url, tmp_path) as store:
        await store.edit(adding("a/1"))
    insert = "INSERT INTO favorite VALUES ('default', '', -1, 'NaN'); UPDATE favorite_list SET version = 9"
    assert server.sql(insert, url.rpartition("/")[2]).returncode == 0
    async with gateway(url, tmp_path) as store:
        assert (ids(store.favorites), store.favorites.version) == (["a/1"], 9)
        await store.record_status("a", "online", None, 1.0)
        assert (await store.history())[0] == StatusChange(
            "a", "online", None, 1.0, (await store.history())[0].gateway
        )
