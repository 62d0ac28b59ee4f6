"""What the API answers, as OpenAPI describes it: shapes for readers of the description, and their examples.

No answer is made from these. The answers come from `catalog` and the routes as they are, and tests hold both
together. Keys may be added to them; those named here stay.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from fleet_runtime.artifacts.contract import (
    ContextSource,
    InputKind,
    ModelState,
    ProviderClass,
    ProviderKind,
    ProviderStatus,
    Purpose,
    Rule,
    Via,
)

SNAPSHOT = "sha256:5f1c0d6e3b2a49788c7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f2a1b0c9d8e7f6a5b"
TIME = "2026-11-21T20:00:00Z"

MODEL: dict[str, Any] = {
    "id": "sam-desktop/qwen3-8b",
    "provider": "sam-desktop",
    "model": "qwen3-8b",
    "name": "Qwen3 8B",
    "class": "local",
    "via": "sidecar",
    "available": True,
    "state": "loaded",
    "context": 32768,
    "context_source": "running",
    "output": 8192,
    "tools": True,
    "reasoning": False,
    "input": ["text"],
    "purpose": "chat",
    "favorite": True,
}
PROVIDER: dict[str, Any] = {
    "name": "sam-desktop",
    "label": "sam-desktop",
    "class": "local",
    "kind": "llama-swap",
    "status": "online",
    "since": TIME,
    "reason": None,
    "models": [MODEL],
}
RESOLUTION: dict[str, Any] = {
    "requested": "qwen3-8b",
    "id": "sam-desktop/qwen3-8b",
    "provider": "sam-desktop",
    "model": "qwen3-8b",
    "class": "local",
    "rule": "bare",
    "fallback": False,
    "available": True,
    "via": "sidecar",
    "context": 32768,
    "context_source": "running",
}
FAVORITE: dict[str, Any] = {
    "id": "embedding/qwen3-8b",
    "provider": "embedding",
    "model": "qwen3-8b",
    "available": False,
    "reason": "provider_offline",
    "orphan": False,
    "added_at": TIME,
}


def shown(*examples: dict[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": list(examples)})


class CatalogModel(BaseModel):
    """A model on a machine. Null means "not known"; `context` and `output` are tokens."""

    model_config = shown(MODEL)

    id: Annotated[str, Field(description="the composite id, `<provider>/<model>`")]
    provider: str
    model: Annotated[str, Field(description="the machine's own word")]
    name: str
    class_: Annotated[ProviderClass, Field(alias="class")]
    via: Annotated[Via, Field(description="which way a chat with it goes")]
    available: bool
    state: ModelState
    context: int | None
    context_source: ContextSource | None
    output: int | None
    tools: bool | None
    reasoning: bool | None
    input: list[InputKind]
    purpose: Purpose
    favorite: bool


class CatalogProvider(BaseModel):
    """A machine with its models; `since`: when its status became what it is."""

    model_config = shown(PROVIDER)

    name: str
    label: str
    class_: Annotated[ProviderClass, Field(alias="class")]
    kind: ProviderKind
    status: ProviderStatus
    since: str
    reason: str | None
    models: list[CatalogModel]


class ModelCatalog(BaseModel):
    """The models of a surface by machine, in the order of fleet.yaml."""

    model_config = shown({"snapshot": SNAPSHOT, "surface": "boochat", "providers": [PROVIDER]})

    snapshot: str
    surface: str | None
    providers: list[CatalogProvider]


class Picker(BaseModel):
    """The favorites that can be used now, then every machine; those that are away have no models."""

    model_config = shown({"surface": "boochat", "favorites": [MODEL], "providers": [PROVIDER]})

    surface: str | None
    favorites: list[CatalogModel]
    providers: list[CatalogProvider]


class Resolution(BaseModel):
    """What a name means. Where a request would be refused, `available` is false, and `reason` (an error's
    code), `message` and `suggestions` say why and what else there is."""

    model_config = shown(RESOLUTION)

    requested: str
    id: str | None
    provider: str | None
    model: str | None
    class_: Annotated[ProviderClass | None, Field(alias="class")]
    rule: Rule
    fallback: Annotated[bool, Field(description="a later choice than the one that was asked for")]
    available: bool
    via: Via | None
    context: int | None
    context_source: ContextSource | None
    reason: str | None = None
    message: str | None = None
    suggestions: list[str] = []


class Role(Resolution):
    """A role: its choices in order, and which one it is now."""

    model_config = shown({"candidates": ["sam-desktop/qwen3-8b"], **RESOLUTION, "requested": "@default"})

    candidates: list[str]


class Roles(BaseModel):
    model_config = shown(
        {
            "surface": "boochat",
            "roles": {"default": {"candidates": ["sam-desktop/qwen3-8b"], **RESOLUTION, "rule": "role"}},
        }
    )

    surface: str | None
    roles: dict[str, Role]


class Favorite(BaseModel):
    """`reason` says why it cannot be used; `orphan`: its machine is no longer in fleet.yaml."""

    model_config = shown(FAVORITE)

    id: str
    provider: str
    model: str
    available: bool
    reason: str | None
    orphan: bool
    added_at: str


class FavoriteList(BaseModel):
    """All favorites in their order; `version` grows by one with every change."""

    model_config = shown({"version": 7, "favorites": [FAVORITE]})

    version: int
    favorites: list[Favorite]


class Serving(BaseModel):
    """The snapshot that serves."""

    model_config = shown({"snapshot": SNAPSHOT})

    snapshot: str


class Ready(Serving):
    model_config = shown({"status": "ready", "snapshot": SNAPSHOT})

    status: Literal["ready"]


class Health(BaseModel):
    model_config = shown({"status": "ok"})

    status: Literal["ok"]


class ErrorDetail(BaseModel):
    message: str
    type: str
    code: str
    param: str | None


class ErrorResponseBody(BaseModel):
    """An error of the gateway's own, in OpenAI's shape."""

    model_config = shown(
        {
            "error": {
                "message": "provider 'embedding' has no model 'qwen3-8x'",
                "type": "invalid_request_error",
                "code": "model_not_found",
                "param": "model",
            }
        }
    )

    error: ErrorDetail
