"""Event feeds of servers that announce loading and unloading of models.

An event only triggers a probe; facts are always read from probe responses.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Feed:
    """A stream of server-sent events below the server's root; `mark` occurs in the relevant events."""

    path: str
    mark: bytes


@dataclass(slots=True)
class FeedReader:
    """Finds a feed's mark in its bytes, even across chunks."""

    feed: Feed
    _tail: bytes = field(default=b"")

    def matters(self, chunk: bytes) -> bool:
        """Return whether `chunk`, after all that came before it, completes a mark."""
        text = self._tail + chunk
        self._tail = text[len(text) - min(len(text), len(self.feed.mark) - 1) :]
        return self.feed.mark in text
