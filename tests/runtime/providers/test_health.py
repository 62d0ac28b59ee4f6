"""How a probe changes the health of a provider (fleet_runtime.providers.health)."""

from __future__ import annotations

from typing import Literal

import pytest

from fleet_runtime.artifacts.contract import ModelFacts, ModelState
from fleet_runtime.dialects.observation import Observation
from fleet_runtime.dialects.status_reason import StatusReason
from fleet_runtime.providers.health import (
    ProviderState,
    after_probe,
    mark_loaded,
    mark_suspect,
    next_probe_delay,
)

GRACE = 30.0
LIST = {"qwen3-8b": ModelFacts(context=8192, context_source="listed")}
ONLINE = Observation("llama-swap", "online", models=LIST, states={"qwen3-8b": "loaded"})
SILENT = Observation("auto", "offline", reason=StatusReason("connection_refused"))
NEW = ProviderState("unknown", since=1000.0)


def seen(
    state: ProviderState,
    observation: Observation,
    at: float,
    sidecar: Literal["unknown", "up", "down"] = "unknown",
    heard: bool = False,
) -> ProviderState:
    return after_probe(
        state, observation, sidecar=sidecar, latency=0.01, grace=GRACE, now=at, wall=1000.0 + at, heard=heard
    )


def test_the_first_good_probe_brings_a_provider_online() -> None:
    state = seen(NEW, ONLINE, 1)
    assert (state.status, state.since, state.models, state.kind) == ("online", 1001.0, LIST, "llama-swap")


def test_a_provider_never_seen_is_offline_at_its_first_silence() -> None:
    state = seen(NEW, SILENT, 1)
    assert (state.status, state.reason) == ("offline", SILENT.reason)


def test_a_single_failure_keeps_status_and_list_and_shows_its_reason() -> None:
    state = seen(seen(NEW, ONLINE, 1), SILENT, 11)
    assert (state.status, state.models, state.since) == ("online", LIST, 1001.0)
    assert state.reason == SILENT.reason


def test_a_provider_is_offline_once_its_grace_is_over_and_its_models_are_remembered() -> None:
    state = seen(seen(seen(NEW, ONLINE, 1), SILENT, 11), SILENT, 31)
    assert (state.status, state.since, state.models, state.states) == ("offline", 1031.0, LIST, {})


def test_a_provider_that_serves_requests_is_not_offline_however_slowly_it_lists_its_models() -> None:
    state = seen(NEW, ONLINE, 1)
    for at in (11, 31, 51):
        state = seen(
            mark_suspect(state, StatusReason("connect_timeout", seconds=1), at), SILENT, at, heard=True
        )
    assert (state.status, state.models, state.reachable, state.responsive) == ("online", LIST, True, False)
    assert state.reason is not None
    assert seen(state, SILENT, 61).status == "offline"


def test_a_provider_that_wakes_is_online_at_its_next_good_probe() -> None:
    state = seen(seen(seen(NEW, ONLINE, 1), SILENT, 40), ONLINE, 50)
    assert (state.status, state.since, state.reason, state.failures) == ("online", 1050.0, None, 0)


def test_an_unusable_response_degrades_at_once_and_keeps_the_last_good_list_for_the_grace() -> None:
    broken = Observation(
        "auto", "degraded", reason=StatusReason("not_json", "/models", detail="an HTML page")
    )
    degraded = seen(seen(NEW, ONLINE, 1), broken, 11)
    assert (degraded.status, degraded.models) == ("degraded", LIST)
    assert seen(degraded, broken, 31).models is None


def test_a_rejected_key_is_a_configuration_error_not_an_absence() -> None:
    refused = Observation("openai", "config_error", reason=StatusReason("key_rejected", "/models", 401))
    assert seen(seen(NEW, ONLINE, 1), refused, 11).status == "config_error"


def test_a_silent_sidecar_degrades_its_provider() -> None:
    state = seen(NEW, ONLINE, 1, sidecar="down")
    assert (state.status, state.reason) == ("degraded", StatusReason("sidecar_unreachable"))
    assert seen(state, ONLINE, 2, sidecar="up").status == "online"


def test_the_next_probe_of_a_failing_provider_is_never_after_the_end_of_its_grace() -> None:
    state = seen(seen(NEW, ONLINE, 0), SILENT, 25)
    assert next_probe_delay(state, interval=10, grace=GRACE, now=25, is_local=True) == 5


