"""Many streams read at once, and every byte of them compared.

    python -m bench.streams '{"port": …, "path": …, "model": …, "headers": {…}}' STREAMS CHUNKS SPREAD

Opens STREAMS connections, evenly over SPREAD seconds, asks each for an answer of CHUNKS events and prints a
`Reading` as JSON.
"""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from typing import cast

import httptools
import uvloop

from bench.messages import SSE_END, Target, event, stream_prompt
from bench.processes import pinned

PATIENCE = 60.0
"""Seconds that the streams may take together."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of `streams` streams: `events` that came, streams whose bytes are `changed` (a cut one
    among them), `failed` ones without any, and milliseconds until the first chunk of the body."""

    streams: int
    events: int
    expected_events: int
    changed: int
    failed: int
    first_chunk_p50: float
    first_chunk_p99: float
    seconds: float


class StreamReader(asyncio.Protocol):
    def __init__(self, request: bytes, done: asyncio.Future[None]) -> None:
        self._request = request
        self._done = done
        self._parser = httptools.HttpResponseParser(self)
        self.asked = 0.0
        self.first: float | None = None
        self.pieces: list[bytes] = []
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.asked = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        if self.first is None:
            self.first = time.perf_counter()
        self.pieces.append(body)

    def on_message_complete(self) -> None:
        self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_result(None)


async def read_streams(target: Target, streams: int, chunks: int, spread: float) -> Reading:
    loop = asyncio.get_running_loop()
    readers: list[StreamReader] = []
    ends: list[asyncio.Future[None]] = []
    gc.freeze()
    started = time.perf_counter()
    for stream in range(streams):
        due = started + spread * stream / streams
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        done = loop.create_future()
        reader = StreamReader(target.request(stream_prompt(target.model, stream, chunks)), done)
        await loop.create_connection(lambda reader=reader: reader, "127.0.0.1", target.port)  # type: ignore[misc]
        readers.append(reader)
        ends.append(done)
    await asyncio.wait(ends, timeout=PATIENCE)
    ended = time.perf_counter()
    bodies = [b"".join(reader.pieces) for reader in readers]
    expected = (
        b"".join(event(stream, number) for number in range(chunks)) + SSE_END for stream in range(streams)
    )
    waits = [(reader.first - reader.asked) * 1000 for reader in readers if reader.first is not None]
    return Reading(
        streams=streams,
        events=sum(body.count(b"data: ") for body in bodies),
        expected_events=streams * (chunks + 1),
        changed=sum(body != wanted for body, wanted in zip(bodies, expected, strict=True)),
        failed=sum(not body for body in bodies),
        first_chunk_p50=_percentile(waits, 50),
        first_chunk_p99=_percentile(waits, 99),
        seconds=ended - started,
    )


def _percentile(values: list[float], percent: int) -> float:
    return sorted(values)[len(values) * percent // 100] if values else 0.0


def measure_streams(core: int, target: Target, streams: int, chunks: int, spread: float) -> Reading:
    """A reading taken by a process of its own on `core`."""
    command = [sys.executable, "-m", "bench.streams", json.dumps(asdict(target))]
    asked = pinned(core, [*command, str(streams), str(chunks), str(spread)])
    told = subprocess.run(asked, check=True, stdout=subprocess.PIPE, timeout=2 * PATIENCE).stdout
    return Reading(**json.loads(told))


if __name__ == "__main__":
    reading = uvloop.run(
        read_streams(
            Target(**json.loads(sys.argv[1])), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
        )
    )
    print(json.dumps(asdict(reading)))
