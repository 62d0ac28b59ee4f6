"""Read the URL of a PostgreSQL database, and mask it for messages."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

from fleet_runtime.artifacts.gateway_parts import DatabaseReference
from fleet_runtime.dialects.credentials import MissingKeyError, find_key
from fleet_runtime.files import MAX_KEY, read_text, resolve_path
from fleet_runtime.store.backend import StoreUnavailableError
from fleet_runtime.text import shorten

SHAPE = "postgresql://user:password@host:5432/database"
_HOST = r"(?:\[[^\[\]@/?#]*\]|[^\[\]:,@/?#]*)(?::[0-9]*)?"
_URL = re.compile(
    rf"postgres(?:ql)?://(?:[^/?#]*@)?(?P<hosts>{_HOST}(?:,{_HOST})*)(?P<database>/[^@?#]*)?(?:\?[^@#]*)?\Z"
)
"""What libpq accepts (PostgreSQL's manual, 34.1.1.2), several hosts included. A password ends at the last
``@``, so that there is none after it: one that is not encoded would be shown as a host or a database."""
_SHOWN = 300
"""Characters of the server's own message that are shown."""


def url_reader(reference: DatabaseReference, root: Path, environ: Mapping[str, str]) -> Callable[[], str]:
    """Return what reads the URL; it raises `StoreUnavailableError` if there is none."""

    def read() -> str:
        try:
            url = find_key(
                reference.env,
                reference.file,
                environ,
                lambda path: read_text(resolve_path(root, path), MAX_KEY),
            )
        except MissingKeyError as error:
            raise StoreUnavailableError(str(error)) from None
        if _URL.match(url or "") is None:
            raise StoreUnavailableError(
                f"the URL from {source(reference)} is not {SHAPE}: in a password, write '/' as %2F,"
                " '?' as %3F, '#' as %23 and '@' as %40"
            )
        return url or ""

    return read


def source(reference: DatabaseReference) -> str:
    """Return where the URL is read from, in words."""
    return f"${reference.env}" if reference.env is not None else f"the file '{reference.file}'"


def shown_url(url: str) -> str:
    """Return hosts and database of the URL, without user, password and options."""
    match = _URL.match(url)
    assert match is not None, "`url_reader` returns no other"
    return f"postgresql://{match['hosts']}{match['database'] or ''}"


def failure_reason(error: Exception) -> str:
    """Return why the database cannot be used; never a part of its URL."""
    import asyncpg

    match error:
        case StoreUnavailableError():
            return str(error)
        case asyncpg.PostgresConnectionError() | asyncpg.InterfaceError():
            return "the connection was lost"
        case asyncpg.PostgresError():
            return shorten(str(error), _SHOWN)
        case TimeoutError():
            return "no response in time"
        case ConnectionRefusedError():
            return "connection refused"
        case socket.gaierror():
            return f"its host name cannot be resolved: {error.strerror}"
        case ConnectionError() | asyncio.IncompleteReadError():
            return "the connection was lost"
        case OSError():
            return error.strerror or "the connection failed"
        case _:
            return f"{type(error).__name__}; its URL must be {SHAPE}"
