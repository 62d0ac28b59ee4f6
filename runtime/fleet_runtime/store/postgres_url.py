"""Read the URL of a PostgreSQL database, and mask it for messages."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fleet_runtime.artifacts.gateway_parts import DatabaseReference
from fleet_runtime.dialects.credentials import MissingKeyError, find_key
from fleet_runtime.dialects.status_reason import reason_remedy
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
GRANT = (
    "`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO user` on the server, with the "
    "user in the URL"
)
_SHOWN = 300
"""The maximum length of the server's message."""


class DeletedListError(Exception):
    """A user deleted the row of the list; the next connection begins a new one."""

    def __init__(self) -> None:
        super().__init__("the list of favorites was deleted from the database")


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """The URL in the source named by `reference`, read again for every connection; a path is relative to
    `root`."""

    reference: DatabaseReference
    root: Path
    environ: Mapping[str, str] = field(repr=False)

    @property
    def source(self) -> str:
        """Return a text that names its source."""
        variable = self.reference.env
        return f"the file '{self.reference.file}'" if variable is None else f"${variable}"

    def read(self) -> str:
        """Return the URL; raises `StoreUnavailableError` if there is none."""
        try:
            url = find_key(
                self.reference.env,
                self.reference.file,
                self.environ,
                lambda path: read_text(resolve_path(self.root, path), MAX_KEY),
            )
        except MissingKeyError as error:
            raise StoreUnavailableError(str(error), reason_remedy(error.reason, "")) from None
        if _URL.match(url or "") is None:
            raise StoreUnavailableError(
                f"the URL from {self.source} is not {SHAPE}",
                "in a password, write '/' as %2F, '?' as %3F, '#' as %23 and '@' as %40: " + self._correct,
            )
        return url or ""

    def remedy(self, error: Exception, shown: str) -> str:
        """Return what to do about a database, `shown` as by `shown_url`, that cannot be used."""
        import asyncpg

        name = shown.rpartition("/")[2] or "NAME"
        match error:
            case StoreUnavailableError() if error.remedy is not None:
                return error.remedy
            case asyncpg.InvalidAuthorizationSpecificationError():
                return self._correct
            case asyncpg.InvalidCatalogNameError():
                return f"`createdb {name} --owner USER` on the server, with the user in the URL"
            case asyncpg.InsufficientPrivilegeError() if "for table" in str(error):
                return GRANT
            case asyncpg.InsufficientPrivilegeError():
                return f"`ALTER DATABASE {name} OWNER TO user` on the server, with the user in the URL"
            case asyncpg.SyntaxOrAccessError():
                return f"its tables are not those of fleet; use another: `createdb {name}-2 --owner USER`"
            case _:
                return f"`pg_isready --dbname={shown}` where the gateway runs; it reconnects automatically"

    @property
    def _correct(self) -> str:
        """Return how to correct the URL, and when that takes effect: the environment of a process never
        changes."""
        if self.reference.env is None:
            return (
                f'`psql "$(cat {self.reference.file})"` must connect; correct the file, which is read again'
            )
        return f'`psql "${self.reference.env}"` must connect; correct the variable and restart the gateway'


def shown_url(url: str) -> str:
    """Return hosts and database of the URL, without user, password and options."""
    match = _URL.match(url)
    assert match is not None, "`DatabaseUrl` returns no other"
    return f"postgresql://{match['hosts']}{match['database'] or ''}"


def failure_reason(error: Exception) -> str:
    """Return why the database cannot be used; never a part of its URL."""
    import asyncpg

    match error:
        case StoreUnavailableError():
            return str(error)
        case asyncpg.PostgresConnectionError() | asyncpg.InterfaceError() | asyncpg.InternalClientError():
            return "the connection was lost"
        case asyncpg.PostgresError():
            return shorten(str(error).partition("\n")[0], _SHOWN)
        case DeletedListError():
            return str(error)
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
