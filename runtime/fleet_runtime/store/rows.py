"""Parse rows of the state file, and reject invalid ones. Pure.

SQLite stores any type in any column, so that a damaged file may pass its own check and still hold an id that
is a number, or a time that is text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from fleet_runtime.catalog.favorites import Favorite

MAX_VERSION: Final = 1 << 53
"""The largest integer that every JSON parser represents exactly."""
MAX_TEXT: Final = 10_000
MAX_TIME: Final = 1e11
_RUN: Final = re.compile(r"[0-9a-z]{1,64}")


@dataclass(frozen=True, slots=True)
class StatusChange:
    """A provider's status from `at` (unix seconds) on."""

    provider: str
    status: str
    reason: str | None
    at: float
    gateway: str | None = None
    """The gateway that observed it, None if an older version of fleet wrote the entry."""


def parse_version(value: Any) -> int | None:
    """Return the version of a list of favorites, None if it is not one."""
    return value if isinstance(value, int) and 0 <= value <= MAX_VERSION else None


def parse_run(value: Any) -> str | None:
    """Return the run of a list of favorites, None if it is not one: it is part of an ``ETag``."""
    return value if isinstance(value, str) and _RUN.fullmatch(value) else None


def parse_favorite(id: Any, added_at: Any) -> Favorite | None:
    """Return the favorite of a row (`added_at` in unix seconds), None if the row is not one."""
    moment = _time(added_at)
    return None if moment is None or not is_id(id) else Favorite(id, moment)


def is_id(value: Any) -> bool:
    return _is_text(value) and value != "" and all(char >= " " and char != "\x7f" for char in value)


def parse_status_change(row: Sequence[Any]) -> StatusChange | None:
    """Return the entry of a row (provider, status, reason, at, gateway), None if the row is not one."""
    provider, status, reason, at, gateway = row
    moment = _time(at)
    if moment is None or not (_is_text(provider) and _is_text(status)):
        return None
    if not all(text is None or _is_text(text) for text in (reason, gateway)):
        return None
    return StatusChange(provider, status, reason, moment, gateway)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= MAX_TEXT


def _time(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and math.isfinite(value)
    return float(value) if is_number and 0 <= value <= MAX_TIME else None
