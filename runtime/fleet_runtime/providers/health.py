"""The health of a provider, and how a probe changes it. Pure: times are passed in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from fleet_runtime.artifacts.contract import ModelFacts, ModelState, ProviderKind, ProviderStatus
from fleet_runtime.dialects.observation import Observation
from fleet_runtime.dialects.status_reason import StatusReason

MAX_DOUBLINGS = 5
WATCH_SECONDS = 30.0
WATCH_INTERVAL = 1.0
"""After a request could not reach a provider, it is probed every second for half a minute."""

RETRY_SECONDS = 10.0
"""A local provider that is offline is probed at least this often (unless its interval is longer), so that one
that comes back is used soon: while nothing listens there, a probe costs one packet."""

CHURN_IDS = 50
"""A list with more new ids than this, and more new than old ones, counts as a different list."""

COLD: tuple[ModelState, ...] = ("unloaded", "loading")
"""The states of a model that must be loaded before it responds."""

SidecarState = Literal["unknown", "up", "down"]


@dataclass(frozen=True, slots=True)
class ProviderState:
    """The state of one provider.

    `since` is the time of the last status change (unix seconds). `models` is the last good list, None if
    there is none to rely on. `good_at`: when it was read (monotonic seconds), None after its grace period.
    `observation`: the last probe's, for the dialect's next one. `latency`: seconds the last probe took.
    `failures`: failed probes in a row. `missed`: the last probe got no response. `failed_at`: when a request
    last could not reach it (monotonic), None since the last response. `churn` counts probes in a row that
    found a different list. `waking`: it is being woken.
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
    missed: bool = False
    failed_at: float | None = None
    churn: int = 0
    latency: float | None = None
    sidecar: SidecarState = "unknown"
    waking: bool = False

    @property
    def responsive(self) -> bool:
        """Return whether the last probe and every request since then reached it."""
        return self.failures == 0

    @property
    def reachable(self) -> bool:
        """Return False after a request and a probe have both failed to reach it, so that further requests
        need not try."""
        return not (self.missed and self.failed_at is not None)


def after_probe(
    state: ProviderState,
    seen: Observation,
    *,
    sidecar: SidecarState,
    latency: float,
    grace: float,
    now: float,
    wall: float,
    heard: bool = False,
) -> ProviderState:
    """Return the state after a probe that took `latency` seconds and ended at `now` (monotonic) and `wall`
    (unix).

    A provider that stops responding, or returns an empty list, keeps its status and list until `grace`
    seconds after its last good response; the reason changes at once. `heard`: it responded to a request
    during the probe, so it is slow, not offline.
    """
    known = state.observation
    in_grace = state.good_at is not None and now - state.good_at < grace
    emptied = seen.status == "online" and bool(state.models) and not seen.models and in_grace
    missed = seen.status == "offline" and not heard
    failed_at = state.failed_at if missed else None
    state = replace(
        state, observation=seen, latency=latency, sidecar=sidecar, missed=missed, failed_at=failed_at
    )
    if emptied:
        return replace(state, observation=known, failures=state.failures + 1, reason=StatusReason("emptied"))
    if seen.status == "online":
        down = sidecar == "down"
        good = replace(
            state,
            kind=seen.kind,
            models=seen.models,
            states=seen.states,
            warnings=seen.warnings,
            good_at=now,
            failures=0,
            churn=state.churn + 1 if _is_another_list(state.models, seen.models) else 0,
        )
        reason = StatusReason("sidecar_unreachable") if down else None
        return _with_status(good, "degraded" if down else "online", reason, wall)
    failed = replace(state, failures=state.failures + 1)
    if seen.status != "offline":
        kept = failed if in_grace else replace(failed, models=None, states={}, good_at=None)
        return _with_status(kept, seen.status, seen.reason, wall)
    if in_grace or heard:
        return replace(failed, observation=known, reason=seen.reason)
    status: ProviderStatus = "waking" if state.waking else "offline"
    return _with_status(replace(failed, states={}, good_at=None), status, seen.reason, wall)


def begin_wake(state: ProviderState, wall: float) -> ProviderState:
    """Return the state while the provider is woken; within its grace it keeps its status."""
    waking = replace(state, waking=True)
    return _with_status(waking, "waking", state.reason, wall) if state.status == "offline" else waking


def end_wake(state: ProviderState, outcome: StatusReason | None, wall: float) -> ProviderState:
    """Return the state after an attempt to wake it; `outcome` is the reason of a failure."""
    ended = replace(state, waking=False)
    return (
        _with_status(ended, "offline", outcome or state.reason, wall) if state.status == "waking" else ended
    )


def mark_suspect(state: ProviderState, reason: StatusReason, now: float) -> ProviderState:
    """Return the state after a request could not reach the provider, which is a reason to probe it but does
    not prove that it is offline. A known reason is kept, so that requests do not overwrite the results of
    probes."""
    failures = max(state.failures, 1)
    return replace(state, failures=failures, failed_at=now, reason=state.reason or reason)


def mark_loaded(state: ProviderState, model: str) -> ProviderState:
    """Return the state after a complete response of a model that was not loaded, or was loading, when it was
    last probed."""
    if state.states.get(model) not in COLD:
        return state
    return replace(state, states={**state.states, model: "loaded"})


def next_probe_delay(
    state: ProviderState, *, interval: float, grace: float, now: float, is_local: bool
) -> float:
    """Return the seconds until the next probe.

    That is the interval; one second for a while after a failed request; longer for a provider that stays
    offline, or whose list is different at every probe; never beyond the end of its grace period.
    """
    if state.failed_at is not None and now - state.failed_at < WATCH_SECONDS:
        return min(interval, WATCH_INTERVAL)
    if not state.failures:
        return interval * 2.0 ** min(max(state.churn - 1, 0), MAX_DOUBLINGS)
    if state.good_at is not None:
        left = state.good_at + grace - now
        return min(interval, left) if left > 0 else interval
    backoff = interval * 2.0 ** min(state.failures - 1, MAX_DOUBLINGS)
    longest = min(grace, RETRY_SECONDS) if is_local and state.missed else grace
    return max(interval, min(backoff, longest))


def _is_another_list(before: Mapping[str, ModelFacts] | None, now: Mapping[str, ModelFacts]) -> bool:
    if before is None:
        return False
    new = len(now.keys() - before.keys())
    return new > CHURN_IDS and 2 * new > len(now)


def _with_status(
    state: ProviderState, status: ProviderStatus, reason: StatusReason | None, wall: float
) -> ProviderState:
    since = state.since if state.status == status else wall
    return replace(state, status=status, reason=reason, since=since)
