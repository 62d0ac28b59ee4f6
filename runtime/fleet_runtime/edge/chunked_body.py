"""The chunked transfer coding of a request's body (RFC 9112, 7.1), by its strict grammar.

Chunk extensions and trailers are parsed, counted against a limit and dropped: no trailer ever becomes a
header (RFC 9110, 6.5.1). A trailer that would frame a message is an error.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final

from fleet_runtime.header_lines import InvalidLineError, split_line

_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,16})((?:;[\t\x20-\x7e\x80-\xff]*)?)")
_FRAMING: Final = (b"content-length", b"transfer-encoding")


class InvalidChunkError(ValueError):
    """The data is not valid chunked coding."""


class OverheadError(ValueError):
    """Chunk lines and trailers exceed their limit in total."""


class _Part(Enum):
    SIZE = "size"
    DATA = "data"
    DATA_END = "data_end"
    TRAILERS = "trailers"
    DONE = "done"


SIZE, DATA, DATA_END, TRAILERS, DONE = _Part


class ChunkedBody:
    """Decodes the coding as it arrives. `done`: the body is complete."""

    __slots__ = ("_left", "_limit", "_part", "_rest")

    def __init__(self, limit: int) -> None:
        """`limit`: bytes of extensions and trailers."""
        self._limit = limit
        self._part = SIZE
        self._left = 0
        self._rest = b""

    @property
    def done(self) -> bool:
        return self._part is DONE

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """Return the decoded bytes of the body, and the data after its end.

        Raises `InvalidChunkError` or `OverheadError`.
        """
        data, self._rest = self._rest + data, b""
        pieces: list[bytes] = []
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
        if self.done:
            return b"".join(pieces), data[at:]
        self._rest = data[at:]
        return pieces[0] if len(pieces) == 1 else b"".join(pieces), b""

    def _take_line(self, line: bytes) -> None:
        if self._part is SIZE:
            size = _SIZE.fullmatch(line)
            if size is None:
                raise InvalidChunkError("a chunk size is not valid")
            self._count(len(size[2]))
            self._left = int(size[1], 16)
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

    def _check_unfinished(self, line: bytes) -> None:
        """Reject an incomplete line that cannot become valid."""
        if len(line) > self._limit:
            raise OverheadError
        if b"\n" in line or b"\0" in line:
            raise InvalidChunkError("a line does not end with CRLF")
        if self._part is SIZE and line and not _SIZE.fullmatch(line.removesuffix(b"\r")):
            raise InvalidChunkError("a chunk size is not valid")

    def _count(self, size: int) -> None:
        self._limit -= size
        if self._limit < 0:
            raise OverheadError
