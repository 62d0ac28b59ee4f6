"""The text that diagnostics point into."""

from __future__ import annotations

import msgspec

from fleet_compiler.diagnostics.diagnostic import Span


class Source(msgspec.Struct, frozen=True):
    """A text and the name it is shown under. Lines end in ``\\n``.

    `secrets` are the places whose text no report may show, None if they are not known; `names` are the
    providers' names, which every report may show.
    """

    name: str
    text: str
    secrets: tuple[Span, ...] | None = None
    names: frozenset[str] = frozenset()
