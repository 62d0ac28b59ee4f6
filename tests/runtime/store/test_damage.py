"""A state file that SQLite or fleet cannot read is set aside; its good rows, and the gateway, live on."""

from __future__ import annotations

import contextlib
import os
import random
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import astuple
from pathlib import Path

import pytest

from fleet_runtime.catalog.favorites import AddFavorite, FavoritesChange
from fleet_runtime.store import sqlite
from fleet_runtime.store.backend import StoreUnavailableError
from fleet_runtime.store.rows import StatusChange, parse_favorite, parse_status_change
from fleet_runtime.store.schema import DamagedStateError, bounded
from fleet_runtime.store.sqlite import HISTORY_ROWS, TRIMMED_ROWS, Database
from fleet_runtime.text import count

HISTORY = [StatusChange("a", "online", None, 1.0), StatusChange("a", "offline", "it is off", 2.0)]
IDS = ["a/1", "a/2", "a/3"]


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Database]:
    database = Database(path)
    database.open()
    try:
        yield database
    finally:
        database.close()


def add(database: Database, *ids: str) -> None:
    outcomes = database.edit([FavoritesChange({}, AddFavorite(id, 1.0)) for id in ids])
    assert not any(isinstance(outcome, Exception) for outcome in outcomes)


def ids(database: Database) -> list[str]:
    return [item.id for item in database.favorites.items]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A state file with `IDS`, at version 3, and `HISTORY`."""
    path = tmp_path / "state.db"
    with opened(path) as database:
        for id in IDS:
            add(database, id)
        for change in HISTORY:
            database.record(change)
    return path


def run(path: Path, *statements: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


FAVORITES_DAMAGE = [
    ("UPDATE {table} SET added_at = 'soon' WHERE id = 'a/2'", IDS),
    ("UPDATE {table} SET added_at = 1e300 WHERE id = 'a/2'", IDS),
    ("UPDATE {table} SET added_at = -1 WHERE id = 'a/2'", IDS),
    ("UPDATE {table} SET position = 0", IDS),
    ("UPDATE {table} SET position = 'first' WHERE id = 'a/1'", ["a/2", "a/3", "a/1"]),
    ("UPDATE {table} SET added_at = x'00' WHERE id = 'a/2'", IDS),
    ("UPDATE {table} SET id = x'00ff' WHERE id = 'a/2'", ["a/1", "a/3"]),
    ("UPDATE {table} SET id = CAST(x'612f32ff' AS TEXT) WHERE id = 'a/2'", ["a/1", "a/3"]),
    ("UPDATE {table} SET id = '' WHERE id = 'a/2'", ["a/1", "a/3"]),
    ("UPDATE {table} SET id = 'a/' || char(27) WHERE id = 'a/2'", ["a/1", "a/3"]),
    ("DROP TABLE {table}", []),
    ("ALTER TABLE {table} RENAME COLUMN added_at TO added", IDS),
]
"""Statements for a table of favorites, and what is left if both tables have the damage."""

TABLES = ("favorite", "favorites")

OTHER_DAMAGE = [
    "UPDATE favorite_list SET version = 'seven'",
    "UPDATE favorite_list SET run = '\"; x'",
    "DELETE FROM favorite_list",
    "DELETE FROM favorites_version",
    "INSERT INTO favorites_version VALUES (7)",
    "UPDATE favorites_version SET version = 'seven'",
    "UPDATE favorites_version SET version = -1",
    "UPDATE favorites_version SET version = 9223372036854775807",
    "DROP TABLE favorites_version",
    "DROP TABLE favorite_list",
    "DROP TABLE status_history",
    "UPDATE status_history SET at = 'then' WHERE number = 2",
    "UPDATE status_history SET status = x'ff' WHERE number = 2",
    "UPDATE status_history SET gateway = x'ff' WHERE number = 2",
    "UPDATE status_history SET reason = CAST(x'ff' AS TEXT) WHERE number = 2",
    "CREATE TRIGGER no BEFORE UPDATE ON favorites_version BEGIN SELECT RAISE(ABORT, 'no'); END",
    "CREATE TRIGGER no BEFORE INSERT ON favorite BEGIN SELECT RAISE(IGNORE); END",
    "CREATE TRIGGER no AFTER INSERT ON favorites BEGIN DELETE FROM favorites; END",
    "CREATE VIEW more AS SELECT * FROM favorite",
    "PRAGMA user_version = -1",
    "DELETE FROM additions",
]


def check_rescue(path: Path, kept: list[str]) -> None:
    with opened(path) as database:
        assert ids(database) == kept
        assert database.fault is not None
        assert f"rescued {count(len(kept), 'favorite')} and" in database.fault
        assert path.with_name("state.db.damaged-1").exists()
        assert database.favorites.version >= 3
        add(database, "b/1")
        assert all(isinstance(change.at, float) for change in database.history(None, 10))
    with opened(path) as database:
        assert ids(database) == [*kept, "b/1"]
        assert database.fault is None


@pytest.mark.parametrize(("statement", "kept"), FAVORITES_DAMAGE)
def test_damaged_favorites_are_set_aside_with_the_good_rows_rescued(
    path: Path, statement: str, kept: list[str]
) -> None:
    run(path, *(statement.replace("{table}", table) for table in TABLES))
    check_rescue(path, kept)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("statement", [statement for statement, _ in FAVORITES_DAMAGE])
def test_favorites_that_one_table_has_lost_are_rescued_from_the_other(
    path: Path, statement: str, table: str
) -> None:
    run(path, statement.replace("{table}", table))
    check_rescue(path, IDS)


@pytest.mark.parametrize("statement", OTHER_DAMAGE)
def test_what_fleet_cannot_read_is_set_aside_and_no_favorite_is_lost(path: Path, statement: str) -> None:
    run(path, statement)
    check_rescue(path, IDS)


ENDLESS = "AS WITH RECURSIVE e(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM e) SELECT "


@pytest.mark.parametrize(
    ("table", "columns", "kept"),
    [
        ("favorites", "n AS position, 'a/' || n AS id, 1.0 AS added_at FROM e", IDS),
        ("favorite", "'default' AS list, 'a/' || n AS id, n AS position, 1.0 AS added_at FROM e", IDS),
        ("favorites_version", "n AS version FROM e WHERE n < 0", IDS),
        (
            "status_history",
            "n AS number, 'a' AS provider, 'on' AS status, '' AS reason, 1.0 AS at FROM e",
            IDS,
        ),
    ],
)
def test_an_endless_view_in_the_place_of_a_table_is_set_aside_unread(
    path: Path, table: str, columns: str, kept: list[str]
) -> None:
    run(path, f"DROP TABLE {table}", f"CREATE VIEW {table} {ENDLESS}{columns}")
    with opened(path) as database:
        assert "was damaged" in (database.fault or "")
        assert ids(database) == kept
        add(database, "b/1")
        assert ids(database) == [*kept, "b/1"]


def fill_history(path: Path, count: int) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany(
            "INSERT INTO status_history (provider, status, at) VALUES ('a', 'online', ?)",
            ((float(number),) for number in range(count)),
        )


def test_of_a_very_long_history_the_newest_entries_are_read(path: Path) -> None:
    fill_history(path, 3 * HISTORY_ROWS)
    run(path, "UPDATE status_history SET at = 'then' WHERE number = 1")
    with opened(path) as database:
        assert database.fault is None
        changes = database.history(None, 10 * HISTORY_ROWS)
    assert len(changes) == HISTORY_ROWS
    assert changes[0].at == 3 * HISTORY_ROWS - 1


def test_of_a_very_long_history_that_is_damaged_the_newest_entries_are_rescued(path: Path) -> None:
    fill_history(path, 2 * HISTORY_ROWS)
    run(path, "DELETE FROM favorites_version")
    with opened(path) as database:
        assert database.history(None, 1)[0].at == 2 * HISTORY_ROWS - 1


def test_one_new_entry_removes_a_bounded_number_of_old_ones(path: Path) -> None:
    fill_history(path, HISTORY_ROWS + 3 * TRIMMED_ROWS)
    with opened(path) as database:
        database.record(HISTORY[0])
    with contextlib.closing(sqlite3.connect(path)) as connection:
        (left,) = connection.execute("SELECT count(*) FROM status_history").fetchone()
    assert HISTORY_ROWS + 2 * TRIMMED_ROWS <= left < HISTORY_ROWS + 3 * TRIMMED_ROWS


def test_a_check_that_takes_too_long_is_given_up() -> None:
    endless = "WITH RECURSIVE e(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM e) SELECT count(*) FROM e"
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        with pytest.raises(DamagedStateError, match="takes longer than 0 s"), bounded(connection, 0):
            connection.execute(endless)
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_list_with_lost_favorites_has_a_version_that_no_reader_has_seen(path: Path) -> None:
    run(path, *(f"UPDATE {table} SET id = '' WHERE id = 'a/2'" for table in TABLES))
    with opened(path) as database:
        assert database.favorites.version > 1_000_000_000


def test_the_history_of_a_damaged_file_is_rescued(path: Path) -> None:
    run(path, "DELETE FROM favorites_version")
    with opened(path) as database:
        assert database.history(None, 10) == tuple(reversed(HISTORY))


def test_damage_under_the_running_gateway_is_noticed_by_the_next_read(path: Path) -> None:
    with opened(path) as database:
        run(path, "UPDATE status_history SET at = 'then' WHERE number = 2")
        assert database.history(None, 10) == (HISTORY[0],)
        assert ids(database) == IDS
        assert database.fault is not None


@pytest.mark.parametrize("make", [lambda path: os.mkfifo(path), lambda path: path.symlink_to("/dev/zero")])
def test_a_pipe_or_a_device_in_the_place_of_the_file_is_left_alone(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    path = tmp_path / "state.db"
    make(path)
    with opened(path) as database:
        assert "not a regular file" in (database.fault or "")
        with pytest.raises(StoreUnavailableError):
            add(database, "a/1")


def test_a_file_that_is_far_too_large_is_set_aside_unread(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "MAX_BYTES", path.stat().st_size - 1)
    with opened(path) as database:
        assert "larger than" in (database.fault or "") or path.with_name("state.db.damaged-1").exists()


VALUES = [
    *("NULL", "0", "-1", "1e300", "9223372036854775807", "''", "'x'", "x''", "x'00ff'", "char(0)"),
    *("CAST(x'c328' AS TEXT)", "zeroblob(70000)", "'\u202e'", "'a/1'", "0.5", "char(27, 93, 48)"),
]
COLUMNS = [
    *(("favorite", "id"), ("favorite", "list"), ("favorite", "position"), ("favorite", "added_at")),
    *(("favorite_list", "name"), ("favorite_list", "run"), ("favorite_list", "version")),
    *(("favorites", "id"), ("favorites", "position"), ("favorites", "added_at")),
    *(("favorites_version", "version"), ("status_history", "provider"), ("status_history", "status")),
    *(("status_history", "reason"), ("status_history", "at"), ("status_history", "number")),
]


def corrupt(chance: random.Random, path: Path) -> None:
    """Do to a state file one to four of the things that disks, editors and people do."""
    for _ in range(chance.randint(1, 4)):
        data = bytearray(path.read_bytes())
        at = chance.randrange(len(data) or 1)
        match chance.randrange(8):
            case 0:
                for _ in range(chance.randint(1, 30)):
                    data[chance.randrange(len(data))] = chance.randrange(256) if data else 0
            case 1:
                del data[at:]
            case 2:
                data[at : at + 4096] = bytes(min(4096, len(data) - at))
            case 3:
                other = chance.randrange(len(data) or 1) & ~4095
                data[at & ~4095 : (at & ~4095) + 4096] = data[other : other + 4096]
            case 4:
                data[:100] = chance.randbytes(100)
            case 5:
                path.with_name("state.db-wal").write_bytes(chance.randbytes(chance.randint(1, 9000)))
            case _:
                table, column = chance.choice(COLUMNS)
                with contextlib.suppress(sqlite3.Error, UnicodeDecodeError):
                    run(
                        path,
                        "PRAGMA ignore_check_constraints = 1",
                        f"UPDATE OR IGNORE {table} SET {column} = {chance.choice(VALUES)}"
                        f" WHERE abs(random()) % 2 = 0",
                    )
                continue
        path.write_bytes(data or b"\x00")


@pytest.mark.parametrize("rounds", [200, pytest.param(5000, marks=pytest.mark.slow)])
def test_no_damaged_file_stops_the_store_or_makes_it_refuse_a_change(path: Path, rounds: int) -> None:
    good = path.read_bytes()
    for seed in range(rounds):
        for file in path.parent.iterdir():
            file.unlink()
        path.write_bytes(good)
        chance = random.Random(seed)
        corrupt(chance, path)
        with opened(path) as database:
            newer = "newer version" in (database.fault or "")
            if not newer:
                add(database, "new/1")
                database.record(StatusChange("a", "online", None, 3.0))
            for item in database.favorites.items:
                assert parse_favorite(item.id, item.added_at), seed
            changes = [] if newer else database.history(None, 100)
            for change in changes:
                assert parse_status_change(astuple(change)), seed
            before = database.favorites
        if not newer:
            with opened(path) as database:
                assert (database.favorites, database.fault) == (before, None), seed
