"""Limits on the data about models from a server or fleet.lock."""

from __future__ import annotations

from typing import Any

MAX_MODELS = 2000
MAX_NAME = 200
MAX_TOKENS = 2**53 - 1


def text(value: Any) -> str | None:
    """Return a displayable name; None for anything else."""
    if not isinstance(value, str) or not value.strip() or len(value) > MAX_NAME:
        return None
    return value if value.isprintable() else None
