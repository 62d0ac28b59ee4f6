"""Suggest the names that are probably meant."""

from __future__ import annotations

import re
from collections.abc import Iterable


def as_name(text: str) -> str:
    """Return `text` converted to the characters of names; the result may still be invalid."""
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._")


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the name that `name` probably misspells."""
    from rapidfuzz import fuzz, process, utils

    match = process.extractOne(
        name, sorted(names), scorer=fuzz.ratio, processor=utils.default_process, score_cutoff=60
    )
    return match[0] if match else None
