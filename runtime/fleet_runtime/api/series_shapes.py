"""The shapes of ``/api/fleet/{name}/series`` and ``/api/speed``."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from fleet_runtime.api_shape import ApiShape
from fleet_runtime.artifacts.contract import ModelState, ProviderStatus
from fleet_runtime.proxy.request_record import EndReason
from fleet_runtime.telemetry.series_ring import Range


class SeriesPoint(ApiShape, frozen=True, kw_only=True):
    """One step. `first_byte`, `cold` and `speed` are counts by the bounds of the report, with one more count
    than bounds; they are empty if nothing was counted."""

    at: Annotated[str, Meta(description="the start of the step")]
    requests: int
    errors: Annotated[
        dict[EndReason, int], Meta(description="requests with an end reason other than `ok`, by reason")
    ]
    failed: Annotated[int, Meta(description="complete responses with a status of 400 or more")]
    in_flight: Annotated[int | None, Meta(description="the maximum at a time; null for a model")]
    waiting: Annotated[int | None, Meta(description="the maximum at a time; null for a model")]
    first_byte: Annotated[tuple[int, ...], Meta(description="event streams of loaded models")]
    cold: Annotated[tuple[int, ...], Meta(description="event streams of models that were not loaded")]
    speed: Annotated[tuple[int, ...], Meta(description="tokens per second")]
    tokens_in: int
    tokens_out: int
    latency: Annotated[float | None, Meta(description="mean of the probes, in seconds")]
    status: Annotated[
        dict[ProviderStatus, int], Meta(description="seconds of each status; empty for a model")
    ]


class SeriesReport(ApiShape, frozen=True, kw_only=True):
    """Steps of a range, the oldest first. Steps without data are omitted (the gateway did not run, the model
    was not used). `step` and bounds in seconds, `speed_bounds` in tokens per second."""

    provider: str
    model: str | None
    range: Range
    step: int
    begin: Annotated[str, Meta(description="the start of the first of `steps` steps")]
    steps: int
    first_byte_bounds: tuple[float, ...]
    cold_bounds: tuple[float, ...]
    speed_bounds: tuple[float, ...]
    points: tuple[SeriesPoint, ...]


class ProviderSpeed(ApiShape, frozen=True, kw_only=True):
    """A model on one provider: medians over the requests of the last 30 days, estimated from buckets."""

    provider: str
    id: str
    state: ModelState
    context: int | None
    requests: int
    warm_ms: Annotated[int | None, Meta(description="until the first byte of a stream, model loaded")]
    cold_ms: Annotated[int | None, Meta(description="the same, model not loaded before")]
    tokens_per_second: float | None
    tokens_in: int
    tokens_out: int


class ModelSpeed(ApiShape, frozen=True, kw_only=True):
    """One id on every provider where it was used."""

    model: str
    providers: tuple[ProviderSpeed, ...]


class Speeds(ApiShape, frozen=True, kw_only=True):
    """The most recently used models, at most 64 of all providers."""

    models: tuple[ModelSpeed, ...]
