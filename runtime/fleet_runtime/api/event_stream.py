"""``GET /api/events`` as it is sent: the feed of events as server-sent events, until the client is gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from fleet_runtime.edge.asgi import Receive, Send
from fleet_runtime.event_log import Event
from fleet_runtime.events import EventData, ModelsChange, ProviderChange, StateChange
from fleet_runtime.gateway.service import Service

KEEP_ALIVE_SECONDS = 15.0
MEDIA_TYPE: Final = "text/event-stream"
DESCRIPTION: Final = """\
Each event is three lines, `id`, `event` and `data`; `FleetEvent` describes the last two together.
After `resync`, read everything again. While nothing happens, a comment is sent now and then.
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
    """The events after `last_id` (without one: from now on) that concern providers of `surface`."""

    service: Service
    surface: str | None
    last_id: str | None

    async def send(self, receive: Receive, send: Send, *, head_only: bool = False) -> None:
        """Send the events, and a comment if there is none for a while, so that a dead client is noticed."""
        await send({"type": "http.response.start", "status": 200, "headers": list(_HEADERS)})
        if head_only:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        await _send_piece(send, b": connected\n\n")
        events = self._events()
        pending = asyncio.ensure_future(anext(events, None))
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            while not gone.done():
                await asyncio.wait(
                    {pending, gone}, timeout=KEEP_ALIVE_SECONDS, return_when=asyncio.FIRST_COMPLETED
                )
                if pending.done():
                    event = pending.result()
                    if event is None:
                        break
                    await _send_piece(send, event.encoded())
                    pending = asyncio.ensure_future(anext(events, None))
                elif not gone.done():
                    await _send_piece(send, b": still here\n\n")
        finally:
            pending.cancel()
            gone.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _events(self) -> AsyncIterator[Event]:
        async for event in self.service.events.follow(self.last_id):
            if self.surface is None or self._concerns_surface(event.data):
                yield event

    def _concerns_surface(self, data: EventData) -> bool:
        name = _provider(data)
        table = self.service.live.snapshot.table(self.surface)
        if name is None or table is None:
            return name is None
        return any(provider.name == name for provider in table.providers)


def _provider(data: EventData) -> str | None:
    """Return the name of the provider that an event is about, None if it is about all."""
    match data:
        case ProviderChange() | ModelsChange():
            return data.provider
        case StateChange():
            return data.id.partition("/")[0]
        case _:
            return None


async def _send_piece(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
