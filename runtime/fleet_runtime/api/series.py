"""``/api/fleet/{name}/series`` and ``/api/speed``: statistics of requests and probes, by time and by
model."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

from fleet_runtime.api.call import Call, Surface
from fleet_runtime.api.fleet import ProviderName, require_provider
from fleet_runtime.api.operation import Query, operation
from fleet_runtime.api.series_shapes import (
    ModelSpeed,
    ProviderSpeed,
    SeriesPoint,
    SeriesReport,
    Speeds,
)
from fleet_runtime.catalog.describe import rfc3339
from fleet_runtime.errors import request_error
from fleet_runtime.telemetry import series_cell as at
from fleet_runtime.telemetry.series import Name
from fleet_runtime.telemetry.series_ring import SPANS, Range, Series
from fleet_runtime.turns import in_turns

OfRange = Annotated[
    Range, Query("the last hour in steps of 10 s, day in steps of 5 min, or month in steps of 1 h", "day")
]
OfModel = Annotated[
    str | None, Query("a model, by the provider's own id; without it, all of the provider", "qwen3-8b")
]
Named = Annotated[str | None, Query("only this model: a provider's own id, or `provider/model`", "qwen3-8b")]


@operation(
    "GET",
    "/api/fleet/{name}/series",
    "Show a provider's requests, times and status over time",
    "not_found",
    "invalid_request",
)
async def get_series(
    call: Call,
    name: ProviderName,
    range: OfRange = "hour",  # noqa: A002
    model: OfModel = None,
    surface: Surface = None,
) -> SeriesReport:
    require_provider(call.live, call.table(surface), name)
    now = time.time()
    series = (await _current(call, now)).get((name, model))
    if series is None and model is not None and model not in call.live.inventory.listings[name].models:
        raise request_error("not_found", f"unknown model '{model}' of provider '{name}'", "model")
    span = SPANS[range]
    return SeriesReport(
        provider=name,
        model=model,
        range=range,
        step=span.width,
        begin=rfc3339((int(now) // span.width - span.steps + 1) * span.width),
        steps=span.steps,
        first_byte_bounds=at.FIRST_BYTE_BOUNDS,
        cold_bounds=at.COLD_BOUNDS,
        speed_bounds=at.SPEED_BOUNDS,
        points=tuple(_points(series, range, now)) if series is not None else (),
    )


@operation("GET", "/api/speed", "Compare how fast the same models are on different providers", "not_found")
async def get_speed(call: Call, model: Named = None, surface: Surface = None) -> Speeds:
    table, now = call.table(surface), time.time()
    allowed = {provider.name for provider in table.providers}
    found: dict[str, list[ProviderSpeed]] = {}
    for (provider, name), series in (await _current(call, now)).items():
        if name is not None and provider in allowed and model in (None, name, f"{provider}/{name}"):
            found.setdefault(name, []).append(_speed(call, provider, name, series, now))
    return Speeds(
        models=tuple(
            ModelSpeed(model=name, providers=tuple(sorted(found[name], key=lambda each: each.provider)))
            for name in sorted(found)
        )
    )


OPERATIONS = (get_series, get_speed)


async def _current(call: Call, now: float) -> Mapping[Name, Series]:
    """Return the series including all pending requests."""
    call.service.finished.flush()
    await in_turns(call.service.series.fold(now))
    return call.service.series.series


def _points(series: Series, name: Range, now: float) -> Iterator[SeriesPoint]:
    ring = series.rings[name]
    for step, cell in ring.past(now):
        errors = {
            reason: cell[at.ERRORS + place]
            for place, reason in enumerate(at.REASONS)
            if cell[at.ERRORS + place]
        }
        is_provider = len(cell) == at.PROVIDER_COLUMNS
        probes = cell[at.PROBES] if is_provider else 0
        yield SeriesPoint(
            at=rfc3339(step * ring.span.width),
            requests=cell[at.REQUESTS],
            errors=errors,
            failed=cell[at.FAILED],
            in_flight=cell[at.IN_FLIGHT] if is_provider else None,
            waiting=cell[at.WAITING] if is_provider else None,
            first_byte=_histogram(cell[at.FIRST_BYTE : at.COLD]),
            cold=_histogram(cell[at.COLD : at.SPEED]),
            speed=_histogram(cell[at.SPEED : at.TOKENS_IN]),
            tokens_in=cell[at.TOKENS_IN],
            tokens_out=cell[at.TOKENS_OUT],
            latency=round(cell[at.LATENCY] / probes / 1000, 4) if probes else None,
            status={
                status: cell[at.STATUS + place]
                for place, status in enumerate(at.STATUSES)
                if is_provider and cell[at.STATUS + place]
            },
        )


def _histogram(counts: Sequence[int]) -> tuple[int, ...]:
    return tuple(counts) if any(counts) else ()


def _speed(call: Call, provider: str, model: str, series: Series, now: float) -> ProviderSpeed:
    total: Sequence[int] = [0] * at.MODEL_COLUMNS
    for _, cell in series.rings["month"].past(now):
        total = at.merged(total, cell)
    facts = (
        call.live.inventory.listings[provider].models.get(model) if provider in call.live.providers else None
    )
    speed = at.median(total[at.SPEED : at.TOKENS_IN], at.SPEED_BOUNDS)
    return ProviderSpeed(
        provider=provider,
        id=f"{provider}/{model}",
        state=call.live.state(provider, model) if provider in call.live.providers else "unknown",
        context=None if facts is None else facts.context,
        requests=total[at.REQUESTS],
        warm_ms=_milliseconds(at.median(total[at.FIRST_BYTE : at.COLD], at.FIRST_BYTE_BOUNDS)),
        cold_ms=_milliseconds(at.median(total[at.COLD : at.SPEED], at.COLD_BOUNDS)),
        tokens_per_second=None if speed is None else round(speed, 1),
        tokens_in=total[at.TOKENS_IN],
        tokens_out=total[at.TOKENS_OUT],
    )


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)
