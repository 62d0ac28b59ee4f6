"""``GET /api/events``: send events as server-sent events until the client disconnects."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from fleet_runtime.api.coalesce import coalesce
from fleet_runtime.edge.asgi import Receive, Send
from fleet_runtime.event_log import Event
from fleet_runtime.events import (
    FREQUENT,
    ActivityChange,
    EventData,
    ModelsChange,
    ProviderChange,
    StateChange,
    Topic,
)
from fleet_runtime.gateway.service import Service

KEEP_ALIVE_SECONDS = 15.0
BATCH_SECONDS: Final = 0.1
MEDIA_TYPE: Final = "text/event-stream"
DESCRIPTION: Final = """\
Each event has the lines `id`, `event` and `data`; `FleetEvent` describes the last two together.
After `resync`, read everything again. Comments are sent while there is no event. With `topics`,
of several events about one thing within 0.1 s only the newest is sent; `activity` is sent only if named.
"""
EXAMPLE: Final = (
    ": connected\n\n"
    "id: 1f0c9a3e-41\nevent: provider\n"
    'data: {"provider":"embedding","status":"offline","was":"online","reason":"connection refused",'
    '"reason_code":"connection_refused"}\n\n'
    "id: 1f0c9a3e-42\nevent: state\n"
    'data: {"id":"sam-desktop/qwen3-8b","state":"loading"}\n\n'
)
_HEADERS: Final = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
)


@dataclass(frozen=True, slots=True)
class EventStream:
    """The events after `last_id` (None: from now on) about providers of `surface`.

    `topics` limits them to these topics, coalesced, at most one batch per `BATCH_SECONDS`.
    """

    service: Service
    surface: str | None
    topics: frozenset[Topic] | None
    last_id: str | None

    async def send(self, receive: Receive, send: Send, *, head_only: bool = False) -> None:
        """Send the events, and comments while there are none, so that a dead client is noticed."""
        batches = self.service.events.follow_batches(self.last_id)
        await send({"type": "http.response.start", "status": 200, "headers": list(_HEADERS)})
        if head_only:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        await _send_chunk(send, b": connected\n\n")
        pending = asyncio.ensure_future(anext(batches, None))
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            while not gone.done():
                await asyncio.wait(
                    {pending, gone}, timeout=KEEP_ALIVE_SECONDS, return_when=asyncio.FIRST_COMPLETED
                )
                if pending.done():
                    batch = pending.result()
                    if batch is None:
                        break
                    for event in self._select(batch):
                        await _send_chunk(send, event.encoded())
                    if self.topics is not None:
                        await asyncio.wait({gone}, timeout=BATCH_SECONDS)
                    pending = asyncio.ensure_future(anext(batches, None))
                elif not gone.done():
                    await _send_chunk(send, b": still here\n\n")
        finally:
            pending.cancel()
            gone.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _select(self, batch: tuple[Event, ...]) -> Iterable[Event]:
        """Return the events of a batch that are for this reader."""
        events = [event for event in batch if self._concerns_surface(event.data)]
        if self.topics is None:
            return [event for event in events if event.topic not in FREQUENT]
        topics = self.topics | {"resync"}
        return coalesce(event for event in events if event.topic in topics)

    def _concerns_surface(self, data: EventData) -> bool:
        if isinstance(data, ActivityChange) and self.surface is not None:
            return data.surface == self.surface
        name = _provider(data)
        if name is None or self.surface is None:
            return True
        table = self.service.live.snapshot.table(self.surface)
        return table is not None and any(provider.name == name for provider in table.providers)


def _provider(data: EventData) -> str | None:
    """Return the provider of an event, None if it concerns all providers."""
    match data:
        case ProviderChange() | ModelsChange():
            return data.provider
        case StateChange():
            return data.id.partition("/")[0]
        case _:
            return None


async def _send_chunk(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
