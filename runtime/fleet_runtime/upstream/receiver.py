"""What comes back on a connection to a provider, and who takes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

Header = tuple[bytes, bytes]


@dataclass(slots=True)
class ResponseHead:
    """`headers` in the order received, duplicates kept, names in any case; `content_length` is the declared
    one; `until_close`: the body ends where the connection does, because it has no length and no chunks."""

    status: int
    headers: Sequence[Header]
    content_length: int | None
    until_close: bool


class Receiver(Protocol):
    """Takes one response, within the calls that read it: `on_head` once, `on_data` until `ended`; or at any
    time `on_error`, after which nothing comes. No call may raise."""

    def on_head(self, head: ResponseHead, data: bytes, ended: bool) -> None:
        """The head is here, with those bytes of the body that came with it."""

    def on_data(self, data: bytes, ended: bool) -> None:
        """All bytes of the body that came in one read; `ended`: the body is complete."""

    def on_error(self, error: BaseException) -> None:
        """The response will not be completed: an `UpstreamError`, or what the source of a body raised."""
