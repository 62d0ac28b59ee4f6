"""A provider that responds to every chat request with a stream of events at a constant rate.

    python -m bench.paced PORT MILLISECONDS

It sends the first event at once and the following ones `MILLISECONDS` apart, on a schedule that does not
drift.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from collections.abc import Iterator
from typing import cast

import httptools
import uvloop

from bench.messages import MODEL_LIST, SSE_END, event

RESPONSE_HEADERS = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)


class PacedProvider(asyncio.Protocol):
    """One connection; `pace` is the time between two events in seconds."""

    def __init__(self, pace: float) -> None:
        self._pace = pace
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._body = b""
        self._events: Iterator[bytes] = iter(())
        self._next = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._body = b""

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        if self._parser.get_method() == b"GET":
            body = MODEL_LIST.encode()
            headers = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
            self._transport.write(headers % len(body) + body)
            return
        request = json.loads(self._body)
        stream, chunks = int(request.get("seed", 0)), int(request["max_tokens"])
        self._events = iter([*(event(stream, number) for number in range(chunks)), SSE_END])
        self._next = self._loop.time()
        self._transport.write(RESPONSE_HEADERS)
        self._send_event()

    def _send_event(self) -> None:
        data = next(self._events)
        last = data is SSE_END
        self._transport.write(b"%x\r\n%s\r\n" % (len(data), data) + (b"0\r\n\r\n" if last else b""))
        if not last:
            self._next += self._pace
            self._timer = self._loop.call_at(self._next, self._send_event)


async def serve(port: int, pace: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: PacedProvider(pace), "127.0.0.1", port, backlog=2048)
    gc.freeze()
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), float(sys.argv[2]) / 1000))
