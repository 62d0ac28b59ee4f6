"""The text that diagnostics point into."""

from __future__ import annotations

import msgspec

from fleet_compiler.diagnostics.diagnostic import Span


class Source(msgspec.Struct, frozen=True):
    """A text and its displayed name. Lines end in ``\\n``.

    `secrets` are the spans that reports must not show, None if they are unknown; `names` are the
    providers' names, which reports may show.
    """

    name: str
    text: str
    secrets: tuple[Span, ...] | None = None
    names: frozenset[str] = frozenset()
