"""Await a provider's response: for probes, feeds and sidecar checks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from fleet_runtime.upstream.connection import Connection
from fleet_runtime.upstream.errors import ResponseTooLargeError, UpstreamCutError
from fleet_runtime.upstream.receiver import Header, ResponseHead

HIGH_WATER = 256 * 1024
"""Buffered bytes for a slow reader above which reading from the provider pauses."""


class Response:
    """The response to one request, for one reader, who must read it to its end or call `abort`.

    `headers` are raw: order, duplicates and spelling as received; trailers are dropped. `content_length`
    is the declared one. `retried`: the request was sent a second time, on a new connection. `held` counts
    the bytes that wait for the reader.
    """

    __slots__ = ("_connection", "_error", "_head", "_peer", "_pieces", "_waiter", "held", "retried")

    def __init__(self, peer: str) -> None:
        self.held = 0
        self.retried = False
        self._head: ResponseHead | None = None
        self._peer = peer
        self._connection: Connection | None = None
        self._pieces: list[bytes] = []
        self._error: BaseException | None = None
        self._waiter: asyncio.Future[None] | None = None

    def __repr__(self) -> str:
        state = "receiving" if self._connection else "failed" if self._error else "complete"
        return f"<Response {self.status} from {self._peer}, {state}>"

    @property
    def status(self) -> int:
        return 0 if self._head is None else self._head.status

    @property
    def headers(self) -> Sequence[Header]:
        return () if self._head is None else self._head.headers

    @property
    def content_length(self) -> int | None:
        return None if self._head is None else self._head.content_length

    async def head(self) -> None:
        """Wait for the head; raises an `UpstreamError` if it does not arrive."""
        while self._head is None and self._error is None:
            await self._change()
        if self._head is None and self._error is not None:
            raise self._error

    def expect(self, connection: Connection) -> None:
        """Expect the response on `connection`."""
        self._connection = connection
        self._error = None

    async def chunk(self) -> bytes:
        """Return all received bytes of the body, at least one; ``b""`` at its regular end.

        Bytes received before a failure are returned before the failure is raised: `UpstreamCutError`,
        `IdleTimeoutError` or `ResponseTooLargeError`. Cancelling aborts the exchange.
        """
        while not self._pieces and self._connection is not None:
            await self._change()
        if self._pieces:
            pieces, self._pieces = self._pieces, []
            self.held = 0
            if self._connection is not None:
                self._connection.resume_reading()
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if self._error is not None:
            raise self._error
        return b""

    async def read(self, limit: int) -> bytes:
        """Return the rest of the body; beyond `limit` bytes the exchange is aborted with
        `ResponseTooLargeError`."""
        pieces: list[bytes] = []
        size = 0
        while piece := await self.chunk():
            pieces.append(piece)
            size += len(piece)
            if size > limit:
                self.abort()
                raise ResponseTooLargeError(f"{self._peer} sent more than {limit} bytes")
        return b"".join(pieces)

    def abort(self) -> None:
        """Abandon the response and close its connection at once; no effect if it has ended."""
        connection = self._connection
        if connection is not None:
            message = f"the exchange with {self._peer} was abandoned"
            self._end(UpstreamCutError(message, head_received=self._head is not None, silent=False))
            connection.abort()

    # What the connection calls

    def on_head(self, head: ResponseHead, data: bytes, ended: bool) -> None:
        self._head = head
        self.on_data(data, ended)

    def on_data(self, data: bytes, ended: bool) -> None:
        if data:
            self._pieces.append(data)
            self.held += len(data)
        if ended:
            self._end(None)
        elif self.held >= HIGH_WATER and self._connection is not None:
            self._connection.pause_reading()
        self._wake()

    def on_error(self, error: BaseException) -> None:
        self._end(error)

    async def _change(self) -> None:
        waiter = self._waiter = asyncio.get_running_loop().create_future()
        try:
            await waiter
        except BaseException:
            self.abort()
            raise
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _end(self, error: BaseException | None) -> None:
        self._connection = None
        self._error = error
        self._wake()
