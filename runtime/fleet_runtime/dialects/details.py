"""Request details of models: a few per probe, kept across probes."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping

from fleet_runtime.artifacts.contract import ModelFacts
from fleet_runtime.dialects.facts import merge
from fleet_runtime.dialects.messages import ProbeRequest, ProbeResponse
from fleet_runtime.dialects.observation import Details, Observation

MAX_DETAILS = 64
"""The maximum number of detail requests per probe; other models wait for the next probe."""


def request_details(
    queue: Iterable[str],
    known: Mapping[str, Details],
    request: Callable[[str], ProbeRequest],
    read: Callable[[ProbeResponse], ModelFacts],
    changed: Mapping[str, int] | None = None,
) -> Generator[ProbeRequest, ProbeResponse, tuple[dict[str, Details], tuple[str, ...]]]:
    """Request the details of the models in `queue`, in that order; return all details, and the models that
    wait.

    At most `MAX_DETAILS` are requested, and none after a request without a response or at the probe's time
    limit. A failed request keeps the known facts.
    """
    details, models = dict(known), list(queue)
    requested = 0
    for model in models[:MAX_DETAILS]:
        response = yield request(model)
        if response.reason is not None and response.reason.code == "probe_timeout":
            break  # the transport did not send it
        requested += 1
        before = details.pop(model, Details())
        if response.status == 200:
            details[model] = Details(read(response), (changed or {}).get(model, 0))
        else:
            details[model] = Details(before.facts, None)
        if response.status == 0:
            break
    return details, tuple(models[requested:])


def known_details(previous: Observation | None, models: Mapping[str, ModelFacts]) -> dict[str, Details]:
    """Return the details from earlier probes of models that are still listed, in the order of the
    requests."""
    before = previous.details if previous is not None else {}
    return {model: details for model, details in before.items() if model in models}


def with_details(
    models: Mapping[str, ModelFacts], details: Mapping[str, Details]
) -> Mapping[str, ModelFacts]:
    """Return the facts of the list, overridden by those of the details; `models` itself without details."""
    if not details:
        return models
    return {
        model: merge(facts, details[model].facts) if model in details else facts
        for model, facts in models.items()
    }


def keep_running(models: Mapping[str, ModelFacts], previous: Observation | None) -> dict[str, ModelFacts]:
    """Return the facts, with running contexts from an earlier probe if this one has only weaker ones."""
    kept = dict(models)
    for model, before in (previous.models if previous is not None else {}).items():
        now = kept.get(model)
        if now is None or before.context_source != "running" or now.context_source == "running":
            continue
        kept[model] = now.model_copy(update={"context": before.context, "context_source": "running"})
    return kept


def just_loaded(states: Mapping[str, str], previous: Observation | None) -> list[str]:
    """Return the loaded models that were not ready at an earlier probe."""
    before = previous.states if previous is not None and previous.status == "online" else {}
    return [
        model
        for model, state in states.items()
        if state == "loaded" and before.get(model) in ("unloaded", "loading")
    ]
