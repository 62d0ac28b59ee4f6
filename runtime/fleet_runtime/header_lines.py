"""Parse header lines of HTTP/1.1 by a strict grammar (RFC 9110, 5.6.2; RFC 9112, 5), with a cache.

Clients and providers repeat their header lines byte for byte, and the meaning of a line depends only on its
bytes, so parsed lines are cached.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, Generic, TypeVar

MAX_REMEMBERED: Final = 2048
MAX_LINE: Final = 512
"""The maximum length of a cached line."""

_TOKEN: Final = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_TEXT: Final = bytes((0x09, *range(0x20, 0x7F), *range(0x80, 0x100)))
_NEVER_KEPT: Final = re.compile(rb"auth|key|token|secret|cookie|session|password|^date$")
"""Names that are never cached: their values may be secrets, or change every second (Date)."""

Meaning = TypeVar("Meaning")


class InvalidLineError(ValueError):
    """The line is not a header line."""


def split_line(line: bytes) -> tuple[bytes, bytes]:
    """Return the name as received, and the value without surrounding white space.

    Raises `InvalidLineError` for anything outside the grammar: folded lines, white space before the colon,
    control characters.
    """
    name, colon, value = line.partition(b":")
    if not colon or not name or name.translate(None, _TOKEN):
        raise InvalidLineError("a header name is not valid")
    value = value.strip(b" \t")
    if value.translate(None, _TEXT):
        raise InvalidLineError("a header contains a control character")
    return name, value


class HeaderLines(Generic[Meaning]):
    """What header lines mean, by `interpret(name, value)`.

    `known` has the last `remembered` of them at most, and is for callers in a hurry:
    ``lines.known.get(line) or lines.read(line)``.
    """

    __slots__ = ("_interpret", "_remembered", "known")

    def __init__(
        self, interpret: Callable[[bytes, bytes], Meaning], remembered: int = MAX_REMEMBERED
    ) -> None:
        self.known: dict[bytes, Meaning] = {}
        self._interpret = interpret
        self._remembered = remembered

    def read(self, line: bytes) -> Meaning:
        """Return the interpretation of a line; raises `InvalidLineError`."""
        name, value = split_line(line)
        meaning = self._interpret(name, value)
        if len(line) <= MAX_LINE and not _NEVER_KEPT.search(name.lower()):
            if len(self.known) >= self._remembered:
                self.known.clear()
            self.known[line] = meaning
        return meaning
