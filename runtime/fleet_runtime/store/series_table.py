"""The steps of each gateway's series, as bytes that are opaque here."""

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
    """Write steps in the place of their earlier values."""
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


def drop_steps(connection: Connection, gateway: str, span: str, first: int, last: int) -> None:
    """Remove the steps of a range before `first` and after `last`, and series without any."""
    connection.execute(
        "DELETE FROM series_step WHERE id IN (SELECT id FROM series_name WHERE gateway = ? AND span = ?) "
        "AND (step < ? OR step > ?)",
        (gateway, span, first, last),
    )
    connection.execute(
        "DELETE FROM series_name WHERE gateway = ? AND span = ? AND id NOT IN (SELECT id FROM series_step)",
        (gateway, span),
    )


def drop_series(connection: Connection, gateway: str, kept: Iterable[str]) -> None:
    """Remove all series of a gateway except these."""
    names = set(kept)
    rows = connection.execute("SELECT DISTINCT series FROM series_name WHERE gateway = ?", (gateway,))
    gone = [series for (series,) in rows.fetchall() if series not in names]
    for series in gone:
        connection.execute(
            "DELETE FROM series_step WHERE id IN "
            "(SELECT id FROM series_name WHERE gateway = ? AND series = ?)",
            (gateway, series),
        )
        connection.execute("DELETE FROM series_name WHERE gateway = ? AND series = ?", (gateway, series))


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
