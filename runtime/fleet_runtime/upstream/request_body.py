"""The body of a request to a provider: bytes, parts that need not be joined, or a source that is read."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final, Protocol

COPIED: Final = 16 * 1024
"""Bodies up to this size are sent in one write with their headers."""
PIECE: Final = 128 * 1024
"""Bodies up to this size are sent in one write, longer ones in parts as the buffer drains."""


class BodySource(Protocol):
    """A body that is not in memory: `length` bytes, read again from the start by every iteration."""

    @property
    def length(self) -> int: ...

    def __aiter__(self) -> AsyncGenerator[bytes, None]: ...


Body = bytes | tuple[bytes | memoryview, ...] | BodySource


def body_size(body: Body) -> int:
    if isinstance(body, bytes):
        return len(body)
    if isinstance(body, tuple):
        return sum(len(part) for part in body)
    return body.length


async def body_pieces(body: Body) -> AsyncGenerator[bytes | memoryview, None]:
    """Yield the body in parts of at most `PIECE` bytes, without copying bytes in memory.

    ValueError if a source yields more or fewer bytes than its `length`.
    """
    if isinstance(body, bytes):
        body = (body,)
    if isinstance(body, tuple):
        for part in body:
            view = memoryview(part)
            for start in range(0, len(view), PIECE):
                yield view[start : start + PIECE]
        return
    left = body.length
    async with aclosing(body.__aiter__()) as pieces:
        async for piece in pieces:
            left -= len(piece)
            if left < 0:
                break
            yield piece
    if left:
        raise ValueError("a request body does not have its declared length")
