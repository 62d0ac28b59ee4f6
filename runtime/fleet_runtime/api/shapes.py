"""The shapes of the fleet's state, its history and the gateway's own responses, as they are sent, described
and parsed; those of the models are in `catalog.shapes`."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from fleet_runtime.api_shape import ApiShape
from fleet_runtime.artifacts.contract import ModelState, ProviderClass, ProviderKind, ProviderStatus
from fleet_runtime.catalog.favorites import MAX_FAVORITES
from fleet_runtime.dialects.status_reason import ReasonCode
from fleet_runtime.routing.old_names import OldNameKind
from fleet_runtime.telemetry.activity_row import RequestActivity


class LoadedModel(ApiShape, frozen=True, kw_only=True):
    """A loaded model as reported by its server: its size in bytes, in total and on GPUs, when it unloads or
    after how many idle seconds, and how many requests it handles at a time. Null means "not reported"."""

    model: str
    size: int | None
    vram: int | None
    expires_at: str | None
    ttl: int | None
    slots: int | None


class GpuReport(ApiShape, frozen=True, kw_only=True):
    """One GPU: memory in bytes, utilization in percent."""

    name: str
    total: int | None
    used: int | None
    percent: float | None


class ProviderMemory(ApiShape, frozen=True, kw_only=True):
    """The memory reported by a server, in bytes."""

    models: tuple[LoadedModel, ...]
    max_loaded: Annotated[
        int | None, Meta(description="models in memory at a time, if the server reports it")
    ]
    ram_total: int | None
    ram_used: int | None
    gpus: tuple[GpuReport, ...]


class ProviderReport(ApiShape, frozen=True, kw_only=True):
    """A provider as an operator sees it; `latency` of the last probe in seconds, `in_flight` by model. `kind`
    is the software that responded; a difference from `configured_kind` is not in `warnings`."""

    name: str
    label: str
    class_: ProviderClass
    kind: ProviderKind
    version: Annotated[str | None, Meta(description="of that software, as far as it says")]
    configured_kind: ProviderKind
    formerly: tuple[str, ...]
    url: str
    status: ProviderStatus
    since: str
    reason: str | None
    reason_code: ReasonCode | None
    remedy: Annotated[str | None, Meta(description="what to do about the reason")]
    sidecar: Literal["unknown", "up", "down"] | None
    polled: bool
    latency: float | None
    models: int
    loaded: tuple[str, ...]
    loading: tuple[str, ...]
    in_flight: dict[str, int]
    waiting: int
    memory: Annotated[ProviderMemory | None, Meta(description="null: the server did not respond")]
    wake: Annotated[
        Literal["mac", "command"] | None, Meta(description="how it can be woken; null if it cannot")
    ]
    commands: Annotated[bool, Meta(description="whether it loads and unloads models on command")]
    warnings: tuple[str, ...]


class StoreState(ApiShape, frozen=True, kw_only=True):
    """Whether favorites and history can be saved, since when, and `where`. `reason` explains a failure or
    another problem, `remedy` what to do about a database. The last three are null in the report of a
    surface."""

    state: Literal["up", "down"]
    since: str
    where: str | None
    reason: str | None
    remedy: str | None = None


class ContextChange(ApiShape, frozen=True, kw_only=True):
    """The context of a model in fleet.lock, and its current one."""

    model: str
    locked: int | None
    now: int


class DriftReport(ApiShape, frozen=True, kw_only=True):
    """The difference between a provider's model list and fleet.lock, in the provider's own ids."""

    appeared: tuple[str, ...]
    vanished: tuple[str, ...]
    contexts: tuple[ContextChange, ...]


class CaptureState(ApiShape, frozen=True, kw_only=True):
    """The number of captured requests, which include prompts, and the number of bytes per body."""

    keep: int
    body: int


class FleetStatus(ApiShape, frozen=True, kw_only=True):
    """`refused` is the reason why the newest build was rejected; `needs_restart` lists settings that wait for
    a restart."""

    snapshot: str
    refused: str | None
    refused_remedy: Annotated[str | None, Meta(description="what to do about the rejected build")]
    needs_restart: tuple[str, ...]
    store: StoreState
    started_at: str
    serving_since: Annotated[str, Meta(description="when this snapshot was loaded")]
    now: Annotated[str, Meta(description="the gateway's clock")]
    listen: Annotated[str, Meta(description="the address since the start")]
    default_provider: Annotated[str | None, Meta(description="null if the surface may not use it")]
    surfaces: tuple[str, ...]
    drift: Annotated[dict[str, DriftReport], Meta(description="the providers that differ from fleet.lock")]
    providers: tuple[ProviderReport, ...]
    captures: Annotated[CaptureState | None, Meta(description="null: no request is kept")] = None


class OldNameReport(ApiShape, frozen=True, kw_only=True):
    """How often requests used an old name since `since`; `last_at` and `surface` are those of the latest one,
    null if there was none. `kind` is where fleet.yaml has the name: an alias, a former name, or a prefix to
    remove."""

    kind: OldNameKind
    name: str
    means: Annotated[str | None, Meta(description="a model id or a provider; null for a prefix")]
    uses: int
    since: str
    last_at: str | None
    surface: Annotated[str | None, Meta(description="null for a request to `/v1` as well")]


class OldNames(ApiShape, frozen=True, kw_only=True):
    """Every old name that fleet.yaml accepts."""

    old_names: tuple[OldNameReport, ...]


class HistoryEntry(ApiShape, frozen=True, kw_only=True):
    """A status of a provider with its reason, from `at` on, as observed by `gateway`."""

    provider: str
    status: ProviderStatus
    reason: str | None
    at: str
    gateway: str | None


class History(ApiShape, frozen=True, kw_only=True):
    """Changes of status, the newest first."""

    changes: tuple[HistoryEntry, ...]


class Access(ApiShape, frozen=True, kw_only=True):
    """What a key opens. `key` is its name in fleet.yaml, null if the gateway has no keys; `surfaces` are
    those that it is limited to, null for all; `operations` are those of the API, such as ``GET
    /api/models``."""

    key: str | None
    surfaces: tuple[str, ...] | None
    operations: tuple[str, ...]


class KeyInForce(ApiShape, frozen=True, kw_only=True):
    """A key of the gateway: its name, the surfaces that it is limited to, where it is read from, and when a
    request to this gateway last came with it, null if none did."""

    name: str
    surfaces: tuple[str, ...] | None
    source: Literal["env", "file"]
    last_used: str | None


class Settings(ApiShape, frozen=True, kw_only=True):
    """The settings of the gateway in force, as in `gateway:` and `inventory:` of fleet.yaml."""

    version: Annotated[str, Meta(description="of fleet")]
    listen: str
    url: str
    hosts: tuple[str, ...]
    origins: tuple[str, ...]
    drain: float
    limits: dict[str, float]
    inventory: dict[str, float]
    state: str
    captures: CaptureState | None
    keys: tuple[KeyInForce, ...]


class Finding(ApiShape, frozen=True, kw_only=True):
    """A problem: `where` names one thing, `what` completes the sentence, `remedy` contains a command in
    backticks."""

    severity: Literal["error", "warning", "note"]
    area: str
    where: str
    what: str
    remedy: str


class Findings(ApiShape, frozen=True, kw_only=True):
    """The findings by area."""

    findings: tuple[Finding, ...]


class RecentRequests(ApiShape, frozen=True, kw_only=True):
    """The running requests and the last finished ones, both newest first."""

    running: tuple[RequestActivity, ...]
    requests: tuple[RequestActivity, ...]


class ModelCommand(ApiShape, frozen=True, kw_only=True):
    """The model to load or unload: the provider's own id, or another name on that provider. `force` allows it
    although running requests are affected."""

    model: str
    force: bool = False


class ModelOutcome(ApiShape, frozen=True, kw_only=True):
    """The state of the model according to a probe after the command; `running` are the affected requests."""

    provider: str
    model: str
    state: ModelState
    running: tuple[RequestActivity, ...]


class Serving(ApiShape, frozen=True, kw_only=True):
    """The snapshot that is served."""

    snapshot: str


class Ready(Serving, frozen=True, kw_only=True):
    """A snapshot is loaded."""

    status: Literal["ready"] = "ready"


class Health(ApiShape, frozen=True, kw_only=True):
    """The process responds."""

    status: Literal["ok"] = "ok"


class FavoriteId(ApiShape, frozen=True, kw_only=True):
    """A favorite as listed by ``GET /api/favorites``; only its id is used."""

    id: str


class FavoriteOrder(ApiShape, frozen=True, kw_only=True):
    """The favorites in their new order: ids, or items of ``GET /api/favorites``."""

    favorites: Annotated[tuple[str | FavoriteId, ...], Meta(max_length=MAX_FAVORITES)]


class NoContent(ApiShape, frozen=True, kw_only=True):
    """An empty object, the body of a POST without parameters."""


class ErrorDetail(ApiShape, frozen=True, kw_only=True):
    """`code` is for programs, `message` for people; `param` is the name of the invalid parameter."""

    message: str
    type: str
    code: str
    param: str | None


class ErrorBody(ApiShape, frozen=True, kw_only=True):
    """An error of the gateway, in OpenAI's shape."""

    error: ErrorDetail
