"""A fast path for reading response heads: a plain head in one read, with known header lines.

Most responses of a provider repeat their header lines. A head of known lines, with a `Content-Length` and
nothing else that affects the framing, is read here without the parser. This is a subset of what the parser
accepts, which reads all other heads.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final

from fleet_runtime.header_lines import HeaderLines, InvalidLineError
from fleet_runtime.upstream.receiver import Header, ResponseHead, ResponseShape

MAX_SHAPES: Final = 32
MAX_LINES: Final = 64
"""For each server. Most send a `Date`, so that every second brings a new shape: what is remembered of a
thousand servers must stay small, and the collector of garbage must not go through what is used once."""

_LENGTH: Final = re.compile(rb"\r\n[Cc]ontent-[Ll]ength: (\d{1,15})(?![^\r])")
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
    """Reads the plain heads of one server, and remembers their shapes when they come for the second time."""

    __slots__ = ("_lines", "_seen", "_shapes")

    def __init__(self) -> None:
        self._lines = HeaderLines(_interpret, MAX_LINES)
        self._shapes: dict[bytes, ResponseShape] = {}
        self._seen: set[bytes] = set()

    def read(self, head: bytes) -> ResponseHead | None:
        """Return the head in `head` (without its last empty line); None if the parser must read it."""
        length = _LENGTH.search(head)
        if length is None:
            return None
        begin, end = length.span(1)
        rest = head[:begin] + head[end:]
        shape = self._shapes.get(rest)
        if shape is None:
            shape = self._read(head)
            if shape is None:
                return None
            self._remember(rest, shape)
        return ResponseHead(shape.status, shape.headers, int(head[begin:end]), shape=shape)

    def _remember(self, key: bytes, shape: ResponseShape) -> None:
        for kept in (self._seen, self._shapes):
            if len(kept) >= MAX_SHAPES:
                kept.clear()
        if key in self._seen:
            self._shapes[key] = shape
        else:
            self._seen.add(key)

    def _read(self, head: bytes) -> ResponseShape | None:
        first, *lines = head.split(b"\r\n")
        status = _STATUS_LINES.get(first)
        headers: list[Header] = []
        length_at = None
        try:
            for line in lines:
                kind, header = self._lines.known.get(line) or self._lines.read(line)
                if kind is HARD or (kind is LENGTH and length_at is not None):
                    return None
                if kind is LENGTH:
                    length_at = len(headers)
                headers.append(header)
        except InvalidLineError:
            return None
        if status is None or length_at is None:
            return None
        return ResponseShape(status, headers, length_at)


def _interpret(name: bytes, value: bytes) -> tuple[_Kind, Header]:
    kind, lower = PLAIN, name.lower()
    if lower == b"content-length":
        kind = LENGTH
    elif lower in _LEFT_TO_THE_PARSER and not (lower == b"connection" and value in _KEPT_OPEN):
        kind = HARD
    return kind, (name, value)
