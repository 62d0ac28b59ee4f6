"""One provider as the gateway holds it: its connections, its key, and how many requests it may have."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from fleet_runtime.artifacts.contract import ProviderConfig, Via
from fleet_runtime.upstream import Upstream
from fleet_runtime.urls import parse_url

QUEUE_PER_SLOT: Final = 4
"""Requests that may wait for a machine, for each one that it may have at a time."""


class QueueFullError(Exception):
    """The machine has all the requests it may have, and the waiting room is full."""


class ConcurrencyLimiter:
    """At most `limit` requests at a time, and `room` more that wait, served in the order they came."""

    def __init__(self, limit: int, room: int) -> None:
        self.limit = limit
        self.room = room
        self._running = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    async def enter(self) -> None:
        """Take a slot, waiting for one if there is room to wait; raises `QueueFullError` if there is none."""
        if self._running < self.limit:
            self._running += 1
            return
        if len(self._waiting) >= self.room:
            raise QueueFullError
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._waiting.remove(turn)
            else:
                self.leave()
            raise

    def leave(self) -> None:
        """Give the slot back: to the first that waits, if any does."""
        for turn in self._waiting:
            if not turn.done():
                self._waiting.remove(turn)
                turn.set_result(None)
                return
        self._running -= 1


class Provider:
    """`in_flight` counts the running requests by model; `key` is the machine's own API key."""

    def __init__(
        self, config: ProviderConfig, upstream: Upstream, sidecar: Upstream | None, key: str | None
    ) -> None:
        self.config = config
        self.upstream = upstream
        self.sidecar = sidecar
        self.key = key
        self.in_flight: dict[str, int] = {}
        limit = config.max_concurrency
        self._gate = None if limit is None else ConcurrencyLimiter(limit, limit * QUEUE_PER_SLOT)
        self._api = parse_url(config.api_base).path
        self._root = parse_url(config.url).path
        self._sidecar_root = ""
        self._sidecar_paths: frozenset[str] = frozenset()
        if config.sidecar is not None:
            self._sidecar_root = parse_url(config.sidecar.url).path
            self._sidecar_paths = frozenset(config.sidecar.paths)

    def __repr__(self) -> str:
        running = sum(self.in_flight.values())
        return f"<Provider {self.config.name}: {running} in flight, {self.waiting} waiting>"

    @property
    def waiting(self) -> int:
        return self._gate.waiting if self._gate else 0

    def via(self, path: str) -> Via:
        """Which of the machine's servers answers an endpoint (``/v1/…`` or llama.cpp's own path)."""
        return "sidecar" if path in self._sidecar_paths else "direct"

    def target(self, path: str) -> tuple[Via, Upstream, bytes]:
        """Where a request to an endpoint goes: which server, the connection to it, the path there."""
        if self.sidecar is not None and self.via(path) == "sidecar":
            return "sidecar", self.sidecar, (self._sidecar_root + path).encode()
        if path.startswith("/v1/"):
            return "direct", self.upstream, (self._api + path.removeprefix("/v1")).encode()
        return "direct", self.upstream, (self._root + path).encode()

    async def enter(self, model: str) -> None:
        """Begin a request for `model`; raises `QueueFullError`. Each is ended by `leave`."""
        if self._gate is not None:
            await self._gate.enter()
        self.in_flight[model] = self.in_flight.get(model, 0) + 1

    def leave(self, model: str) -> None:
        left = self.in_flight[model] - 1
        if left:
            self.in_flight[model] = left
        else:
            del self.in_flight[model]
        if self._gate is not None:
            self._gate.leave()

    def credentials(self, anthropic: bool) -> list[tuple[bytes, bytes]]:
        """The machine's own key as headers; the Messages API has a header of its own for it."""
        if self.key is None:
            return []
        key = self.key.encode()
        bearer = (b"authorization", b"Bearer " + key)
        return [bearer, (b"x-api-key", key)] if anthropic else [bearer]
