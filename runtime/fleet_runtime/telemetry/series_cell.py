"""The cell of a series step: integers that merge; counts and sums are added, gauges keep the maximum.

A cell is a list of `PROVIDER_COLUMNS` or of `MODEL_COLUMNS` numbers; a model's are the first of a provider's.
Times are counted in fixed buckets, so that any cells merge and a median can be read of any span. Pure.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final, get_args

from fleet_runtime.artifacts.contract import ProviderStatus
from fleet_runtime.proxy.request_record import EndReason, RequestRecord
from fleet_runtime.telemetry.activity_row import tokens_per_second
from fleet_runtime.telemetry.token_counts import Tokens

FIRST_BYTE_BOUNDS: Final = (0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3.0, 6.0, 15.0)
"""Seconds to the first byte of an event stream of a loaded model."""
COLD_BOUNDS: Final = (1.0, 2.0, 5.0, 10.0, 20.0, 40.0, 90.0)
"""The same, of a model that was not loaded."""
SPEED_BOUNDS: Final = (2.0, 5.0, 10.0, 20.0, 35.0, 60.0, 100.0, 200.0, 500.0)
"""Tokens per second."""

REASONS: Final[tuple[EndReason, ...]] = tuple(each for each in get_args(EndReason) if each != "ok")
STATUSES: Final[tuple[ProviderStatus, ...]] = get_args(ProviderStatus)

REQUESTS: Final = 0
ERRORS: Final = REQUESTS + 1
FAILED: Final = ERRORS + len(REASONS)
FIRST_BYTE: Final = FAILED + 1
COLD: Final = FIRST_BYTE + len(FIRST_BYTE_BOUNDS) + 1
SPEED: Final = COLD + len(COLD_BOUNDS) + 1
TOKENS_IN: Final = SPEED + len(SPEED_BOUNDS) + 1
TOKENS_OUT: Final = TOKENS_IN + 1
MODEL_COLUMNS: Final = TOKENS_OUT + 1
IN_FLIGHT: Final = MODEL_COLUMNS
WAITING: Final = IN_FLIGHT + 1
PROBES: Final = WAITING + 1
LATENCY: Final = PROBES + 1
STATUS: Final = LATENCY + 1
PROVIDER_COLUMNS: Final = STATUS + len(STATUSES)
"""Where each number is: `FAILED` counts complete responses with a status of 400 or more, `LATENCY` is the sum
of the latencies of `PROBES` in milliseconds, `STATUS` are seconds of each status."""

LARGEST: Final = 2**32 - 1
_GAUGES: Final = (IN_FLIGHT, WAITING)
_REASON_AT: Final = {reason: ERRORS + place for place, reason in enumerate(REASONS)}


def count_request(cell: list[int], record: RequestRecord, tokens: Tokens | None) -> None:
    """Add one finished request."""
    cell[REQUESTS] += 1
    if record.end_reason != "ok":
        cell[_REASON_AT[record.end_reason]] += 1
    elif record.status >= 400:
        cell[FAILED] += 1
    if record.streamed and record.first_byte_at is not None:
        seconds = record.first_byte_at - record.started_at
        if record.state == "loaded":
            cell[FIRST_BYTE + bisect_left(FIRST_BYTE_BOUNDS, seconds)] += 1
        elif record.state == "unloaded":
            cell[COLD + bisect_left(COLD_BOUNDS, seconds)] += 1
    if tokens is not None:
        cell[TOKENS_IN] += tokens.prompt or 0
        cell[TOKENS_OUT] += tokens.response or 0
        speed = tokens_per_second(record, tokens)
        if speed is not None:
            cell[SPEED + bisect_left(SPEED_BOUNDS, speed)] += 1


def merged(one: Sequence[int], other: Sequence[int]) -> list[int]:
    """Return the sum of two cells of the same kind, the most of each gauge."""
    total = [min(a + b, LARGEST) for a, b in zip(one, other, strict=True)]
    for gauge in _GAUGES:
        if gauge < len(total):
            total[gauge] = max(one[gauge], other[gauge])
    return total


def median(counts: Sequence[int], bounds: Sequence[float]) -> float | None:
    """Return the middle value of a histogram, between the bounds of its bucket; None if it is empty."""
    half, below = sum(counts) / 2, 0
    for place, count in enumerate(counts):
        if count and below + count >= half:
            low = bounds[place - 1] if place else 0.0
            high = bounds[place] if place < len(bounds) else bounds[-1] * 2
            return low + (high - low) * (half - below) / count
        below += count
    return None
