"""Servers that tell when a model loads or unloads: where, and which of the bytes that come mean that.

A feed is only a reason to look again: the facts are read from the same answers as ever. llama-swap's
``/api/events`` (commit 0bdb3720) double-encodes its ``modelStatus`` data and sends logs and more beside
it; llama.cpp's router (0c1e570) sends nothing but changes of models on ``/models/sse``, and a
llama-server that is no router has no such path.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fleet_runtime.artifacts.contract import ProviderKind


@dataclass(frozen=True, slots=True)
class Feed:
    """A stream of server-sent events below the server's root; `mark` occurs in those that matter."""

    path: str
    mark: bytes


FEEDS: Mapping[ProviderKind, Feed] = {
    "llama-swap": Feed("/api/events", b"modelStatus"),
    "llama-server": Feed("/models/sse", b'"event"'),
}


@dataclass(slots=True)
class FeedReader:
    """Finds a feed's mark in its bytes, however they are cut."""

    feed: Feed
    _tail: bytes = field(default=b"")

    def matters(self, piece: bytes) -> bool:
        """Whether `piece`, after all that came before it, completes a mark."""
        text = self._tail + piece
        self._tail = text[len(text) - min(len(text), len(self.feed.mark) - 1) :]
        return self.feed.mark in text
