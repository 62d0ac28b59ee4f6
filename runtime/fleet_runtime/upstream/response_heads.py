"""Parse the heads of a server's responses strictly (RFC 9112, sections 4 to 6), with a cache.

Most heads of a provider differ only in the number in `Content-Length`, so the rest is cached. A head that
two parsers could interpret differently is rejected: repeated lengths, a length with chunks, and transfer
codings other than a single 'chunked'.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final

from fleet_runtime.header_lines import HeaderLines, InvalidLineError
from fleet_runtime.upstream.receiver import Framing, Header, ResponseHead, ResponseShape

MAX_SHAPES: Final = 32
MAX_LINES: Final = 64
"""For each server. Most send a `Date`, so that every second brings a new shape: what is remembered of a
thousand servers must stay small, and the collector of garbage must not go through what is used once."""
MAX_SHAPE: Final = 4096
"""The maximum length of a cached head."""

_LENGTH: Final = re.compile(rb"\r\n[Cc]ontent-[Ll]ength: (\d{1,15})(?![^\r])")
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.([01]) (\d{3})(?: [\t\x20-\x7e\x80-\xff]*)?")
_BEGINNING: Final = b"HTTP/1."
_BODILESS: Final = (204, 304)
_CLOSE: Final = b"close"
_KEEP_ALIVE: Final = b"keep-alive"


class InvalidHeadError(ValueError):
    """The head of a response is invalid; the message has the problem."""


class _Kind(Enum):
    PLAIN = "plain"
    LENGTH = "length"
    CODING = "coding"
    CONNECTION = "connection"


PLAIN, LENGTH, CODING, CONNECTION = _Kind


class ResponseHeads:
    """Parses the heads of one server, and caches those that arrive a second time."""

    __slots__ = ("_lines", "_seen", "_with_length", "_without_length")

    def __init__(self) -> None:
        self._lines = HeaderLines(_interpret, MAX_LINES)
        self._with_length: dict[bytes, ResponseShape] = {}
        self._without_length: dict[bytes, ResponseShape] = {}
        self._seen: set[bytes] = set()

    def read(self, raw: bytes) -> ResponseHead:
        """Return the head in `raw`, which lacks its last empty line; raises `InvalidHeadError`. An interim
        response (1xx) has no body, whatever its head declares."""
        length = _LENGTH.search(raw)
        if length is None:
            known, key = self._without_length, raw
        else:
            begin, end = length.span(1)
            known, key = self._with_length, raw[:begin] + raw[end:]
        shape = known.get(key)
        if shape is None:
            shape = self._read(raw)
            self._remember(known, key, shape)
        return ResponseHead(shape, shape.content_length if length is None else int(length[1]))

    def _read(self, raw: bytes) -> ResponseShape:
        first, *lines = raw.split(b"\r\n")
        line = _STATUS_LINE.fullmatch(first)
        if line is None:
            raise _not_http("its first line is malformed")
        shape = ResponseShape(int(line[2]), [])
        if shape.status < 100 or shape.status == 101 or shape.status > 599:
            raise InvalidHeadError(f"responded with status {shape.status}")
        length: int | None = None
        chunked = False
        connection: set[bytes] = set()
        try:
            for at, text in enumerate(lines):
                kind, header = self._lines.known.get(text) or self._lines.read(text)
                shape.headers.append(header)
                if kind is PLAIN:
                    continue
                if kind is LENGTH:
                    if length is not None:
                        raise _not_http("it has more than one content-length")
                    length, shape.length_at = _length(header[1]), at
                elif kind is CODING:
                    if chunked or header[1].lower() != b"chunked":
                        raise InvalidHeadError("sent a transfer-encoding other than 'chunked'")
                    chunked = True
                else:
                    connection.update(token.strip() for token in header[1].lower().split(b","))
        except InvalidLineError as error:
            raise _not_http(str(error)) from None
        if chunked and length is not None:
            raise _not_http("it has a content-length and chunks")
        if shape.status in _BODILESS:
            shape.framing = Framing.NO_BODY
        elif chunked:
            shape.framing = Framing.CHUNKS
        elif length is not None:
            shape.framing = Framing.LENGTH
        shape.keep_alive = _CLOSE not in connection and (line[1] == b"1" or _KEEP_ALIVE in connection)
        shape.content_length = length
        return shape

    def _remember(self, known: dict[bytes, ResponseShape], key: bytes, shape: ResponseShape) -> None:
        if len(key) > MAX_SHAPE:
            return
        for kept in (self._seen, known):
            if len(kept) >= MAX_SHAPES:
                kept.clear()
        if key in self._seen:
            known[key] = shape
        else:
            self._seen.add(key)


def check_beginning(raw: bytes) -> None:
    """Reject an incomplete head that cannot become valid; raises `InvalidHeadError`."""
    if not _BEGINNING.startswith(raw[: len(_BEGINNING)]):
        raise _not_http("its first line is malformed")
    if raw.count(b"\n") != raw.count(b"\r\n"):
        raise _not_http("a line does not end with CRLF")


def _length(value: bytes) -> int:
    if not value.isdigit() or len(value) > 18:
        raise _not_http("its content-length is not a number")
    return int(value)


def _not_http(why: str) -> InvalidHeadError:
    return InvalidHeadError(f"sent something that is not HTTP/1.1: {why}")


def _interpret(name: bytes, value: bytes) -> tuple[_Kind, Header]:
    lower = name.lower()
    if lower == b"content-length":
        kind = LENGTH
    elif lower == b"transfer-encoding":
        kind = CODING
    elif lower == b"connection":
        kind = CONNECTION
    else:
        kind = PLAIN
    return kind, (name, value)
