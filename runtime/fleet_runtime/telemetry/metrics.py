"""The metrics of ``/metrics``: counters of finished requests, and the current state.

A request costs a few additions to plain numbers, made in batches; the text is formatted at a scrape, in parts
of one provider or less. The names and labels are part of the gateway's interface: docs/gateway.md lists them
all.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Final, Literal, Protocol, get_args

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

from fleet_runtime.artifacts.contract import ProviderStatus
from fleet_runtime.providers.provider import Provider
from fleet_runtime.providers.waker import WakeResult
from fleet_runtime.proxy.request_record import RequestRecord
from fleet_runtime.telemetry.activity import Finished
from fleet_runtime.telemetry.exposition import Family
from fleet_runtime.telemetry.tallies import Histogram, Traffic
from fleet_runtime.turns import in_turns

ReloadResult = Literal["loaded", "unchanged", "refused"]

TOKENS: Final = ("in", "out", "cached")
NONE: Final = "none"
"""The label of a request without the path of a surface, or without the name of a provider."""
_LABELS: Final = attrgetter("surface", "provider", "end_reason")

REQUESTS: Final = Family(
    "fleet_requests_total",
    "counter",
    "finished inference requests",
    ("end_reason", "provider", "surface"),
)
SUMS: Final[tuple[tuple[Family, Callable[[Traffic], int]], ...]] = tuple(
    (Family(name, "counter", help_text, ("provider",)), read)
    for name, help_text, read in (
        ("fleet_request_bytes_total", "bytes of request bodies", lambda traffic: traffic.bytes_in),
        ("fleet_response_bytes_total", "bytes of response bodies", lambda traffic: traffic.bytes_out),
        ("fleet_retries_total", "requests sent again on a new connection", lambda traffic: traffic.retries),
        ("fleet_fallbacks_total", "requests that used a later choice", lambda traffic: traffic.fallbacks),
    )
)
STATED_TOKENS: Final = Family(
    "fleet_tokens_total",
    "counter",
    "tokens that providers reported in their responses",
    ("direction", "provider"),
)
TIMES: Final[tuple[tuple[Family, Callable[[Traffic], Histogram]], ...]] = tuple(
    (Family(name, "histogram", help_text, ("provider",)), read)
    for name, help_text, read in (
        (
            "fleet_first_byte_seconds",
            "from a request's headers to its response's first byte",
            lambda traffic: traffic.first_byte,
        ),
        (
            "fleet_request_seconds",
            "from a request's headers to the end of its response",
            lambda traffic: traffic.total,
        ),
        (
            "fleet_overhead_seconds",
            "the gateway's own time until the response headers",
            lambda traffic: traffic.overhead,
        ),
    )
)
IN_FLIGHT: Final = Family("fleet_in_flight", "gauge", "requests in flight at a provider", ("provider",))
STATUS: Final = Family(
    "fleet_provider_status", "gauge", "1 for the current status of a provider", ("provider", "status")
)
WAKES: Final = Family(
    "fleet_wakes_total", "counter", "finished attempts to wake a provider", ("provider", "result")
)
REFUSED: Final = Family(
    "fleet_snapshot_refused", "gauge", "1 while the generated folder holds a rejected configuration"
)
STORE_UP: Final = Family("fleet_store_up", "gauge", "1 while favorites and history can be saved")
RELOADS: Final = Family("fleet_reloads_total", "counter", "reads of the generated folder", ("result",))
DROPPED: Final = Family("fleet_log_lines_dropped_total", "counter", "dropped log lines")


class MetricsSource(Protocol):
    """The data that ``/metrics`` reads when it is scraped.

    `providers` are all that may still have requests, including those of previous snapshots. `statuses` has
    the status of each provider of the current snapshot, in order. `refused`: why the generated folder was
    rejected.
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


class Metrics:
    """The tallies of one gateway, for as long as its process runs; `add` and `reloaded` add to them."""

    def __init__(self, source: MetricsSource) -> None:
        self._source = source
        self._requests: Counter[tuple[str | None, str | None, str]] = Counter()
        self._traffic: defaultdict[str | None, Traffic] = defaultdict(Traffic)
        self._tokens: defaultdict[str | None, list[int]] = defaultdict(lambda: [0] * len(TOKENS))
        self._reloads: Counter[ReloadResult] = Counter()
        self._process = CollectorRegistry()
        ProcessCollector(registry=self._process)

    def add(self, records: Sequence[RequestRecord]) -> None:
        """Count finished requests, with any end reason; only those for inference count."""
        counted = [record for record in records if record.inference]
        self._requests.update(map(_LABELS, counted))
        by_provider: defaultdict[str | None, list[RequestRecord]] = defaultdict(list)
        for record in counted:
            by_provider[record.provider].append(record)
        for provider, of_one in by_provider.items():
            self._traffic[provider].add(of_one)

    def count_tokens(self, finished: Iterable[Finished]) -> None:
        """Add the tokens that providers reported for finished requests."""
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
        return "".join(self._text()).encode()

    async def exposition_in_turns(self) -> bytes:
        """As `exposition`, for many providers; requests that end meanwhile may be in only a part of the
        text."""
        return b"".join(await in_turns(text.encode() for text in self._text()))

    def _text(self) -> Iterator[str]:
        """Yield the text; no growing collection is iterated across two parts."""
        yield REQUESTS.head
        for (surface, provider, end_reason), count in list(self._requests.items()):
            yield REQUESTS.sample(count, end_reason, provider or NONE, surface or NONE)
        yield from self._traffic_text()
        yield from self._fleet_text()
        yield RELOADS.head + "".join(
            RELOADS.sample(self._reloads[result], result) for result in get_args(ReloadResult)
        )
        yield DROPPED.head + DROPPED.sample(self._source.log_lines_dropped())
        yield generate_latest(self._process).decode()

    def _traffic_text(self) -> Iterator[str]:
        by_name = [(provider or NONE, traffic) for provider, traffic in self._traffic.items()]
        for family, read in SUMS:
            yield family.head
            for provider, traffic in by_name:
                yield family.sample(read(traffic), provider)
        yield STATED_TOKENS.head
        for stated_by, counts in list(self._tokens.items()):
            for direction, count in zip(TOKENS, counts, strict=True):
                yield STATED_TOKENS.sample(count, direction, stated_by or NONE)
        for family, histogram_of in TIMES:
            yield family.head
            for provider, traffic in by_name:
                histogram = histogram_of(traffic)
                yield family.histogram(histogram.buckets(), histogram.sum, provider)

    def _fleet_text(self) -> Iterator[str]:
        current, providers = self._source.statuses, tuple(self._source.providers)
        in_flight = Counter(dict.fromkeys(current, 0))
        wakes: dict[str, Counter[WakeResult]] = {}
        for provider in providers:
            in_flight[provider.config.name] += sum(provider.in_flight.values())
            if provider.waker is not None:
                wakes.setdefault(provider.config.name, Counter()).update(provider.waker.results)
        yield IN_FLIGHT.head
        for name, count in in_flight.items():
            if count or name in current:
                yield IN_FLIGHT.sample(count, name)
        yield STATUS.head
        for name, now in current.items():
            yield "".join(STATUS.sample(status == now, name, status) for status in get_args(ProviderStatus))
        yield WAKES.head
        for name, results in wakes.items():
            yield "".join(WAKES.sample(results[result], name, result) for result in get_args(WakeResult))
        yield REFUSED.head + REFUSED.sample(self._source.refused is not None)
        yield STORE_UP.head + STORE_UP.sample(self._source.is_store_up)
