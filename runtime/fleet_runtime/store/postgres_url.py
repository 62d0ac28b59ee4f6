"""Where a PostgreSQL database is: its URL, read from where fleet.yaml says, and what may be shown of it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from fleet_runtime.artifacts.gateway_parts import DatabaseReference
from fleet_runtime.dialects.credentials import MissingKeyError, find_key
from fleet_runtime.files import MAX_KEY, read_text, resolve_path
from fleet_runtime.store.backend import StoreUnavailableError
from fleet_runtime.text import shorten

SCHEMES = ("postgresql", "postgres")
SHAPE = "postgresql://user:password@host:5432/database"
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
        if not is_database_url(url or ""):
            raise StoreUnavailableError(f"the URL from {source(reference)} is not {SHAPE}")
        return url or ""

    return read


def source(reference: DatabaseReference) -> str:
    """Return where the URL is read from, in words."""
    return f"${reference.env}" if reference.env is not None else f"the file '{reference.file}'"


def is_database_url(url: str) -> bool:
    try:
        return urlsplit(url).scheme in SCHEMES
    except ValueError:
        return False


def shown_url(url: str) -> str:
    """Return host and database of the URL, without user, password and options."""
    parts = urlsplit(url)
    return f"postgresql://{parts.netloc.rpartition('@')[2]}{parts.path}"


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
