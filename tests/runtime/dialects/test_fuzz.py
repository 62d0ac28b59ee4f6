"""Any JSON and any bytes, on every path: a probe always ends in an observation that can be written down."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fleet_compiler.lock.model import LockedProvider
from fleet_runtime.artifacts.contract import ProviderKind, to_data
from fleet_runtime.artifacts.hashes import canonical_json
from fleet_runtime.dialects.messages import ProbeResponse
from fleet_runtime.dialects.observation import Observation
from fleet_runtime.dialects.probe import probe_provider
from fleet_runtime.dialects.registry import KINDS
from fleet_runtime.dialects.status_reason import reason_text
from fleet_runtime.routing.model_id import model_id_problem

KEYS = st.sampled_from(
    [
        "id",
        "object",
        "data",
        "models",
        "owned_by",
        "meta",
        "llamaswap",
        "type",
        "aliases",
        "modelID",
        "n_ctx",
        "n_ctx_train",
        "context_length",
        "context_window",
        "max_model_len",
        "status",
        "value",
        "architecture",
        "input_modalities",
        "output_modalities",
        "capabilities",
        "supported_parameters",
        "running",
        "model",
        "state",
        "name",
        "default_generation_settings",
        "chat_template_caps",
        "supports_tools",
        "modalities",
        "vision",
        "is_sleeping",
        "version",
        "build_date",
        "model_info",
        "capabilities",
        "error",
        "message",
        "top_provider",
        "max_completion_tokens",
        "loaded_context_length",
        "max_context_length",
    ]
)
WORDS = st.sampled_from(
    [
        "m",
        "qwen3:8b",
        "a/b",
        "llama-swap",
        "llamacpp",
        "library",
        "vllm",
        "organization_owner",
        "alias",
        "peer",
        "loaded",
        "unloaded",
        "ready",
        "starting",
        "not-loaded",
        "text",
        "image",
        "tools",
        "function_calling",
        "embedding",
        "vlm",
    ]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | WORDS
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(KEYS | st.text(max_size=4), inner, max_size=6)
        | st.fixed_dictionaries({"data": st.lists(st.dictionaries(KEYS, inner, max_size=6), max_size=4)})
    ),
    max_leaves=30,
)
ITEMS = st.lists(st.dictionaries(KEYS, VALUES, max_size=8) | SCALARS, max_size=4)
BODIES = (
    VALUES.map(json.dumps).map(str.encode)
    | ITEMS.map(lambda items: json.dumps({"data": items, "running": items, "models": items}).encode())
    | st.binary(max_size=64)
)
ANSWERS = st.builds(
    ProbeResponse,
    st.just(200) | st.sampled_from([0, 204, 302, 401, 404, 500, 503]),
    st.dictionaries(st.sampled_from(["content-type", "server"]), WORDS | st.just("llama.cpp"), max_size=2),
    BODIES,
)
OBSERVED = st.none() | st.builds(
    Observation,
    st.sampled_from(list(KINDS)),
    st.sampled_from(["online", "offline", "degraded"]),
    states=st.dictionaries(WORDS, st.sampled_from(["loaded", "loading", "unloaded", "unknown"]), max_size=4),
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.sampled_from([*KINDS, "auto"]), OBSERVED, st.data())
def test_all_responses_end_in_an_observation(
    kind: ProviderKind, previous: Observation | None, data: Any
) -> None:
    looking = probe_provider(kind, previous)
    next(looking)
    for _ in range(50):
        try:
            looking.send(data.draw(ANSWERS))
        except StopIteration as end:
            observation: Observation = end.value
            break
    else:
        raise AssertionError("the look asks without end")
    assert all(model_id_problem(model) is None for model in observation.models)
    if observation.status == "online":
        assert observation.states.keys() <= observation.models.keys()
    entry = LockedProvider(url="http://m", kind=observation.kind, models=dict(observation.models))
    canonical_json(to_data(entry))
    reason = observation.reason
    "\n".join(["" if reason is None else reason_text(reason), *observation.warnings]).encode()
