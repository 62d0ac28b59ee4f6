"""Describe providers, models, names and favorites in the shapes of the catalog. Pure.

The API uses these functions for live models, the commands for the models in fleet.lock.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from msgspec import UNSET

from fleet_runtime.artifacts.contract import (
    ModelState,
    ProviderConfig,
    RoutedModel,
    RoutedProvider,
    Via,
)
from fleet_runtime.catalog.favorite_status import FavoriteStatus
from fleet_runtime.catalog.shapes import (
    CatalogModel,
    CatalogProvider,
    FavoriteModel,
    FavoriteReason,
    ModelResolution,
    OpenAIModel,
    OpenAIModelMeta,
)
from fleet_runtime.dialects.status_reason import reason_text
from fleet_runtime.providers.health import ProviderState
from fleet_runtime.routing.resolver import Resolution

CHAT_PATH = "/v1/chat/completions"


def chat_via(config: ProviderConfig, facts: RoutedModel) -> Via:
    """Return the route of a chat with the model; models for another purpose never use a sidecar."""
    through = config.sidecar is not None and CHAT_PATH in config.sidecar.paths
    return "sidecar" if through and facts.purpose in ("chat", None) else "direct"


def describe_model(
    provider: RoutedProvider,
    config: ProviderConfig,
    id: str,
    facts: RoutedModel,
    *,
    name: str,
    available: bool,
    state: ModelState,
    favorite: bool | None,
) -> CatalogModel:
    """Return one model of `provider`; `name` is the display name."""
    return CatalogModel(
        id=f"{provider.name}/{id}",
        provider=provider.name,
        model=id,
        name=name,
        class_=provider.class_,
        via=chat_via(config, facts),
        available=available,
        state=state,
        context=facts.context,
        context_source=facts.context_source,
        output=facts.output,
        tools=facts.tools,
        reasoning=facts.reasoning,
        input=facts.input or ("text",),
        purpose=facts.purpose or "chat",
        aliases=facts.aliases,
        favorite=favorite,
    )


def describe_provider(
    provider: RoutedProvider, state: ProviderState, models: Iterable[CatalogModel]
) -> CatalogProvider:
    memory = None if state.observation is None else state.observation.memory
    return CatalogProvider(
        name=provider.name,
        label=provider.label,
        class_=provider.class_,
        kind=state.kind,
        status=state.status,
        since=rfc3339(state.since),
        reason=None if state.reason is None else reason_text(state.reason),
        max_loaded=None if memory is None else memory.max_loaded,
        models=tuple(models),
    )


def describe_resolution(
    resolution: Resolution, config: ProviderConfig | None, facts: RoutedModel, *, sidecar_down: bool = False
) -> ModelResolution:
    """Describe a resolution; `config` and `facts` are those of its provider and model, if it has them."""
    via = chat_via(config, facts) if config else None
    reason: str | None = None
    message = ""
    suggestions: tuple[str, ...] = ()
    if resolution.refusal is not None:
        reason, message = resolution.refusal.code, resolution.refusal.message
        suggestions = resolution.refusal.suggestions
    elif config is not None and via == "sidecar" and sidecar_down:
        reason, message = "sidecar_unreachable", f"the sidecar of provider '{config.name}' does not respond"
    return ModelResolution(
        requested=resolution.requested,
        id=resolution.id,
        provider=resolution.provider,
        model=resolution.model if resolution.provider else None,
        class_=config.class_ if config else None,
        rule=resolution.rule,
        fallback=resolution.fallback,
        available=reason is None,
        via=via,
        context=facts.context,
        context_source=facts.context_source,
        reason=UNSET if reason is None else reason,
        message=UNSET if reason is None else message,
        suggestions=UNSET if reason is None else suggestions,
    )


def describe_favorite(status: FavoriteStatus, reason: FavoriteReason | None) -> FavoriteModel:
    """Describe a favorite; `reason` is why it cannot be used, None if it can."""
    return FavoriteModel(
        id=status.id,
        provider=status.provider,
        model=status.model,
        available=reason is None,
        reason=reason,
        orphan=reason == "orphan",
        added_at=rfc3339(status.favorite.added_at),
    )


def describe_openai_model(
    provider: str, id: str, facts: RoutedModel, *, name: str, bare: bool
) -> OpenAIModel:
    """Return an item of ``/v1/models``, with its `bare` id if the path names the provider."""
    trained = facts.context_source == "trained"
    context = None if trained else facts.context
    promised = UNSET if context is None else context
    return OpenAIModel(
        id=id if bare else f"{provider}/{id}",
        owned_by=provider,
        name=name,
        context_length=context,
        purpose=facts.purpose or "chat",
        meta=OpenAIModelMeta(
            n_ctx=context,
            n_ctx_train=facts.context if trained and facts.context is not None else UNSET,
        ),
        display_name=name,
        max_model_len=promised,
        max_context_length=promised,
    )


def rfc3339(seconds: float) -> str:
    """Return unix seconds as RFC 3339 in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
