"""What ``/metrics`` shows: tallies of the requests that are over, and the state when it is scraped.

A request costs a few additions to plain numbers, made for many requests together; prometheus-client makes
text of them at a scrape. The names
and labels are part of the gateway's interface: docs/gateway.md lists them all.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Final, Literal, Protocol, get_args

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from fleet_runtime.artifacts.contract import ProviderStatus
from fleet_runtime.providers.provider import Provider
from fleet_runtime.providers.waker import WakeResult
from fleet_runtime.proxy.request_record import RequestRecord
from fleet_runtime.telemetry.activity import Finished

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

ReloadResult = Literal["loaded", "unchanged", "refused"]

TOKENS: Final = ("in", "out", "cached")
NONE: Final = "none"
"""The label of a request without the path of a surface, or without the name of a provider."""

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
_LABELS: Final = attrgetter("surface", "provider", "end_reason")
OVERHEAD_SECONDS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)


class MetricsSource(Protocol):
    """What ``/metrics`` reads when it is scraped.

    `providers`: all that may still have requests, those of former snapshots included. `statuses`: one for
    each provider of the snapshot that serves, in its order. `refused`: why the generated folder was rejected.
    """

    @property
    def providers(self) -> Iterable[Provider]: ...

    @property
    def statuses(self) -> Mapping[str, ProviderStatus]: ...

    @property
    def refused(self) -> str | None: ...

    @property
    def is_store_up(self) -> bool: ...

    @property
    def log_lines_dropped(self) -> Callable[[], int]: ...


@dataclass(frozen=True, slots=True)
class _Scraped:
    """The source as it is when it is scraped."""

    in_flight: Mapping[str, int]
    statuses: Mapping[str, ProviderStatus]
    refused: bool
    is_store_up: bool
    log_lines_dropped: int
    wakes: tuple[tuple[tuple[str, str], int], ...]
    """How often each provider was woken, by its name and the result."""

    @classmethod
    def of(cls, source: MetricsSource) -> _Scraped:
        in_flight = Counter(dict.fromkeys(source.statuses, 0))
        for provider in source.providers:
            in_flight[provider.config.name] += sum(provider.in_flight.values())
        wakes = tuple(
            ((provider.config.name, result), provider.waker.results[result])
            for provider in source.providers
            if provider.waker is not None
            for result in get_args(WakeResult)
        )
        refused = source.refused is not None
        dropped = source.log_lines_dropped()
        return cls(in_flight, source.statuses, refused, source.is_store_up, dropped, wakes)


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

    def buckets(self) -> list[tuple[str, float]]:
        """Return cumulative counts by upper bound, as Prometheus expects them."""
        total = 0
        buckets: list[tuple[str, float]] = []
        for bound, count in zip((*self.bounds, float("inf")), self.counts, strict=True):
            total += count
            buckets.append(("+Inf" if bound == float("inf") else repr(bound), total))
        return buckets


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


class Metrics:
    """The tallies of one gateway, for as long as its process runs; `add` and `reloaded` add to them."""

    def __init__(self, source: MetricsSource) -> None:
        self._source = source
        self._scraped = _Scraped.of(source)
        self._is_read = False
        self._pending: list[RequestRecord] = []
        self._requests: Counter[tuple[str | None, str | None, str]] = Counter()
        self._traffic: defaultdict[str | None, Traffic] = defaultdict(Traffic)
        self._tokens: defaultdict[str | None, list[int]] = defaultdict(lambda: [0] * len(TOKENS))
        self._reloads: Counter[ReloadResult] = Counter()
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def add(self, records: Sequence[RequestRecord]) -> None:
        """Count requests that are over, however they ended; only those for inference count."""
        self._pending += [record for record in records if record.inference]
        if not self._is_read:
            self._count()

    def _count(self) -> None:
        pending, self._pending = self._pending, []
        self._requests.update(map(_LABELS, pending))
        by_provider: defaultdict[str | None, list[RequestRecord]] = defaultdict(list)
        for record in pending:
            by_provider[record.provider].append(record)
        for provider, records in by_provider.items():
            self._traffic[provider].add(records)

    def count_tokens(self, finished: Iterable[Finished]) -> None:
        """Add the tokens that providers stated for requests that are over."""
        for record, tokens, _ in finished:
            if tokens is not None:
                counts = self._tokens[record.provider]
                counts[0] += tokens.prompt or 0
                counts[1] += tokens.response or 0
                counts[2] += tokens.cached or 0

    def reloaded(self, result: ReloadResult) -> None:
        self._reloads[result] += 1

    def exposition(self) -> bytes:
        """Return the body of ``/metrics``, in Prometheus' text format."""
        self._count()
        self._scraped = _Scraped.of(self._source)
        return generate_latest(self._registry)

    async def exposition_of_many(self) -> bytes:
        """As `exposition`, with the text made in a thread; meanwhile nothing is counted. One at a time."""
        self._count()
        self._scraped, self._is_read = _Scraped.of(self._source), True
        try:
            return await asyncio.to_thread(generate_latest, self._registry)
        finally:
            self._is_read = False

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "fleet_requests", "inference requests that are over", labels=("surface", "provider", "end_reason")
        )
        for (surface, provider, end_reason), count in self._requests.items():
            requests.add_metric((surface or NONE, provider or NONE, end_reason), count)
        yield requests
        yield from self._traffic_families()
        yield from self._fleet_families()
        reloads = CounterMetricFamily(
            "fleet_reloads", "times that the generated folder was read", labels=("result",)
        )
        for result in get_args(ReloadResult):
            reloads.add_metric((result,), self._reloads[result])
        yield reloads
        yield CounterMetricFamily(
            "fleet_log_lines_dropped", "log lines that were not written", self._scraped.log_lines_dropped
        )

    def _traffic_families(self) -> Iterator[Metric]:
        by_name = [(provider or NONE, traffic) for provider, traffic in self._traffic.items()]
        counters = (
            ("fleet_request_bytes", "bytes of request bodies", "bytes_in"),
            ("fleet_response_bytes", "bytes of response bodies", "bytes_out"),
            ("fleet_retries", "requests sent again on a new connection", "retries"),
            ("fleet_fallbacks", "requests that went to a later choice", "fallbacks"),
        )
        for name, help_text, attribute in counters:
            family = CounterMetricFamily(name, help_text, labels=("provider",))
            for provider, traffic in by_name:
                family.add_metric((provider,), getattr(traffic, attribute))
            yield family
        tokens = CounterMetricFamily(
            "fleet_tokens",
            "tokens that providers stated in their responses",
            labels=("provider", "direction"),
        )
        for stated_by, counts in self._tokens.items():
            for direction, count in zip(TOKENS, counts, strict=True):
                tokens.add_metric((stated_by or NONE, direction), count)
        yield tokens
        histograms = (
            (
                "fleet_first_byte_seconds",
                "from a request's headers to its response's first byte",
                "first_byte",
            ),
            ("fleet_request_seconds", "from a request's headers to the end of its response", "total"),
            ("fleet_overhead_seconds", "the gateway's own time until the response headers", "overhead"),
        )
        for name, help_text, attribute in histograms:
            observed = HistogramMetricFamily(name, help_text, labels=("provider",))
            for provider, traffic in by_name:
                histogram: Histogram = getattr(traffic, attribute)
                observed.add_metric((provider,), histogram.buckets(), histogram.sum)
            yield observed

    def _fleet_families(self) -> Iterator[Metric]:
        scraped, current = self._scraped, self._scraped.statuses
        gauge = GaugeMetricFamily("fleet_in_flight", "requests that a provider has now", labels=("provider",))
        for name, count in scraped.in_flight.items():
            if count or name in current:
                gauge.add_metric((name,), count)
        yield gauge
        statuses = GaugeMetricFamily(
            "fleet_provider_status", "1 for the status that a provider has", labels=("provider", "status")
        )
        for name, now in current.items():
            for status in get_args(ProviderStatus):
                statuses.add_metric((name, status), float(status == now))
        yield statuses
        wakes = CounterMetricFamily(
            "fleet_wakes", "attempts to wake a provider that are over", labels=("provider", "result")
        )
        for labels, count in scraped.wakes:
            wakes.add_metric(labels, count)
        yield wakes
        yield GaugeMetricFamily(
            "fleet_snapshot_refused",
            "1 while the generated folder holds a rejected configuration",
            scraped.refused,
        )
        yield GaugeMetricFamily(
            "fleet_store_up", "1 while favorites and history can be saved", scraped.is_store_up
        )
