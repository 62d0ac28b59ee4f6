"""The table of each gateway's series, as opaque bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from sqlite3 import Connection
from typing import NamedTuple


class Step(NamedTuple):
    """One step of one range of a series."""

    series: str
    span: str
    step: int
    cell: bytes


def write_steps(connection: Connection, gateway: str, steps: Iterable[Step]) -> None:
    """Write steps, replacing their earlier values."""
    for series, span, step, cell in steps:
        connection.execute(
            "INSERT OR IGNORE INTO series_name (gateway, series, span) VALUES (?, ?, ?)",
            (gateway, series, span),
        )
        connection.execute(
            "INSERT OR REPLACE INTO series_step SELECT id, ?, ? FROM series_name "
            "WHERE gateway = ? AND series = ? AND span = ?",
            (step, cell, gateway, series, span),
        )


def keep_nearest(connection: Connection, gateway: str, series: str, span: str, step: int, most: int) -> None:
    """Remove all but the `most` steps of a series that are nearest to `step`.

    This removes old steps as a limit of age would, but a wrong clock removes only as many steps as were
    written meanwhile.
    """
    connection.execute(
        "DELETE FROM series_step WHERE id = (SELECT id FROM series_name "
        "WHERE gateway = ?1 AND series = ?2 AND span = ?3) AND abs(step - ?4) > (SELECT abs(step - ?4) "
        "FROM series_step WHERE id = (SELECT id FROM series_name "
        "WHERE gateway = ?1 AND series = ?2 AND span = ?3) ORDER BY abs(step - ?4) LIMIT 1 OFFSET ?5)",
        (gateway, series, span, step, most - 1),
    )


def drop_series(connection: Connection, gateway: str, names: Iterable[str]) -> None:
    """Remove series of a gateway."""
    for series in names:
        connection.execute(
            "DELETE FROM series_step WHERE id IN "
            "(SELECT id FROM series_name WHERE gateway = ? AND series = ?)",
            (gateway, series),
        )
        connection.execute("DELETE FROM series_name WHERE gateway = ? AND series = ?", (gateway, series))


def drop_oldest_series(connection: Connection, gateway: str, kept: Iterable[str], most: int) -> None:
    """Remove the series that began longest ago until at most `most` are left besides those in `kept`."""
    names = set(kept)
    rows = connection.execute(
        "SELECT series FROM series_name WHERE gateway = ? GROUP BY series ORDER BY max(id) DESC", (gateway,)
    )
    others = [series for (series,) in rows.fetchall() if series not in names]
    drop_series(connection, gateway, others[most:])


def read_steps(connection: Connection, gateway: str) -> Iterator[Step]:
    """Yield every step of a gateway's series, those of a series together, the oldest first."""
    rows = connection.execute(
        "SELECT series, span, step, cell FROM series_name JOIN series_step USING (id) "
        "WHERE gateway = ? ORDER BY id, step",
        (gateway,),
    )
    for series, span, step, cell in rows:
        if isinstance(series, str) and isinstance(step, int) and isinstance(cell, bytes):
            yield Step(series, str(span), step, cell)
