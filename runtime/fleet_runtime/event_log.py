"""The event log: a feed that any number of readers follow at their own pace.

The log is bounded in events and bytes. A reader keeps only its position, so a slow reader does not affect
others. A reader that falls behind the log, or reconnects after a restart, gets `Resync` and must read
everything again.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import islice

import msgspec

from fleet_runtime.events import EventData, Resync, Topic

CAPACITY = 1024
MAX_BYTES = 1_000_000
MAX_DIGITS = 19


@dataclass(frozen=True, slots=True)
class Event:
    """`id` is ``<run>-<number>``: the run of the gateway and a number that grows by one."""

    id: str
    data: EventData

    @property
    def topic(self) -> Topic:
        return self.data.topic

    def encoded(self) -> bytes:
        """Return it as a server-sent event."""
        head = f"id: {self.id}\nevent: {self.topic}\ndata: ".encode()
        return head + msgspec.json.encode(self.data) + b"\n\n"


@dataclass(slots=True)
class EventLog:
    """The last events of this run: at most `CAPACITY`, and at most `MAX_BYTES` encoded."""

    run: str = field(default_factory=lambda: secrets.token_hex(4))
    newest: int = 0
    _events: deque[Event] = field(default_factory=deque)
    _size: int = 0
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _closed: bool = False

    def publish(self, data: EventData) -> None:
        self.newest += 1
        event = Event(self._id(self.newest), data)
        self._events.append(event)
        self._size += len(event.encoded())
        while len(self._events) > CAPACITY or (self._size > MAX_BYTES and len(self._events) > 1):
            self._size -= len(self._events.popleft().encoded())
        self._news.set()
        self._news = asyncio.Event()

    def close(self) -> None:
        """Close the log: readers end after the last event."""
        self._closed = True
        self._news.set()

    def follow(self, last_id: str | None = None) -> AsyncIterator[Event]:
        """Return the events after `last_id` (None: after this call), until the log is closed."""
        return self._single(self._batches(self._place(last_id), 1))

    def follow_batches(self, last_id: str | None = None) -> AsyncIterator[tuple[Event, ...]]:
        """Return the same events in batches of all that are available."""
        return self._batches(self._place(last_id), CAPACITY)

    @staticmethod
    async def _single(batches: AsyncIterator[tuple[Event, ...]]) -> AsyncIterator[Event]:
        async for (event,) in batches:
            yield event

    async def _batches(self, place: int | None, most: int) -> AsyncIterator[tuple[Event, ...]]:
        while True:
            oldest = self.newest - len(self._events) + 1
            if place is None or place < oldest - 1 or place > self.newest:
                place = self.newest
                yield (Event(self._id(place), Resync()),)
            elif place < self.newest:
                start = place + 1 - oldest
                batch = tuple(islice(self._events, start, start + most))
                place += len(batch)
                yield batch
            elif self._closed:
                return
            else:
                await self._news.wait()

    def _place(self, last_id: str | None) -> int | None:
        return self.newest if last_id is None else self._number(last_id)

    def _id(self, number: int) -> str:
        return f"{self.run}-{number}"

    def _number(self, id: str) -> int | None:
        run, _, number = id.partition("-")
        known = run == self.run and len(number) <= MAX_DIGITS and number.isascii() and number.isdigit()
        return int(number) if known else None
