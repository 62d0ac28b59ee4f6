"""Run a probe: request the model list, recognise the server, and let its dialect request the rest."""

from __future__ import annotations

import re
from collections.abc import Generator
from dataclasses import replace
from typing import Literal, TypeAlias, TypeVar

from fleet_runtime.artifacts.contract import ProviderKind
from fleet_runtime.dialects import llama_swap, ollama, openai
from fleet_runtime.dialects.dialect import Dialect
from fleet_runtime.dialects.fields import bounded, mapping, version_text
from fleet_runtime.dialects.messages import ProbeRequest, ProbeResponse
from fleet_runtime.dialects.model_list_response import (
    ModelListResponse,
    decoded,
    fingerprint,
    read_model_list,
)
from fleet_runtime.dialects.observation import Observation, Probe
from fleet_runtime.dialects.registry import KINDS
from fleet_runtime.dialects.status_reason import ReasonCode, StatusReason

_LIST = ProbeRequest("/models", api=True)
GATEWAYS = "x-fleet-gateways"
"""The header of a list in which a gateway of fleet names itself and those that its providers named."""
MAX_GATEWAYS = 32
_GATEWAY = re.compile(r"fleet-[0-9a-f]{12}(?![0-9a-f])")
_SEARCHED = 4096
"""Bytes of an error's body that are searched for words: servers explain themselves in prose."""

Known = TypeVar("Known")
_Failure: TypeAlias = Literal["degraded", "config_error", "offline"]


def probe_provider(kind: ProviderKind, previous: Observation | None = None) -> Probe:
    """Probe a provider configured as `kind` once; `previous` is what the last probe returned.

    Loads no model, and keeps none from unloading. Any response at all ends in an observation.
    """
    response = yield _LIST
    failed = _without_list(kind, previous, response)
    if failed is not None:
        return failed
    listing = _unchanged(previous, response) or read_model_list(response)
    if isinstance(listing, StatusReason):
        return _failed(kind, previous, "degraded", replace(listing, path=_LIST.path))
    dialect = yield from _recognise(kind, previous, listing)
    if listing.null_data and dialect is not ollama.DIALECT:
        return _failed(kind, previous, "degraded", StatusReason("no_model_list", _LIST.path))
    seen = yield from dialect.read(listing, previous)
    version = seen.version or (yield from _version(dialect, previous))
    if not listing.fingerprint:
        listing = replace(listing, fingerprint=fingerprint(response, dated=dialect.dated))
    before = previous or Observation(kind, "offline")
    return Observation(
        dialect.kind,
        "online",
        models=_kept(before.models, seen.models),
        states=_kept(before.states, seen.states),
        warnings=bounded(seen.warnings),
        configured_kind=kind,
        waiting=seen.waiting,
        details=seen.details,
        listing=listing,
        memory=_kept(before.memory, seen.memory),
        version=version,
        gateways=_gateways(response),
    )


def _gateways(response: ProbeResponse) -> tuple[str, ...]:
    """Return the gateways of fleet that a list comes from: what a gateway says to another."""
    listed = response.headers.get(GATEWAYS)
    return () if listed is None else tuple(_GATEWAY.findall(listed)[:MAX_GATEWAYS])


def _kept(before: Known | None, now: Known) -> Known:
    """Return `before` if `now` says the same: the collector of garbage goes through what is new and stays,
    and of a thousand providers that takes long."""
    return before if before is not None and before == now else now


def _unchanged(previous: Observation | None, response: ProbeResponse) -> ModelListResponse | None:
    """Return the list that the previous probe read, if this response says the same."""
    if previous is None or previous.listing is None:
        return None
    now = fingerprint(response, dated=KINDS[previous.kind].dated)
    return previous.listing if previous.listing.fingerprint == now else None


def _recognised(listing: ModelListResponse) -> Dialect | None:
    """Return the only kind that the list can be of."""
    return next((dialect for dialect in KINDS.values() if dialect.recognises(listing)), None)


def _recognise(
    kind: ProviderKind, previous: Observation | None, listing: ModelListResponse
) -> Generator[ProbeRequest, ProbeResponse, Dialect]:
    """Return what responded; a list without a sign is of the configured kind, or of the one found before.

    Only a list without a sign, of a provider never seen, costs one more request: who has ``/api/version``.
    """
    recognised = listing.once(_recognised)
    if recognised is not None:
        return recognised
    if kind != "auto":
        return KINDS[kind]
    if previous is not None and previous.status == "online" and not listing.null_data:
        return KINDS.get(previous.kind, openai.DIALECT)
    version = mapping(decoded((yield ProbeRequest("/api/version"))))
    if not isinstance(version.get("version"), str):
        return openai.DIALECT
    return llama_swap.DIALECT if "build_date" in version else ollama.DIALECT


def _version(
    dialect: Dialect, previous: Observation | None
) -> Generator[ProbeRequest, ProbeResponse, str | None]:
    """Return the software's version, which is requested if the last probe did not find the same software."""
    if previous is not None and previous.status == "online" and previous.kind == dialect.kind:
        return previous.version
    if dialect.version is None:
        return None
    return version_text(mapping(decoded((yield ProbeRequest(dialect.version)))).get("version"))


def _without_list(
    kind: ProviderKind, previous: Observation | None, response: ProbeResponse
) -> Observation | None:
    """Return what a response without a list means; None if it may hold one."""
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
        # Ollama on a loopback address rejects foreign Hosts, without a body (server/routes.go at fb30760,
        # `allowedHostsMiddleware`). It has no keys, so a 403 with a body is of a proxy before it.
        by_host = status == 403 and known in ("ollama", "auto") and not response.body
        code: ReasonCode = "host_rejected" if by_host else "key_rejected"
        return _failed(kind, previous, "config_error", StatusReason(code, path, status))
    start = response.body[:_SEARCHED].lower()
    code = "unexpected_status"
    if status >= 500 and b"no space left on device" in start:
        code = "disk_full"
    elif status == 503 and b"loading" in start:  # "Loading model" is llama-server's, on every path
        code = "loading"
    return _failed(kind, previous, "degraded", StatusReason(code, path, status))


def _failed(
    kind: ProviderKind, previous: Observation | None, status: _Failure, reason: StatusReason
) -> Observation:
    known = previous or Observation(kind, status)
    if kind == "auto":
        kind = known.kind
    return Observation(
        kind, status, reason, models=known.models, details=known.details, version=known.version
    )
