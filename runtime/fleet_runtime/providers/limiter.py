"""Limit the requests that a server gets at a time, by its address, across snapshots."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final
from weakref import WeakValueDictionary

from fleet_runtime.artifacts.contract import ProviderConfig
from fleet_runtime.urls import parse_url

QUEUE_PER_SLOT: Final = 4
"""The number of queued requests per slot of a provider."""


class QueueFullError(Exception):
    """The provider is at its concurrency limit and its queue is full."""


class ConcurrencyLimiter:
    """Allows `limit` requests at a time, and a queue of `QUEUE_PER_SLOT` times as many, first come first
    served.

    A lower limit takes effect as running requests end, a higher one at once.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._running = 0
        self._queue: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        return len(self._queue)

    @property
    def limit(self) -> int:
        return self._limit

    @limit.setter
    def limit(self, limit: int) -> None:
        self._limit = limit
        self._admit()

    def try_enter(self) -> bool:
        """Take a slot if one is free."""
        if self._running >= self._limit:
            return False
        self._running += 1
        return True

    async def enter(self) -> None:
        """Take a slot, waiting for one in the queue; raises `QueueFullError` if the queue is full."""
        if self.try_enter():
            return
        if len(self._queue) >= self._limit * QUEUE_PER_SLOT:
            raise QueueFullError
        turn = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._queue.remove(turn)
            else:
                self.leave()
            raise

    def leave(self) -> None:
        """Release the slot, to the first request in the queue if there is one."""
        self._running -= 1
        if self._queue:
            self._admit()

    def _admit(self) -> None:
        for turn in tuple(self._queue):
            if self._running >= self._limit:
                return
            if not turn.done():
                self._queue.remove(turn)
                self._running += 1
                turn.set_result(None)


class LimiterPool:
    """The limiters of this process by address, each alive as long as a provider or one of its requests is."""

    def __init__(self) -> None:
        self._by_address: WeakValueDictionary[str, ConcurrencyLimiter] = WeakValueDictionary()

    def limiters(self, configs: Iterable[ProviderConfig]) -> Mapping[str, ConcurrencyLimiter]:
        """Return the limiters of a snapshot by provider; providers of one address share the lowest limit."""
        limits: dict[str, int] = {}
        addresses: dict[str, str] = {}
        for config in configs:
            if config.max_concurrency is not None:
                address = addresses[config.name] = parse_url(config.url).authority
                limits[address] = min(limits.get(address, config.max_concurrency), config.max_concurrency)
        found = {}
        for name, address in addresses.items():
            limiter = self._by_address.setdefault(address, ConcurrencyLimiter(limits[address]))
            limiter.limit = limits[address]
            found[name] = limiter
        return found
