"""Parse responses strictly (RFC 9112, section 6.3): heads, and bodies with a length, in chunks, or up to the
end of the connection."""

from __future__ import annotations

from typing import Final

from fleet_runtime.chunked_body import ChunkedBody, ChunkError, InvalidChunkError
from fleet_runtime.upstream.receiver import Framing, ResponseHead
from fleet_runtime.upstream.response_heads import InvalidHeadError, ResponseHeads, check_beginning

HEAD_LIMIT: Final = 64 * 1024
"""Bytes of response headers with all interim responses, and of chunk extensions and trailers."""

NO_BODY, LENGTH, CHUNKS, CLOSE = Framing


class ResponseParser:
    """Reads the responses on one connection, one `begin` each.

    `head` is None until the final head has arrived. `ended`: the response is complete; `reusable`: the
    connection can then be used again. `interim`: the last `feed` completed an interim response. `refusal` is
    the problem of the response, None if there is none. `received`: any byte of the response has arrived.
    """

    __slots__ = (
        "_bodiless",
        "_chunks",
        "_heads",
        "_left",
        "_rest",
        "_room",
        "ended",
        "head",
        "interim",
        "received",
        "refusal",
        "reusable",
    )

    def __init__(self, heads: ResponseHeads) -> None:
        self._heads = heads
        self.begin(bodiless=False)

    def begin(self, *, bodiless: bool) -> None:
        """Expect the next response; `bodiless`: it is the response to a HEAD."""
        self._bodiless = bodiless
        self._room = HEAD_LIMIT
        self._rest = b""
        self._chunks: ChunkedBody | None = None
        self._left: int | None = None
        self.head: ResponseHead | None = None
        self.ended = False
        self.interim = False
        self.received = False
        self.refusal: str | None = None
        self.reusable = True

    def forget(self) -> None:
        """Let go of the response, which has ended: the connection may be idle for long."""
        self.head = None
        self._chunks = None

    def feed(self, data: bytes) -> bytes:
        """Parse received data and return the bytes of the body in it."""
        if self.head is None:
            try:
                data = self._take_head(data)
            except InvalidHeadError as error:
                self.refusal = str(error)
                return b""
            if self.head is None:
                return b""
        chunks = self._chunks
        if chunks is not None:
            try:
                data, rest = chunks.feed(data)
            except ChunkError as error:
                self.refusal = _refusal(error)
                return error.valid
            if chunks.done:
                self.ended = True
                if rest:
                    self.reusable = False
            return data
        if self._left is None:
            return data
        left = self._left = self._left - len(data)
        if left <= 0:
            self.ended = True
            if left:
                self.reusable = False
                return data[:left]
        return data

    def _take_head(self, data: bytes) -> bytes:
        """Parse heads up to the final one; return the data after it, or nothing if it is incomplete."""
        self.received = True
        self.interim = False
        data = self._rest + data
        while (end := data.find(b"\r\n\r\n", 0, self._room)) >= 0:
            head = self._heads.read(data[:end])
            data = data[end + 4 :]
            if head.status >= 200:
                self._begin_body(head)
                return data
            self._room -= end + 4
            self.interim = True
        if len(data) > self._room:
            raise InvalidHeadError(f"sent more than {HEAD_LIMIT} bytes of headers")
        self._rest = data
        check_beginning(data)
        return b""

    def _begin_body(self, head: ResponseHead) -> None:
        self.head = head
        framing, self.reusable = head.shape.framing, head.shape.keep_alive
        if self._bodiless or framing is NO_BODY:
            self._left = 0
            self.reusable = self.reusable and not self._bodiless
        elif framing is LENGTH:
            self._left = head.content_length
        elif framing is CHUNKS:
            self._chunks = ChunkedBody(HEAD_LIMIT)


def _refusal(error: ChunkError) -> str:
    if isinstance(error, InvalidChunkError):
        return f"sent something that is not HTTP/1.1: {error}"
    return f"sent more than {HEAD_LIMIT} bytes of chunk extensions and trailers"
