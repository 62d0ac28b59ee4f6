"""The shapes of lists, pickers and name resolution, shared by `/api`, the commands and the doctor.

Null means "not known"; contexts and outputs are tokens, times are RFC 3339 in UTC. Keys may be added;
existing keys are stable.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import UNSET, Meta, UnsetType

from fleet_runtime.api_shape import ApiShape
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

FavoriteReason: TypeAlias = Literal[
    "orphan",
    "provider_offline",
    "provider_disabled",
    "model_not_found",
    "surface_not_allowed",
    "sidecar_unreachable",
]


class ListedModel(ApiShape, frozen=True, kw_only=True, gc=False):
    """A model in fleet.yaml and fleet.lock."""

    id: Annotated[str, Meta(description="the composite id, `<provider>/<model>`")]
    provider: str
    model: Annotated[str, Meta(description="the provider's own id of it")]
    name: Annotated[
        str, Meta(description="the display name; includes the provider if another model has the same name")
    ]
    class_: ProviderClass
    via: Annotated[Via, Meta(description="the route of a chat")]
    context: int | None
    context_source: ContextSource | None
    output: int | None
    tools: bool | None
    reasoning: bool | None
    input: tuple[InputKind, ...]
    purpose: Purpose
    aliases: Annotated[tuple[str, ...], Meta(description="other ids that the provider accepts for it")]


class ListedProvider(ApiShape, frozen=True, kw_only=True, gc=False):
    """A provider with its models in fleet.yaml and fleet.lock."""

    name: str
    label: str
    class_: ProviderClass
    models: tuple[ListedModel, ...]


class ListedCatalog(ApiShape, frozen=True, kw_only=True, gc=False):
    """The output of `fleet models --json`."""

    providers: tuple[ListedProvider, ...]


class CatalogModel(ListedModel, frozen=True, kw_only=True, gc=False):
    """A model of a running fleet."""

    available: Annotated[bool, Meta(description="whether requests for it can be sent now")]
    state: ModelState
    favorite: Annotated[bool | None, Meta(description="null with `?favorites=none`")]


class CatalogProvider(ApiShape, frozen=True, kw_only=True, gc=False):
    """A provider with its models; `since` is the time of its last status change."""

    name: str
    label: str
    class_: ProviderClass
    kind: ProviderKind
    status: ProviderStatus
    since: str
    reason: str | None
    max_loaded: Annotated[
        int | None,
        Meta(description="how many of its models fit in memory, if the server reports it; one more evicts"),
    ]
    models: tuple[CatalogModel, ...]


class ModelCatalog(ApiShape, frozen=True, kw_only=True, gc=False):
    """The models of a surface by provider, in the order of fleet.yaml."""

    snapshot: str
    surface: str | None
    providers: tuple[CatalogProvider, ...]


class Picker(ApiShape, frozen=True, kw_only=True, gc=False):
    """The favorites that can be used now, then every provider; offline ones have no models. Only models for
    chats are listed."""

    surface: str | None
    favorites: tuple[CatalogModel, ...]
    providers: tuple[CatalogProvider, ...]


class ModelResolution(ApiShape, frozen=True, kw_only=True, gc=False):
    """The resolution of a name. If a request would be rejected, `available` is false, and `reason` (an error
    code), `message` and `suggestions` explain why and what to try instead."""

    requested: str
    id: str | None
    provider: str | None
    model: str | None
    class_: ProviderClass | None
    rule: Rule
    fallback: Annotated[bool, Meta(description="true for a later choice of a role or a fallback")]
    available: bool
    via: Via | None
    context: int | None
    context_source: ContextSource | None
    reason: str | UnsetType = UNSET
    message: str | UnsetType = UNSET
    suggestions: tuple[str, ...] | UnsetType = UNSET


class RoleResolution(ModelResolution, frozen=True, kw_only=True, gc=False):
    """A role: its choices in order, and the one that it resolves to now."""

    candidates: tuple[str, ...]


class Roles(ApiShape, frozen=True, kw_only=True, gc=False):
    """The roles of a surface by name."""

    surface: str | None
    roles: dict[str, RoleResolution]


class FavoriteModel(ApiShape, frozen=True, kw_only=True, gc=False):
    """A favorite; `reason` is why it cannot be used, `orphan` is true if its provider is not in
    fleet.yaml."""

    id: str
    provider: str
    model: str
    available: bool
    reason: FavoriteReason | None
    orphan: bool
    added_at: str


class FavoriteList(ApiShape, frozen=True, kw_only=True, gc=False):
    """All favorites in their order; `version` grows by one with every change and is null if the state was
    never read; `etag` is for ``If-Match``."""

    version: int | None
    etag: str
    favorites: tuple[FavoriteModel, ...]


class OpenAIModelMeta(ApiShape, frozen=True, kw_only=True, gc=False):
    """llama.cpp's own keys: `n_ctx_train` is that of the model's file, an upper bound."""

    n_ctx: int | None
    n_ctx_train: int | UnsetType = UNSET


class OpenAIModel(ApiShape, frozen=True, kw_only=True, gc=False):
    """An item of ``/v1/models``, with the keys of several APIs: OpenAI's (`object`,
    `created`, `owned_by`), Anthropic's (`type`, `display_name`, `created_at`), Open WebUI's and OpenRouter's
    (`name`, `context_length`), vLLM's (`max_model_len`), LM Studio's (`max_context_length`), llama.cpp's
    (`meta`). A context that is only `trained` is omitted, because the server may run the model with less."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str
    name: str
    context_length: int | None
    purpose: Purpose
    meta: OpenAIModelMeta
    type: Literal["model"] = "model"
    display_name: str
    created_at: str = "1970-01-01T00:00:00Z"
    max_model_len: int | UnsetType = UNSET
    max_context_length: int | UnsetType = UNSET


class OpenAIModelList(ApiShape, frozen=True, kw_only=True, gc=False):
    object: Literal["list"] = "list"
    data: tuple[OpenAIModel, ...]


class AnthropicModel(ApiShape, frozen=True, kw_only=True, gc=False):
    """An item of ``/v1/models`` for a request with an ``anthropic-version`` header."""

    type: Literal["model"] = "model"
    id: str
    display_name: str
    created_at: str = "1970-01-01T00:00:00Z"


class AnthropicModelList(ApiShape, frozen=True, kw_only=True, gc=False):
    """A page of Anthropic's list (https://docs.anthropic.com/en/api/models-list)."""

    data: tuple[AnthropicModel, ...]
    has_more: bool
    first_id: str | None
    last_id: str | None
