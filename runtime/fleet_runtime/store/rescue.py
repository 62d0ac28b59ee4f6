"""Rescue rows from a state file that is damaged or cannot be opened for writing.

Each row is validated separately. SQLite does not recognise a file as a database if its first page is damaged
or its end is missing. Since that page describes the tables and is the same in all files of one version, a
copy in memory with the first page of a new file often makes the rows readable again.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fleet_runtime.catalog.favorites import Favorite, Favorites
from fleet_runtime.store.rows import (
    StatusChange,
    is_id,
    parse_favorite,
    parse_run,
    parse_status_change,
    parse_version,
)
from fleet_runtime.store.schema import STATE_ERRORS, bounded, is_table, prepare
from fleet_runtime.store.tables import LIST

MAX_ROWS = 10_000
MAX_IMAGE_BYTES = 64_000_000

WIDTHS = {
    "favorite": (4,),
    "favorite_list": (3,),
    "favorites": (3,),
    "favorites_version": (1,),
    "status_history": (5, 6),
}
"""The columns of each table; the history of the previous version does not name the gateway."""

Rows = list[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class RescuedState:
    """`history` is oldest first."""

    favorites: Favorites
    history: tuple[StatusChange, ...] = ()


def rescue_state(path: Path) -> RescuedState:
    """Return every valid row of the file; never raises.

    If a favorite is missing, the list takes a version that no reader has seen, the time in seconds, and a new
    run. The tables of the previous version contain the same favorites, and may have rows that the others have
    lost.
    """
    views = [read for view in (open_read_only, _with_new_first_page) for read in _tables(view, path)]
    found = [_list(view) for view in views] + [_previous_list(view) for view in views]
    history, _ = max((view["status_history"] for view in views), key=_worth, default=([], False))
    padded = ((*row[1:], None)[:5] for row in history)
    changes = (parse_status_change(row) for row in padded)
    return RescuedState(_union(found), tuple(change for change in changes if change is not None))


@dataclass(frozen=True, slots=True)
class _Found:
    """The valid favorites of one table in order, and whether the list is complete."""

    favorites: Favorites
    complete: bool = False


def _union(found: list[_Found]) -> Favorites:
    """Return the newest list, followed by favorites of the others unless it is complete."""
    lists = [one.favorites for one in found]
    best = max(found, key=_age_and_worth, default=_Found(Favorites()))
    if best.complete:
        runs = [one.run for one in lists if one.run and one.version == best.favorites.version]
        return replace(best.favorites, run=best.favorites.run or next(iter(runs), ""))
    items: dict[str, Favorite] = {}
    for favorite in (item for one in (best.favorites, *lists) for item in one.items):
        items.setdefault(favorite.id, favorite)
    version = max([int(time.time()), *(one.version + 1 for one in lists)])
    return Favorites(version, tuple(items.values()))


def _age_and_worth(found: _Found) -> tuple[int, bool, int]:
    return found.favorites.version, found.complete, len(found.favorites.items)


def _list(view: dict[str, tuple[Rows, bool]]) -> _Found:
    lists, _ = view["favorite_list"]
    tags = [(parse_run(run), parse_version(version)) for name, run, version in lists if name == LIST]
    run, version = tags[0] if len(tags) == 1 else (None, None)
    rows, complete = view["favorite"]
    good = _favorites([row[1:] for row in rows if row[0] == LIST], complete and version is not None)
    favorites = replace(good.favorites, version=version or 0, run=run or "")
    return _Found(favorites, good.complete and run is not None)


def _previous_list(view: dict[str, tuple[Rows, bool]]) -> _Found:
    versions, _ = view["favorites_version"]
    version = parse_version(versions[0][0]) if len(versions) == 1 else None
    rows, complete = view["favorites"]
    good = _favorites(rows, complete and version is not None)
    return _Found(replace(good.favorites, version=version or 0), good.complete)


def _favorites(rows: Rows, complete: bool) -> _Found:
    """Return the valid favorites in order; one without a time gets the current time."""
    now = time.time()
    found: dict[str, tuple[float, Favorite]] = {}
    for id, position, added_at in rows:
        favorite = parse_favorite(id, added_at)
        complete &= favorite is not None
        if favorite is None and is_id(id):
            favorite = Favorite(id, now)
        if favorite is not None:
            place = position if isinstance(position, int) else MAX_ROWS
            complete &= isinstance(position, int) and favorite.id not in found
            found.setdefault(favorite.id, (place, favorite))
    items = tuple(favorite for _, favorite in sorted(found.values(), key=lambda pair: pair[0]))
    return _Found(Favorites(0, items), complete)


def _worth(read: tuple[Rows, bool]) -> tuple[bool, int]:
    rows, complete = read
    return complete, len(rows)


def _tables(
    view: Callable[[Path], contextlib.AbstractContextManager[sqlite3.Connection]], path: Path
) -> Iterator[dict[str, tuple[Rows, bool]]]:
    """Yield the rows of each table in a view of the file; nothing if there are none."""
    with (
        contextlib.suppress(*STATE_ERRORS, OSError, ValueError),
        view(path) as connection,
        bounded(connection),
    ):
        connection.text_factory = _decode
        yield {table: _rows(connection, table, widths) for table, widths in WIDTHS.items()}


@contextlib.contextmanager
def open_read_only(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the file with its log; without it if that fails, for example in a read-only folder."""
    for flags in ("mode=ro", "mode=ro&immutable=1"):
        connection = sqlite3.connect(f"file:{quote(str(path.absolute()))}?{flags}", uri=True)
        with contextlib.closing(connection):
            try:
                connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            except STATE_ERRORS:
                continue
            yield connection
            return
    raise sqlite3.OperationalError("it cannot be read")


@contextlib.contextmanager
def _with_new_first_page(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a copy in memory with the first page of a new file and a whole number of pages."""
    if path.stat().st_size > MAX_IMAGE_BYTES:
        raise ValueError("it is too large to be copied")
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        prepare(connection)
        new = connection.serialize()
        size = int.from_bytes(new[16:18], "big")
        old = path.read_bytes()
        pages = max(-(-len(old) // size), len(new) // size)
        image = bytearray(new[:size] + old[size:]).ljust(pages * size, b"\0")
        image[28:32] = pages.to_bytes(4, "big")
        connection.deserialize(bytes(image))
        yield connection


def _decode(text: bytes) -> str | bytes:
    """Decode text; text that is not UTF-8 is returned as bytes, which makes only this row invalid."""
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text


def _rows(connection: sqlite3.Connection, table: str, widths: tuple[int, ...]) -> tuple[Rows, bool]:
    """Return the rows of a table in order, and whether they are complete.

    Reads from both ends, because a damaged page hides the rows behind it from one direction only. If there
    are too many, return the newest.
    """
    if not is_table(connection, table):
        return [], False
    read: dict[int, tuple[Any, ...]] = {}
    complete = True
    for order in ("DESC", "ASC"):
        query = f"SELECT rowid, * FROM {table} NOT INDEXED ORDER BY rowid {order} LIMIT {MAX_ROWS}"  # noqa: S608
        try:
            for number, *row in connection.execute(query):
                if len(row) not in widths:
                    return [], False
                read[number] = tuple(row)
            break
        except STATE_ERRORS:
            complete = False
    return [read[number] for number in sorted(read)], complete
