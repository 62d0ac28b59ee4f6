"""How values and names are quoted in messages: short, on one line, and never a secret."""

from __future__ import annotations

import re
from collections.abc import Iterable

from fleet_compiler.diagnostics.redact import redact

MAX_QUOTED = 60


def short(text: str) -> str:
    """`text` on one line and at most `MAX_QUOTED` characters, secrets masked."""
    line = redact(text.replace("\n", "\\n").replace("\t", "\\t"))
    return line if len(line) <= MAX_QUOTED else line[: MAX_QUOTED - 1] + "…"


def as_name(text: str) -> str:
    """`text` in the letters that names have; what cannot be one may come out as another thing that cannot."""
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._")


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The name that `name` is probably a misspelling of."""
    from rapidfuzz import fuzz, process, utils

    match = process.extractOne(
        name, sorted(names), scorer=fuzz.ratio, processor=utils.default_process, score_cutoff=60
    )
    return match[0] if match else None
