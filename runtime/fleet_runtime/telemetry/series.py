"""Time series of every provider and of the most recently used models.

Theory of operation. A finished request is counted in the cell of its model. Once a second, the providers'
states and requests in flight are recorded in the cells of the providers. Every `FOLD_SECONDS` these cells are
merged into the rings, those of models into their provider's too, and reset to zero.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from fleet_runtime.artifacts.contract import ProviderStatus
from fleet_runtime.telemetry.activity import Finished
from fleet_runtime.telemetry.series_cell import (
    IN_FLIGHT,
    LATENCY,
    MODEL_COLUMNS,
    PROBES,
    PROVIDER_COLUMNS,
    STATUS,
    STATUSES,
    WAITING,
    count_request,
)
from fleet_runtime.telemetry.series_ring import Series
from fleet_runtime.turns import in_turns

MODELS: Final = 64
SAMPLE_SECONDS: Final = 1.0
FOLD_SECONDS: Final = 10

Name = tuple[str, str | None]
"""A provider, or a provider's model."""

_STATUS_AT: Final = {status: STATUS + place for place, status in enumerate(STATUSES)}
_REST: Final = [0] * (PROVIDER_COLUMNS - MODEL_COLUMNS)


@dataclass(frozen=True, slots=True)
class Gauges:
    """The current state of a provider; `latency` is that of its last probe in seconds, None if it is not
    probed."""

    name: str
    status: ProviderStatus
    in_flight: int
    waiting: int
    latency: float | None


class SeriesBook:
    """`series` has the providers and at most `MODELS` models, the most recently used at the end."""

    def __init__(self) -> None:
        self.series: OrderedDict[Name, Series] = OrderedDict()
        self._requests: dict[tuple[str, str], list[int]] = {}
        self._gauges: dict[str, list[int]] = {}

    def count(self, finished: Sequence[Finished]) -> None:
        """Count finished requests. A request without a provider is in no series, and one that was not sent is
        in no model's series, because its model name is arbitrary."""
        for record, tokens, _ in finished:
            if record.provider is None:
                continue
            key = (record.provider, (record.model or "") if record.sent_at is not None else "")
            cell = self._requests.get(key)
            if cell is None:
                cell = self._requests[key] = [0] * MODEL_COLUMNS
            count_request(cell, record, tokens)

    def sample(self, providers: Iterable[Gauges], seconds: int) -> None:
        """Record the current state of the providers for the last `seconds`."""
        for provider in providers:
            cell = self._gauges.get(provider.name)
            if cell is None:
                cell = self._gauges[provider.name] = [0] * PROVIDER_COLUMNS
            cell[IN_FLIGHT] = max(cell[IN_FLIGHT], provider.in_flight)
            cell[WAITING] = max(cell[WAITING], provider.waiting)
            cell[_STATUS_AT[provider.status]] += seconds
            if provider.latency is not None:
                cell[PROBES] += 1
                cell[LATENCY] += round(provider.latency * 1000)

    def fold(self, now: float) -> Iterator[None]:
        """Merge what was counted since the last time into the steps of `now` (unix seconds), one provider or
        model at each step of the iteration; what is counted meanwhile may be merged too."""
        for provider, model in list(self._requests):
            cell = self._requests.pop((provider, model), None)
            if cell is not None:
                self.open((provider, None)).add(now, [*cell, *_REST])
                if model:
                    self.open((provider, model)).add(now, cell)
                yield
        for provider in list(self._gauges):
            cell = self._gauges.pop(provider, None)
            if cell is not None:
                self.open((provider, None)).add(now, cell)
                yield

    def rename_providers(self, names: Mapping[str, str], now: float) -> None:
        """Merge series of former names into those of the current names."""
        known = {provider for provider, _ in (*self.series, *self._requests)} | self._gauges.keys()
        former = {name for name in known if names.get(name, name) != name}
        if former:
            deque(self.fold(now), maxlen=0)
        for name in [each for each in self.series if each[0] in former]:
            provider, model = name
            self.open((names[provider], model)).merge(self.series.pop(name), now)

    def open(self, name: Name) -> Series:
        """Return a series; a new one may replace that of the least recently used model."""
        series = self.series.get(name)
        if series is None:
            is_model = name[1] is not None
            series = self.series[name] = Series(MODEL_COLUMNS if is_model else PROVIDER_COLUMNS)
            models = [each for each in self.series if each[1] is not None] if is_model else []
            for oldest in models[: max(0, len(models) - MODELS)]:
                del self.series[oldest]
        self.series.move_to_end(name)
        return series


async def keep_time(book: SeriesBook, gauges: Callable[[], Iterable[Gauges]]) -> None:
    """Sample and fold until cancelled; time in which the computer slept is not counted."""
    folded = sampled = time.monotonic()
    while True:
        await asyncio.sleep(SAMPLE_SECONDS)
        now = time.monotonic()
        book.sample(gauges(), min(round(now - sampled), 2))
        sampled = now
        if now - folded >= FOLD_SECONDS:
            folded = now
            await in_turns(book.fold(time.time()))
