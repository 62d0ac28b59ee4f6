"""The chunked transfer coding of a body (RFC 9112, 7.1), by its strict grammar.

Chunk extensions and trailers are parsed, counted against a limit and dropped: no trailer ever becomes a
header (RFC 9110, 6.5.1). A trailer that would frame a message is an error.
"""

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache
from typing import Final

from fleet_runtime.header_lines import InvalidLineError, split_line

_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,16})((?:;[\t\x20-\x7e\x80-\xff]*)?)")
_FRAMING: Final = (b"content-length", b"transfer-encoding")


class ChunkError(ValueError):
    """The rest of the body is invalid. `valid`: the decoded bytes before it, of the same call."""

    valid = b""


class InvalidChunkError(ChunkError):
    """The data is not valid chunked coding."""


class OverheadError(ChunkError):
    """Extensions and trailers exceed their limit in total."""


@lru_cache(maxsize=4096)
def size_line(total: int) -> bytes:
    """Return the first line of a chunk of `total` bytes, that line and both line breaks included, as most
    servers write it; of a number that no such chunk has, what no chunk begins with."""
    for digits in range(1, 9):
        size = b"%x" % max(0, total - digits - 4)
        if len(size) == digits and size != b"0":
            return size + b"\r\n"
    return b"\n"


class _Part(Enum):
    SIZE = "size"
    DATA = "data"
    DATA_END = "data_end"
    TRAILERS = "trailers"
    DONE = "done"


SIZE, DATA, DATA_END, TRAILERS, DONE = _Part


class ChunkedBody:
    """Decodes the coding as it arrives. `done`: the body is complete."""

    __slots__ = ("_left", "_limit", "_overhead", "_part", "_rest", "done")

    def __init__(self, limit: int) -> None:
        """`limit`: bytes by which extensions and trailers may exceed the data."""
        self.done = False
        self._limit = limit
        self._overhead = 0
        self._part = SIZE
        self._left = 0
        self._rest = b""

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """Return the decoded bytes of the body, and the data after its end. Raises a `ChunkError`."""
        if self._part is SIZE and not self._rest:  # a read of a stream brings one chunk
            line = size_line(len(data))
            if data.startswith(line) and data.endswith(b"\r\n"):
                return data[len(line) : -2], b""
        pieces: list[bytes] = []
        try:
            rest = self._take(self._rest + data, pieces)
        except ChunkError as error:
            error.valid = b"".join(pieces)
            raise
        return pieces[0] if len(pieces) == 1 else b"".join(pieces), rest

    def _take(self, data: bytes, pieces: list[bytes]) -> bytes:
        """Add the decoded bytes of `data` to `pieces`; return the data after the end of the body."""
        at = 0
        while not self.done:
            if self._part is DATA:
                piece = data[at : at + self._left]
                at += len(piece)
                self._left -= len(piece)
                pieces.append(piece)
                if self._left:
                    break
                self._part = DATA_END
            elif self._part is DATA_END:
                if not b"\r\n".startswith(data[at : at + 2]):
                    raise InvalidChunkError("a chunk is longer than its declared size")
                if len(data) < at + 2:
                    break
                at += 2
                self._part = SIZE
            else:
                end = data.find(b"\r\n", at)
                if end < 0:
                    self._check_unfinished(data[at:])
                    break
                self._take_line(data[at:end])
                at = end + 2
        self._rest = b"" if self.done else data[at:]
        return data[at:] if self.done else b""

    def _take_line(self, line: bytes) -> None:
        if self._part is SIZE:
            size = _SIZE.fullmatch(line)
            if size is None:
                raise InvalidChunkError("a chunk size is not valid")
            self._left = int(size[1], 16)
            self._count(len(size[2]) - self._left)
            self._part = DATA if self._left else TRAILERS
        elif line:
            self._count(len(line) + 2)
            try:
                name, _ = split_line(line)
            except InvalidLineError as error:
                raise InvalidChunkError(f"a trailer is malformed: {error}") from None
            if name.lower() in _FRAMING:
                raise InvalidChunkError("a trailer field is not allowed to change the framing")
        else:
            self._part = DONE
            self.done = True

    def _check_unfinished(self, line: bytes) -> None:
        """Reject an incomplete line that cannot become valid."""
        if len(line) > self._limit:
            raise OverheadError
        if b"\n" in line or b"\0" in line:
            raise InvalidChunkError("a line does not end with CRLF")
        if self._part is SIZE and line and not _SIZE.fullmatch(line.removesuffix(b"\r")):
            raise InvalidChunkError("a chunk size is not valid")

    def _count(self, excess: int) -> None:
        self._overhead = max(0, self._overhead + excess)
        if self._overhead > self._limit:
            raise OverheadError
