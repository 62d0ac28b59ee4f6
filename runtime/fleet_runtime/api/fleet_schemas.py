"""What ``/api/fleet`` and its history answer, described as in `api_shapes`; `fleet doctor` reads it so."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from fleet_runtime.api.schemas import SNAPSHOT, TIME, shown
from fleet_runtime.artifacts.contract import ProviderClass, ProviderKind, ProviderStatus
from fleet_runtime.dialects.status_reason import ReasonCode

PROVIDER_REPORT: dict[str, Any] = {
    "name": "sam-desktop",
    "label": "sam-desktop",
    "class": "local",
    "kind": "llama-swap",
    "formerly": [],
    "url": "http://100.101.41.16:8401",
    "status": "online",
    "since": TIME,
    "reason": None,
    "reason_code": None,
    "remedy": None,
    "sidecar": "up",
    "polled": True,
    "latency": 0.0041,
    "models": 12,
    "loaded": ["qwen3-8b"],
    "loading": [],
    "in_flight": {"qwen3-8b": 1},
    "waiting": 0,
    "warnings": [],
}
DRIFT: dict[str, Any] = {
    "appeared": ["qwen3-32b"],
    "vanished": [],
    "contexts": [{"model": "qwen3-8b", "locked": 32768, "now": 16384}],
}
CHANGE: dict[str, Any] = {
    "provider": "embedding",
    "status": "offline",
    "reason": "connection refused",
    "at": TIME,
}


class ProviderReport(BaseModel):
    """A machine as an operator sees it; `latency` of the last look in seconds, `in_flight` by model."""

    model_config = shown(PROVIDER_REPORT)

    name: str
    label: str
    class_: Annotated[ProviderClass, Field(alias="class")]
    kind: ProviderKind
    formerly: list[str]
    url: str
    status: ProviderStatus
    since: str
    reason: str | None
    reason_code: ReasonCode | None
    remedy: Annotated[str | None, Field(description="what to do about the reason")]
    sidecar: Literal["unknown", "up", "down"] | None
    polled: bool
    latency: float | None
    models: int
    loaded: list[str]
    loading: list[str]
    in_flight: dict[str, int]
    waiting: int
    warnings: list[str]


class StoreState(BaseModel):
    path: str
    fault: str | None


class ContextChange(BaseModel):
    """A context as fleet.lock has it, and as the machine has it now."""

    model: str
    locked: int | None
    now: int


class DriftReport(BaseModel):
    """How a machine's list differs from fleet.lock, ids being the machine's own."""

    model_config = shown(DRIFT)

    appeared: list[str]
    vanished: list[str]
    contexts: list[ContextChange]


class FleetStatus(BaseModel):
    """`refused` says why the newest build does not serve; `needs_restart` which settings wait for one."""

    model_config = shown(
        {
            "snapshot": SNAPSHOT,
            "refused": None,
            "needs_restart": [],
            "store": {"path": "/srv/fleet/.fleet/state.db", "fault": None},
            "started_at": TIME,
            "now": TIME,
            "listen": "127.0.0.1:8400",
            "default_provider": "sam-desktop",
            "surfaces": ["arena", "boochat", "boocoder"],
            "drift": {"sam-desktop": DRIFT},
            "providers": [PROVIDER_REPORT],
        }
    )

    snapshot: str
    refused: str | None
    needs_restart: list[str]
    store: StoreState
    started_at: str
    now: Annotated[str, Field(description="the gateway's clock")]
    listen: Annotated[str, Field(description="where it listens since it started")]
    default_provider: str
    surfaces: list[str]
    drift: Annotated[dict[str, DriftReport], Field(description="the machines that differ from fleet.lock")]
    providers: list[ProviderReport]


class StatusChange(BaseModel):
    """A machine's status, or the reason for it, from `at` on."""

    model_config = shown(CHANGE)

    provider: str
    status: ProviderStatus
    reason: str | None
    at: str


class History(BaseModel):
    """Changes of status, the newest first."""

    model_config = shown({"changes": [CHANGE]})

    changes: list[StatusChange]
