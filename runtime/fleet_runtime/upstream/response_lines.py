"""The quick way to read a response: a plain head in one read, its lines known from the responses before.

Most responses of a provider repeat their header lines. A head of those, with a `Content-Length` and nothing
that changes the framing, is read here without the parser. Everything else is left to the parser: this reads
a subset of what it accepts.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from fleet_runtime.header_lines import HeaderLines, InvalidLineError
from fleet_runtime.upstream.receiver import Header, ResponseHead

_STATUS_LINES: Final = {
    b"HTTP/1.1 %d %b" % (status, phrase): status
    for status, phrase in (
        (200, b"OK"),
        (201, b"Created"),
        (400, b"Bad Request"),
        (404, b"Not Found"),
        (429, b"Too Many Requests"),
        (500, b"Internal Server Error"),
        (503, b"Service Unavailable"),
    )
}
_LEFT_TO_THE_PARSER: Final = frozenset((b"transfer-encoding", b"connection", b"upgrade", b"trailer"))
_KEPT_OPEN: Final = (b"keep-alive", b"Keep-Alive")


class _Kind(Enum):
    PLAIN = "plain"
    LENGTH = "length"
    HARD = "hard"


PLAIN, LENGTH, HARD = _Kind


class ResponseLines:
    """Reads the plain heads of one server."""

    __slots__ = ("_lines",)

    def __init__(self) -> None:
        self._lines = HeaderLines(_interpret)

    def read(self, head: bytes) -> ResponseHead | None:
        """Return the head in `head` (without its last empty line); None if the parser must read it."""
        first, *lines = head.split(b"\r\n")
        status = _STATUS_LINES.get(first)
        if status is None:
            return None
        known = self._lines.known
        headers: list[Header] = []
        length = None
        try:
            for line in lines:
                kind, header = known.get(line) or self._lines.read(line)
                if kind is not PLAIN:
                    if kind is HARD or length is not None:
                        return None
                    length = int(header[1])
                headers.append(header)
        except InvalidLineError:
            return None
        return None if length is None else ResponseHead(status, headers, length, False)


def _interpret(name: bytes, value: bytes) -> tuple[_Kind, Header]:
    kind, lower = PLAIN, name.lower()
    if lower == b"content-length":
        kind = LENGTH if value.isdigit() and len(value) <= 15 else HARD
    elif lower in _LEFT_TO_THE_PARSER and not (lower == b"connection" and value in _KEPT_OPEN):
        kind = HARD
    return kind, (name, value)
