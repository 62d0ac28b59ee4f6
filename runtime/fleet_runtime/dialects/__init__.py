"""How each kind of server is asked what it serves, and how its answers are read.

`probe_provider` asks for the list of models, recognises from it what answered, and lets that kind's own
module ask the rest. Pure: the caller makes the requests (see `drive`).
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import replace
from typing import Literal, TypeAlias

from fleet_runtime.artifacts.contract import ProviderKind
from fleet_runtime.dialects import llama_server, llama_swap, lmstudio, ollama, openai, vllm
from fleet_runtime.dialects.dialect import Dialect
from fleet_runtime.dialects.listing import (
    ModelListResponse,
    bounded,
    decoded,
    mapping,
    mark_of,
    read_model_list,
)
from fleet_runtime.dialects.observation import Observation, Probe, ProbeRequest, ProbeResponse, drive
from fleet_runtime.dialects.status_reason import ReasonCode, StatusReason

__all__ = ["KINDS", "drive", "look", "other_names"]

KINDS: Mapping[ProviderKind, Dialect] = {
    module.DIALECT.kind: module.DIALECT
    for module in (llama_swap, llama_server, ollama, vllm, lmstudio, openai)
}

_LIST = ProbeRequest("/models", api=True)
_LOOKED_AT = 4096
"""Bytes of an error's body that are searched for words: servers explain themselves in prose."""

_Failure: TypeAlias = Literal["degraded", "config_error", "offline"]


def probe_provider(kind: ProviderKind, previous: Observation | None = None) -> Probe:
    """One look at a machine configured as `kind`; `previous` is what the last one returned.

    Loads no model, and keeps none from unloading. Any answer at all ends in an observation.
    """
    answer = yield _LIST
    observation = _unusable(kind, previous, answer)
    if observation is not None:
        return observation
    listing = _known(previous, answer) or read_model_list(answer)
    if isinstance(listing, StatusReason):
        return _failed(kind, previous, "degraded", replace(listing, path=_LIST.path))
    dialect = yield from _recognise(kind, previous, listing)
    if listing.empty_data and dialect is not ollama.DIALECT:
        return _failed(kind, previous, "degraded", StatusReason("no_model_list", _LIST.path))
    seen = yield from dialect.read(listing, previous)
    warnings = list(seen.warnings)
    if kind not in ("auto", dialect.kind):
        warnings.insert(0, f"configured as '{kind}', but answers like '{dialect.kind}' and is read as that")
    return Observation(
        dialect.kind,
        "online",
        None,
        seen.models,
        seen.states,
        bounded(warnings),
        unasked=seen.unasked,
        asked=seen.asked,
        listing=listing if listing.mark else replace(listing, mark=mark_of(answer, dated=dialect.dated)),
    )


def other_names(kind: ProviderKind, model: str) -> tuple[str, ...]:
    """The names beside its id that a server of this kind takes for a model by a rule of its own."""
    dialect = KINDS.get(kind)
    return dialect.other_names(model) if dialect is not None else ()


def _known(previous: Observation | None, answer: ProbeResponse) -> ModelListResponse | None:
    """The list that the previous look read, where this answer says the same."""
    if previous is None or previous.listing is None:
        return None
    same = previous.listing.mark == mark_of(answer, dated=KINDS[previous.kind].dated)
    return previous.listing if same else None


def _named(listing: ModelListResponse) -> Dialect | None:
    """The kind that the list can only be of."""
    return next((dialect for dialect in KINDS.values() if dialect.recognises(listing)), None)


def _recognise(
    kind: ProviderKind, previous: Observation | None, listing: ModelListResponse
) -> Generator[ProbeRequest, ProbeResponse, Dialect]:
    """What answered; a list that names nobody is of the configured kind, or of the one found before.

    Only a list that says nothing, of a machine never seen, costs one more question: who has
    ``/api/version``.
    """
    named = listing.once(_named)
    if named is not None:
        return named
    if kind != "auto":
        return KINDS[kind]
    if previous is not None and previous.status == "online" and not listing.empty_data:
        return KINDS.get(previous.kind, openai.DIALECT)
    version = mapping(decoded((yield ProbeRequest("/api/version"))))
    if not isinstance(version.get("version"), str):
        return openai.DIALECT
    return llama_swap.DIALECT if "build_date" in version else ollama.DIALECT


def _unusable(
    kind: ProviderKind, previous: Observation | None, response: ProbeResponse
) -> Observation | None:
    """What a response without a list means; None if it may hold one."""
    status, path = response.status, _LIST.path
    if status == 0:
        reason = response.reason or StatusReason("connection_closed", path)
        return _failed(kind, previous, "offline", reason)
    if response.reason is not None:
        return _failed(kind, previous, "degraded", response.reason)
    if status == 200:
        return None
    if status in (401, 403):
        known = kind if kind != "auto" or previous is None else previous.kind
        by_host = status == 403 and (known == "ollama" or not response.body)  # gin's abort has no body
        code: ReasonCode = "host_rejected" if by_host else "key_rejected"
        return _failed(kind, previous, "config_error", StatusReason(code, path, status))
    start = response.body[:_LOOKED_AT].lower()
    if status >= 500 and b"no space left on device" in start:
        return _failed(kind, previous, "degraded", StatusReason("disk_full", path, status))
    if status == 503 and b"loading" in start:
        return _failed(kind, previous, "degraded", StatusReason("loading", path, status))
    return _failed(kind, previous, "degraded", StatusReason("unexpected_status", path, status))


def _failed(
    kind: ProviderKind, previous: Observation | None, status: _Failure, reason: StatusReason
) -> Observation:
    known = previous or Observation(kind, status)
    if kind == "auto":
        kind = known.kind
    return Observation(kind, status, reason, models=known.models, asked=known.asked)
