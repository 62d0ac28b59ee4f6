"""The interface of a backend for favorites and history: SQLite or PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from fleet_runtime.catalog.favorites import Favorites, FavoritesChange
from fleet_runtime.store.rows import StatusChange


class StoreUnavailableError(Exception):
    """The state cannot be written now; the message has the reason, `remedy` the remedy, if known."""

    def __init__(self, message: str, remedy: str | None = None) -> None:
        super().__init__(message)
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class StoreStatus:
    """Whether the state can be written, since when (unix seconds), and where it is, without secrets.

    `reason` is why it cannot be written, or another problem; `remedy` is the remedy, if known.
    """

    up: bool
    since: float
    where: str
    reason: str | None = None
    remedy: str | None = None


class Backend(Protocol):
    """`favorites` is the list last read or committed, without a `run` if there was none."""

    @property
    def favorites(self) -> Favorites: ...

    @property
    def status(self) -> StoreStatus: ...

    def open(self) -> None:
        """Load what is available without waiting; blocks. Call it before anything else."""

    async def watch(self, on_read: Callable[[], None]) -> None:
        """Follow the changes of others, calling `on_read` after each read, until cancelled."""

    async def edit(self, changes: Sequence[FavoritesChange]) -> list[Favorites | Exception]:
        """Apply the changes in order and commit them together; return the outcome of each.

        Raises `StoreUnavailableError`.
        """

    async def record(self, entry: StatusChange) -> None:
        """Append to the history; raises `StoreUnavailableError`."""

    async def history(self, providers: Collection[str] | None, limit: int) -> tuple[StatusChange, ...]:
        """Return the newest `limit` entries, newest first, of these providers or of all.

        Raises `StoreUnavailableError`.
        """

    async def close(self) -> None:
        """Close what is open."""
