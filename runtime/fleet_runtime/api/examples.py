"""An example of every response, for the OpenAPI description."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from fleet_runtime.api.client_shapes import (
    ClientModel,
    ClientProvider,
    ClientSurface,
    ClientSurfaces,
    ClientTable,
)
from fleet_runtime.api.request_examples import REQUEST_EXAMPLES, TIME
from fleet_runtime.api.shapes import (
    Access,
    ContextChange,
    DriftReport,
    ErrorBody,
    ErrorDetail,
    FavoriteOrder,
    Finding,
    Findings,
    FleetStatus,
    GpuReport,
    Health,
    History,
    HistoryEntry,
    KeyInForce,
    LoadedModel,
    OldNameReport,
    OldNames,
    ProviderMemory,
    ProviderReport,
    Ready,
    Serving,
    Settings,
    StoreState,
)
from fleet_runtime.api_shape import ApiShape
from fleet_runtime.catalog.shapes import (
    CatalogModel,
    CatalogProvider,
    FavoriteList,
    FavoriteModel,
    ModelCatalog,
    ModelResolution,
    Picker,
    RoleResolution,
    Roles,
)

SNAPSHOT: Final = "sha256:5f1c0d6e3b2a49788c7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f2a1b0c9d8e7f6a5b"

_MODEL = CatalogModel(
    id="sam-desktop/qwen3-8b",
    provider="sam-desktop",
    model="qwen3-8b",
    name="Qwen3 8B",
    class_="local",
    via="sidecar",
    available=True,
    state="loaded",
    context=32768,
    context_source="running",
    output=8192,
    tools=True,
    reasoning=False,
    input=("text",),
    purpose="chat",
    aliases=(),
    favorite=True,
)
_PROVIDER = CatalogProvider(
    name="sam-desktop",
    label="sam-desktop",
    class_="local",
    kind="llama-swap",
    status="online",
    since=TIME,
    reason=None,
    max_loaded=None,
    models=(_MODEL,),
)
_RESOLUTION = ModelResolution(
    requested="qwen3-8b",
    id="sam-desktop/qwen3-8b",
    provider="sam-desktop",
    model="qwen3-8b",
    class_="local",
    rule="bare",
    fallback=False,
    available=True,
    via="sidecar",
    context=32768,
    context_source="running",
)
_ROLE = RoleResolution(
    candidates=("sam-desktop/qwen3-8b",),
    requested="@default",
    id="sam-desktop/qwen3-8b",
    provider="sam-desktop",
    model="qwen3-8b",
    class_="local",
    rule="role",
    fallback=False,
    available=True,
    via="sidecar",
    context=32768,
    context_source="running",
)
_FAVORITE = FavoriteModel(
    id="embedding/qwen3-8b",
    provider="embedding",
    model="qwen3-8b",
    available=False,
    reason="provider_offline",
    orphan=False,
    added_at=TIME,
)
_CLIENT_MODEL = ClientModel(
    name="Qwen3 8B",
    context=32768,
    context_source="running",
    output=8192,
    input=("text",),
    tools=True,
    reasoning=False,
    purpose="chat",
    aliases=(),
)
_CLIENT_PROVIDER = ClientProvider(
    name="sam-desktop", label="sam-desktop", class_="local", models={"qwen3-8b": _CLIENT_MODEL}
)
_CLIENT_TABLE = ClientTable(
    surface="opencode",
    label="opencode",
    base="/opencode",
    default_provider="sam-desktop",
    legacy="strict",
    names={"sam-desktop": "sam-desktop"},
    namespaces=("llama-swap",),
    aliases={"qwen": "sam-desktop/qwen3-8b"},
    roles={"default": ("sam-desktop/qwen3-8b",)},
    providers=(_CLIENT_PROVIDER,),
)
_REPORT = ProviderReport(
    name="sam-desktop",
    label="sam-desktop",
    class_="local",
    kind="llama-swap",
    version="v255",
    configured_kind="auto",
    formerly=(),
    url="http://100.101.41.16:8401",
    status="online",
    since=TIME,
    reason=None,
    reason_code=None,
    remedy=None,
    sidecar="up",
    polled=True,
    latency=0.0041,
    models=12,
    loaded=("qwen3-8b",),
    loading=(),
    in_flight={"qwen3-8b": 1},
    waiting=0,
    commands=True,
    memory=ProviderMemory(
        models=(
            LoadedModel(
                model="qwen3-8b",
                size=5_600_000_000,
                vram=5_600_000_000,
                expires_at=TIME,
                ttl=None,
                slots=None,
            ),
        ),
        max_loaded=None,
        ram_total=64_000_000_000,
        ram_used=12_000_000_000,
        gpus=(GpuReport(name="RTX 4090", total=24_000_000_000, used=6_100_000_000, percent=38.0),),
    ),
    wake=None,
    warnings=(),
)
_DRIFT = DriftReport(
    appeared=("qwen3-32b",),
    vanished=(),
    contexts=(ContextChange(model="qwen3-8b", locked=32768, now=16384),),
)
_STATUS = FleetStatus(
    snapshot=SNAPSHOT,
    refused=None,
    refused_remedy=None,
    needs_restart=(),
    store=StoreState(state="up", since=TIME, where="/var/lib/fleet/state.db", reason=None),
    started_at=TIME,
    serving_since=TIME,
    now=TIME,
    listen="127.0.0.1:8400",
    default_provider="sam-desktop",
    surfaces=("arena", "boochat", "boocoder"),
    drift={"sam-desktop": _DRIFT},
    providers=(_REPORT,),
)
_OLD_NAME = OldNameReport(
    kind="formerly",
    name="sam-pc",
    means="sam-desktop",
    uses=12,
    since=TIME,
    last_at="2026-11-22T08:30:00Z",
    surface="boochat",
)
_ENTRY = HistoryEntry(
    provider="embedding", status="offline", reason="connection refused", at=TIME, gateway="box:8400"
)
_ERROR = ErrorDetail(
    message="provider 'embedding' has no model 'qwen3-8x'",
    type="invalid_request_error",
    code="model_not_found",
    param="model",
)

_KEY: Final = KeyInForce(name="laptop", surfaces=("boochat",), source="env", last_used=TIME)
_FINDING: Final = Finding(
    severity="warning",
    area="machines",
    where="provider 'sam-desktop'",
    what="lists 'glm-4.6-air', which fleet.lock does not contain",
    remedy="`fleet lock sam-desktop && fleet build`",
)

EXAMPLES: Final[Mapping[type[ApiShape], ApiShape]] = {
    type(example): example
    for example in (
        _MODEL,
        _PROVIDER,
        ModelCatalog(snapshot=SNAPSHOT, surface="boochat", providers=(_PROVIDER,)),
        Picker(surface="boochat", favorites=(_MODEL,), providers=(_PROVIDER,)),
        _RESOLUTION,
        _ROLE,
        Roles(surface="boochat", roles={"default": _ROLE}),
        _CLIENT_MODEL,
        _CLIENT_PROVIDER,
        _CLIENT_TABLE,
        ClientSurfaces(surfaces={"opencode": ("opencode", "codex")}),
        ClientSurface(
            url="http://fleet.local:8400",
            requires_key=True,
            clients={"opencode": {"exclusive": False}, "codex": {}},
            table=_CLIENT_TABLE,
        ),
        _FAVORITE,
        FavoriteList(version=7, etag='"3b9ac9ff12d0-7"', favorites=(_FAVORITE,)),
        FavoriteOrder(favorites=("embedding/qwen3-8b",)),
        _REPORT,
        _DRIFT,
        _STATUS,
        _OLD_NAME,
        OldNames(old_names=(_OLD_NAME,)),
        *REQUEST_EXAMPLES,
        _ENTRY,
        History(changes=(_ENTRY,)),
        Access(
            key="laptop",
            surfaces=("boochat",),
            operations=("GET /api/access", "GET /api/models", "GET /api/picker"),
        ),
        _KEY,
        Settings(
            version="0.1.0",
            listen="127.0.0.1:8400",
            url="http://fleet.local:8400",
            hosts=("fleet.local",),
            origins=(),
            drain=30,
            limits={"body": 100_000_000, "head": 65_536, "memory": 512_000_000, "stall": 60},
            inventory={"interval": 10, "timeout": 2, "grace": 30},
            state="/var/lib/fleet/state.db",
            captures=None,
            keys=(_KEY,),
        ),
        _FINDING,
        Findings(findings=(_FINDING,)),
        Serving(snapshot=SNAPSHOT),
        Ready(snapshot=SNAPSHOT),
        Health(),
        ErrorBody(error=_ERROR),
    )
}
"""An example of each shape that occurs in responses."""
