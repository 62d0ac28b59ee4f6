"""What is known of one machine, and how one more look at it changes that. Pure: times are passed in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from fleet_runtime.artifacts.contract import ModelFacts, ModelState, ProviderKind, ProviderStatus
from fleet_runtime.dialects.observation import Observation
from fleet_runtime.dialects.status_reason import StatusReason

MAX_BACKOFF_DOUBLINGS = 5


@dataclass(frozen=True, slots=True)
class ProviderState:
    """One machine as last seen.

    `since`: when `status` became what it is (unix seconds). `models`: the last good list, None where there is
    none to stand by. `good_at`: when it was got (monotonic seconds), None once its grace is over.
    `observation`: the last look, for the dialect's next one. `latency`: seconds the last look took.
    """

    status: ProviderStatus
    since: float
    reason: StatusReason | None = None
    kind: ProviderKind = "auto"
    models: Mapping[str, ModelFacts] | None = None
    states: Mapping[str, ModelState] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    observation: Observation | None = None
    good_at: float | None = None
    failures: int = 0
    latency: float | None = None
    sidecar: Literal["unknown", "up", "down"] = "unknown"


def after_probe(
    state: ProviderState,
    seen: Observation,
    *,
    sidecar: Literal["unknown", "up", "down"],
    latency: float,
    grace: float,
    now: float,
    wall: float,
) -> ProviderState:
    """The state after a look that took `latency` seconds and ended at `now` (monotonic) and `wall` (unix).

    A machine that stops answering, or lists nothing any more, keeps its status and list until `grace` seconds
    have passed since it last answered well; the reason shows at once.
    """
    known = state.observation
    in_grace = state.good_at is not None and now - state.good_at < grace
    emptied = seen.status == "online" and bool(state.models) and not seen.models and in_grace
    state = replace(state, observation=seen, latency=latency, sidecar=sidecar)
    if emptied:
        return replace(state, observation=known, failures=state.failures + 1, reason=StatusReason("emptied"))
    if seen.status == "online":
        down = sidecar == "down"
        return _with_status(
            replace(
                state,
                kind=seen.kind,
                models=seen.models,
                states=seen.states,
                warnings=seen.warnings,
                good_at=now,
                failures=0,
            ),
            "degraded" if down else "online",
            StatusReason("sidecar_unreachable") if down else None,
            wall,
        )
    failed = replace(state, failures=state.failures + 1)
    if seen.status != "offline":
        kept = failed if in_grace else replace(failed, models=None, states={}, good_at=None)
        return _with_status(kept, seen.status, seen.reason, wall)
    if in_grace:
        return replace(failed, observation=known, reason=seen.reason)
    return _with_status(replace(failed, states={}, good_at=None), "offline", seen.reason, wall)


def mark_suspect(state: ProviderState, reason: StatusReason) -> ProviderState:
    """Return the state after a request could not reach the provider: no proof that it is offline, but reason
    to probe it. A known reason stays, so that requests do not overwrite what probes found."""
    return replace(state, failures=max(state.failures, 1), reason=state.reason or reason)


def next_probe_delay(state: ProviderState, *, interval: float, grace: float, now: float) -> float:
    """Seconds until the next look: the interval, longer for a machine that stays away, and never past
    the end of its grace period."""
    if not state.failures:
        return interval
    if state.good_at is not None:
        left = state.good_at + grace - now
        return min(interval, left) if left > 0 else interval
    backoff = interval * 2.0 ** min(state.failures - 1, MAX_BACKOFF_DOUBLINGS)
    return max(interval, min(backoff, grace))


def _with_status(
    state: ProviderState, status: ProviderStatus, reason: StatusReason | None, wall: float
) -> ProviderState:
    since = state.since if state.status == status else wall
    return replace(state, status=status, reason=reason, since=since)
