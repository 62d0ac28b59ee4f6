"""One answer of an upstream: its head, and its body as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Protocol

from fleet_runtime.upstream.errors import ResponseTooLargeError, UpstreamCutError

HIGH_WATER = 256 * 1024
"""Bytes held for a slow reader before the upstream is no longer read."""


ChunkSink = Callable[[bytes], bool]
"""Takes a piece of a body; whether it will take another one at once."""


class BodySource(Protocol):
    """A request body that is not in memory: `length` bytes, given anew by every iteration."""

    @property
    def length(self) -> int: ...

    def __aiter__(self) -> AsyncGenerator[bytes, None]: ...


class ConnectionControl(Protocol):
    """The connection that an unfinished answer still comes from."""

    def resume(self) -> None: ...

    def abort(self) -> None: ...


class Response:
    """The answer to one request, for one reader, who must read it to its end or call `abort`.

    `headers` are raw: order, duplicates and spelling as received; trailers are dropped. `content_length`
    is the declared one; `until_close`: the body ends where the connection does, for want of a length and of
    chunks. `retried`: the request was sent a second time, on a new connection. `complete` is
    the whole body once all of it is here and no chunk was taken, else None; it need not be read then.
    """

    __slots__ = (
        "_error",
        "_held",
        "_line",
        "_peer",
        "_pieces",
        "_sink",
        "_sink_full",
        "_taken",
        "_waiter",
        "complete",
        "content_length",
        "headers",
        "retried",
        "status",
        "until_close",
    )

    def __init__(self, line: ConnectionControl, peer: str) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.content_length: int | None = None
        self.until_close = False
        self.retried = False
        self.complete: bytes | None = None
        self._line: ConnectionControl | None = line
        self._peer = peer
        self._pieces: list[bytes] = []
        self._held = 0
        self._taken = False
        self._sink: ChunkSink | None = None
        self._sink_full = False
        self._error: BaseException | None = None
        self._waiter: asyncio.Future[None] | None = None

    def __repr__(self) -> str:
        state = "receiving" if self._line else "failed" if self._error else "complete"
        return f"<Response {self.status} from {self._peer}, {state}>"

    async def chunk(self) -> bytes:
        """All bytes of the body that are here, at least one; ``b""`` at its proper end.

        What came before a failure is given before the failure is raised: UpstreamCut, IdleTimeout or
        BadUpstreamAnswer. Cancelling aborts the exchange.
        """
        while not self._pieces and self._line is not None:
            await self._change()
        self._taken = True
        self.complete = None
        if self._pieces:
            return self._take()
        if self._error is not None:
            raise self._error
        return b""

    async def forward(self, sink: ChunkSink) -> bool:
        """Hands what comes to `sink` as it comes, within the call that reads it, which is half of the work
        of `chunk`. True at the body's proper end; False as soon as `sink` is: what comes is held until the
        next call. Raises as `chunk` does.
        """
        self._taken = True
        self.complete = None
        while True:
            if self._pieces:
                if not sink(self._take()):
                    return False
            elif self._error is not None:
                raise self._error
            elif self._line is None:
                return True
            else:
                self._sink, self._sink_full = sink, False
                await self._change()
                self._sink = None
                if self._sink_full:
                    return False

    async def read(self, limit: int) -> bytes:
        """The rest of the body; beyond `limit` bytes the exchange is aborted with BadUpstreamAnswer."""
        pieces: list[bytes] = []
        size = 0
        while piece := await self.chunk():
            pieces.append(piece)
            size += len(piece)
            if size > limit:
                self.abort()
                raise ResponseTooLargeError(f"{self._peer} sent a response of more than {limit} bytes")
        return b"".join(pieces)

    def abort(self) -> None:
        """Gives the answer up and closes its connection at once; nothing happens once it has ended."""
        line = self._line
        if line is not None:
            given_up = f"the exchange with {self._peer} was given up"
            self._end(UpstreamCutError(given_up, head_received=self.status != 0, silent=False))
            line.abort()

    async def _head(self) -> None:
        """Returns when the head is here, raises when it will not come."""
        while not self.status and self._line is not None:
            await self._change()
        if self._error is not None and not self.status:
            raise self._error

    async def _change(self) -> None:
        waiter = self._waiter = asyncio.get_running_loop().create_future()
        try:
            await waiter
        except BaseException:
            self._sink = None
            self.abort()
            raise
        finally:
            self._waiter = None

    def _take(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        if self._held >= HIGH_WATER and self._line is not None:
            self._line.resume()
        self._held = 0
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _arrived(self) -> None:
        """More of the head or the body is here."""
        if self._sink is None:
            self._wake()
        elif self._pieces and not self._sink(self._take()):
            self._sink = None
            self._sink_full = True
            self._wake()

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _end(self, error: BaseException | None) -> None:
        """The answer ends here, properly or not, and the connection is no longer its."""
        self._line = None
        self._error = error
        if error is None and not self._taken:
            body = self.complete = b"".join(self._pieces)
            self._pieces = [body] if body else []
        self._wake()
