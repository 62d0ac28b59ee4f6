"""The head of a response from a provider, and the receiver of a response."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

Header = tuple[bytes, bytes]


class Framing(Enum):
    """What ends the body of a response (RFC 9112, 6.3)."""

    NO_BODY = "no body"
    LENGTH = "length"
    CHUNKS = "chunks"
    CLOSE = "close"


@dataclass(slots=True, eq=False)
class ResponseShape:
    """A head without the number in its `Content-Length`, which is at `length_at` (None: there is none);
    shared by all heads that differ only in that. `content_length` is that of the first of them. `keep_alive`:
    the connection can be used again. `forwarded` is a cache for the code that forwards the head."""

    status: int
    headers: list[Header]
    framing: Framing = Framing.CLOSE
    content_length: int | None = None
    length_at: int | None = None
    keep_alive: bool = True
    forwarded: object = None


class ResponseHead:
    """`content_length` is the declared one."""

    __slots__ = ("content_length", "shape", "status")

    def __init__(self, shape: ResponseShape, content_length: int | None = None) -> None:
        self.status = shape.status
        self.content_length = content_length
        self.shape = shape

    @property
    def headers(self) -> list[Header]:
        """Return the headers in the received order, with duplicates and the received spelling."""
        headers, at = list(self.shape.headers), self.shape.length_at
        if at is not None:
            headers[at] = (headers[at][0], b"%d" % (self.content_length or 0))
        return headers


class Receiver(Protocol):
    """Receives one response: `on_head` once, `on_data` until `ended`, or at any time `on_error` as the last
    call. No call may raise."""

    def on_head(self, head: ResponseHead, data: bytes, ended: bool) -> None:
        """Receive the head, with the first bytes of the body."""

    def on_data(self, data: bytes, ended: bool) -> None:
        """Receive the bytes of the body from one read; `ended`: the body is complete."""

    def on_error(self, error: BaseException) -> None:
        """Handle an incomplete response: `error` is an `UpstreamError`, or an exception of the source of a
        body."""
