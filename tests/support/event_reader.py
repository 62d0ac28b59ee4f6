"""Reading ``/api/events`` as a consumer does."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.support.stack import Stack
from tests.support.waiting import eventually

Event = dict[str, Any]


@dataclass(slots=True)
class Feed:
    """The events that came so far, as ``{"id", "event", "data"}``."""

    events: list[Event] = field(default_factory=list)
    connected: threading.Event = field(default_factory=threading.Event)

    def of(self, topic: str) -> list[Any]:
        """The data of one topic's events."""
        return [event["data"] for event in self.events if event["event"] == topic]

    def until(self, topic: str, data: dict[str, Any], seconds: float = 10) -> None:
        """Return once an event of `topic` has come whose data have at least the items of `data`."""
        eventually(lambda: any(data.items() <= seen.items() for seen in self.of(topic)), seconds)


@contextlib.contextmanager
def following(stack: Stack, last_id: str | None = None) -> Iterator[Feed]:
    """Follow the events of a gateway in a separate thread, until the end of the block."""
    feed = Feed()
    headers = {} if last_id is None else {"last-event-id": last_id}
    with (
        httpx.Client(base_url=stack.url, timeout=30, verify=False, trust_env=False) as client,
        client.stream("GET", "/api/events", headers=headers) as answer,
    ):
        reader = threading.Thread(target=_read, args=(answer, feed))
        reader.start()
        try:
            assert feed.connected.wait(10)
            yield feed
        finally:
            answer.extensions["network_stream"].get_extra_info("socket").shutdown(2)
            reader.join()


def _read(answer: httpx.Response, feed: Feed) -> None:
    event: Event = {}
    with contextlib.suppress(httpx.TransportError):
        for line in answer.iter_lines():
            name, _, value = line.partition(": ")
            if line.startswith(":"):
                feed.connected.set()
            elif line:
                event[name] = json.loads(value) if name == "data" else value
            elif event:
                feed.events.append(event)
                event = {}
