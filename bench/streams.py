"""Read many streams concurrently, and compare every byte.

    python -m bench.streams '{"port": …, "path": …, "model": …, "headers": {…}}' STREAMS CHUNKS SPREAD

Opens STREAMS connections, evenly spread over SPREAD seconds, requests a stream of CHUNKS events on each and
prints a `Reading` as JSON.
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

TIMEOUT_SECONDS = 60.0
"""The time limit of a run."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The results of `streams` streams: `events` received, streams with `changed` bytes (including truncated
    ones), `failed` streams without a byte, and the time to the first chunk of the body in milliseconds."""

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
        self.sent_at = 0.0
        self.first_chunk_at: float | None = None
        self.chunks: list[bytes] = []
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.sent_at = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        if self.first_chunk_at is None:
            self.first_chunk_at = time.perf_counter()
        self.chunks.append(body)

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
    await asyncio.wait(ends, timeout=TIMEOUT_SECONDS)
    ended = time.perf_counter()
    bodies = [b"".join(reader.chunks) for reader in readers]
    expected = (
        b"".join(event(stream, number) for number in range(chunks)) + SSE_END for stream in range(streams)
    )
    waits = [
        (reader.first_chunk_at - reader.sent_at) * 1000
        for reader in readers
        if reader.first_chunk_at is not None
    ]
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
    """Read the streams in a separate process on `core`."""
    command = [sys.executable, "-m", "bench.streams", json.dumps(asdict(target))]
    command = pinned(core, [*command, str(streams), str(chunks), str(spread)])
    run = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=2 * TIMEOUT_SECONDS)
    return Reading(**json.loads(run.stdout))


if __name__ == "__main__":
    reading = uvloop.run(
        read_streams(
            Target(**json.loads(sys.argv[1])), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
        )
    )
    print(json.dumps(asdict(reading)))
