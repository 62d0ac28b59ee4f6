"""Counters and histograms of the requests to one provider. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Final

from fleet_runtime.proxy.request_record import RequestRecord

SECONDS: Final = (
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
    120.0,
    300.0,
    600.0,
)
OVERHEAD_SECONDS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)


class Histogram:
    """Observations, counted by the smallest of `bounds` that is not below them."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, values: Sequence[float]) -> None:
        bounds, counts = self.bounds, self.counts
        for value in values:
            counts[bisect_left(bounds, value)] += 1
        self.sum += sum(values)

    def buckets(self) -> Iterator[tuple[str, int]]:
        """Yield cumulative counts by upper bound, as Prometheus expects them."""
        return zip((*map(repr, self.bounds), "+Inf"), accumulate(self.counts), strict=True)


class Traffic:
    """The tallies of one provider; times only of requests that were sent to it."""

    __slots__ = ("bytes_in", "bytes_out", "fallbacks", "first_byte", "overhead", "retries", "total")

    def __init__(self) -> None:
        self.bytes_in = 0
        self.bytes_out = 0
        self.retries = 0
        self.fallbacks = 0
        self.first_byte = Histogram(SECONDS)
        self.total = Histogram(SECONDS)
        self.overhead = Histogram(OVERHEAD_SECONDS)

    def add(self, records: Sequence[RequestRecord]) -> None:
        self.bytes_in += sum([record.bytes_in for record in records])
        self.bytes_out += sum([record.bytes_out for record in records])
        self.retries += sum([record.retried for record in records])
        self.fallbacks += sum([record.fallback for record in records])
        total, first_byte, overhead = [], [], []
        for record in records:
            if record.sent_at is not None and record.finished_at is not None:
                total.append(record.finished_at - record.started_at)
                if record.gateway_seconds is not None:
                    overhead.append(record.gateway_seconds)
                if record.headers_at is not None and record.first_byte_at is not None:
                    first_byte.append(record.first_byte_at - record.started_at)
        self.total.observe(total)
        self.overhead.observe(overhead)
        self.first_byte.observe(first_byte)
