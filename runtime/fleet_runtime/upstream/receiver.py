"""The receiver of a response on a connection to a provider."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

Header = tuple[bytes, bytes]


@dataclass(slots=True, eq=False)
class ResponseShape:
    """A head without the number in its `Content-Length`, which is at `length_at`; shared by all heads that
    differ only in that. `forwarded` is a cache for the code that forwards the head."""

    status: int
    headers: list[Header]
    length_at: int
    forwarded: object = None


class ResponseHead:
    """`content_length` is the declared one; `until_close`: the body ends with the connection, because it has
    neither a length nor chunks. `shape` is None for a head that is not plain."""

    __slots__ = ("_headers", "content_length", "shape", "status", "until_close")

    def __init__(
        self,
        status: int,
        headers: list[Header],
        content_length: int | None,
        *,
        until_close: bool = False,
        shape: ResponseShape | None = None,
    ) -> None:
        self.status = status
        self._headers = headers
        self.content_length = content_length
        self.until_close = until_close
        self.shape = shape

    @property
    def headers(self) -> list[Header]:
        """Return the headers in the received order, with duplicates and the received spelling."""
        if self.shape is None:
            return self._headers
        headers = list(self._headers)
        name, _ = headers[self.shape.length_at]
        headers[self.shape.length_at] = (name, b"%d" % (self.content_length or 0))
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