@pytest.mark.parametrize(("is_local", "settled"), [(False, [10, 20, 30, 30]), (True, [10, 10, 10, 10])])
def test_an_offline_cloud_is_probed_once_a_grace_and_a_local_provider_every_ten_seconds(
    is_local: bool, settled: list[float]
) -> None:
    state = seen(NEW, SILENT, 1)
    delays = []
    for at in range(2, 12):
        delays.append(next_probe_delay(state, interval=10, grace=GRACE, now=at, is_local=is_local))
        state = seen(state, SILENT, at)
    assert delays[:4] == settled
    assert set(delays[2:]) == {settled[-1]}


def test_a_suddenly_empty_list_is_ignored_until_the_grace_is_over() -> None:
    empty = Observation("llama-swap", "online")
    glitch = seen(seen(NEW, ONLINE, 1), empty, 11)
    assert (glitch.status, glitch.models, glitch.states) == ("online", LIST, {"qwen3-8b": "loaded"})
    assert (glitch.reason, glitch.failures) == (StatusReason("emptied"), 1)
    assert glitch.observation == ONLINE, "the next look compares with the last good one"
    healed = seen(glitch, ONLINE, 12)
    assert (healed.reason, healed.failures) == (None, 0)
    believed = seen(glitch, empty, 31)
    assert (believed.status, believed.models, believed.reason) == ("online", {}, None)


def test_a_provider_that_never_listed_anything_is_simply_empty() -> None:
    state = seen(NEW, Observation("llama-swap", "online"), 1)
    assert (state.status, state.models, state.reason) == ("online", {}, None)


REFUSED = StatusReason("connection_refused")


def test_one_failed_request_and_one_failed_probe_make_a_provider_unreachable_in_its_grace() -> None:
    """Whichever comes first; the list and the status keep their grace."""
    online = seen(NEW, ONLINE, 1)
    probed_first = mark_suspect(seen(online, SILENT, 11), REFUSED, 12)
    asked_first = seen(mark_suspect(online, REFUSED, 10), SILENT, 11)
    for state in (probed_first, asked_first):
        assert (state.reachable, state.status, state.models) == (False, "online", LIST)
        assert seen(state, ONLINE, 13).reachable
    assert mark_suspect(online, REFUSED, 10).reachable
    assert seen(online, SILENT, 11).reachable


def test_a_provider_that_a_request_could_not_reach_is_probed_every_second_for_half_a_minute() -> None:
    state = seen(mark_suspect(seen(NEW, ONLINE, 0), REFUSED, 1), SILENT, 2)
    delays = {
        at: next_probe_delay(state, interval=10, grace=60, now=at, is_local=True)
        for at in (2, 15, 30.9, 31.1)
    }
    assert list(delays.values()) == [1, 1, 1, 10]


def test_fault_43_requests_do_not_replace_a_reason_that_a_probe_found() -> None:
    state = seen(seen(NEW, ONLINE, 1), SILENT, 11)
    assert mark_suspect(state, StatusReason("connect_timeout", seconds=5), 12).reason == SILENT.reason


@pytest.mark.parametrize(
    ("before", "after"),
    [("unloaded", "loaded"), ("loading", "loaded"), ("loaded", "loaded"), ("unknown", "unknown")],
)
def test_a_model_that_has_responded_is_loaded_if_it_was_known_not_to_be(
    before: ModelState, after: ModelState
) -> None:
    observed = Observation("ollama", "online", models=LIST, states={"qwen3-8b": before, "other": "unloaded"})
    state = mark_loaded(seen(NEW, observed, 1), "qwen3-8b")
    assert state.states == {"qwen3-8b": after, "other": "unloaded"}
    assert mark_loaded(state, "never-listed") is state


def listing(generation: int, count: int = 2000) -> Observation:
    return Observation("openai", "online", models={f"{generation}-{i}": ModelFacts() for i in range(count)})


def test_fault_39_a_provider_whose_list_is_another_one_at_every_probe_is_probed_more_slowly() -> None:
    state, delays = NEW, []
    for generation in range(8):
        state = seen(state, listing(generation), generation)
        delays.append(next_probe_delay(state, interval=10, grace=GRACE, now=generation, is_local=True))
    assert delays == [10, 10, 20, 40, 80, 160, 320, 320]
    settled = seen(state, listing(7), 9)
    assert next_probe_delay(settled, interval=10, grace=GRACE, now=9, is_local=True) == 10


def test_a_few_new_models_at_every_probe_are_ordinary() -> None:
    state = NEW
    for generation in range(8):
        state = seen(state, listing(generation, 20), generation)
    assert state.churn == 0
