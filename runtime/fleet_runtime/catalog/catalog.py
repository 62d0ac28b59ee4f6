"""What people and programs may choose from: the lists of models, made from a snapshot and the inventory.

Pure, and cheap to read: each answer is kept as bytes until something about a machine changes, and then only
what it says of that machine is made anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

import msgspec

from fleet_runtime.artifacts.contract import ProviderConfig, RoutedModel, RoutedProvider, RoutingTable, Via
from fleet_runtime.catalog.etag import TaggedBody
from fleet_runtime.catalog.favorite_status import FavoriteStatus, favorite_status
from fleet_runtime.catalog.favorites import Favorites
from fleet_runtime.dialects.status_reason import reason_text
from fleet_runtime.providers.health import ProviderState
from fleet_runtime.providers.inventory import Inventory
from fleet_runtime.providers.model_list import ModelList
from fleet_runtime.routing.resolver import Resolution, resolve_model

CHAT_PATH = "/v1/chat/completions"

Part: TypeAlias = Literal["whole", "away", "composite", "bare"]
"""What the lists say of one provider: all with its models, all without, its items of an OpenAI list."""


@dataclass(frozen=True, slots=True)
class _Encoded:
    """A part of one provider, with what it was made from."""

    listing: ModelList
    favorites: frozenset[str]
    items: tuple[msgspec.Raw, ...]


@dataclass(slots=True)
class Catalog:
    """Lists for the surfaces of one snapshot; `favorites` tells what is preferred now."""

    inventory: Inventory
    favorites: Callable[[], Favorites] = Favorites
    _versions: tuple[int, int] = (-1, -1)
    _standings: tuple[FavoriteStatus, ...] = ()
    _favorites: dict[str, frozenset[str]] = field(default_factory=dict)
    _answers: dict[tuple[str, str | None, str], TaggedBody] = field(default_factory=dict)
    _parts: dict[tuple[str, Part], _Encoded] = field(default_factory=dict)

    def by_provider(self, table: RoutingTable) -> TaggedBody:
        """``GET /api/models``: every provider of the surface in order, with all its models that are shown."""
        return self._answer("by_provider", table, None)

    def picker(self, table: RoutingTable) -> TaggedBody:
        """``GET /api/picker``: the favorites that the surface can use now, then every provider with its
        models, those that are not there without any."""
        return self._answer("picker", table, None)

    def favorite_list(self, table: RoutingTable) -> dict[str, Any]:
        """``GET /api/favorites``: every favorite, and why it cannot be used where that is so."""
        self._refresh()
        favorites = [self._favorite(table, stands) for stands in self._standings]
        return {"version": self._versions[1], "favorites": favorites}

    def openai_list(self, table: RoutingTable, pinned: str | None = None) -> TaggedBody:
        """``GET <base>/v1/models``: what can be used now; bare ids where the path pins a provider."""
        return self._answer("openai_list", table, pinned)

    def openai_model(self, table: RoutingTable, pinned: str | None, answer: Resolution) -> bytes | None:
        """``GET <base>/v1/models/<id>`` for what the id resolved to; None where it cannot be used."""
        if not answer.available or answer.provider is None:
            return None
        facts = self._facts(answer)
        return msgspec.json.encode(
            _openai_item(answer.provider, answer.model, facts, bare=pinned is not None)
        )

    def model(self, table: RoutingTable, answer: Resolution) -> dict[str, Any] | None:
        """The object of ``/api/models`` for what an id resolved to; None where nothing is known of it."""
        provider = next((p for p in table.providers if p.name == answer.provider), None)
        if provider is None or answer.listed is None:
            return None
        self._refresh()
        return self._model(provider, answer.listed, self._facts(answer))

    def described(self, table: RoutingTable, answer: Resolution) -> dict[str, Any]:
        """``GET /api/resolve``: the router's answer, with why and what is known of the model."""
        connection = self.inventory.snapshot.connections.get(answer.provider or "")
        facts = self._facts(answer)
        described: dict[str, Any] = {
            "requested": answer.requested,
            "id": answer.id,
            "provider": answer.provider,
            "model": answer.model if answer.provider else None,
            "class": connection.class_ if connection else None,
            "rule": answer.rule,
            "fallback": answer.fallback,
            "available": answer.available,
            "via": _via(connection, facts) if connection else None,
            "context": facts.context,
            "context_source": facts.context_source,
        }
        if answer.refusal is not None:
            described["reason"] = answer.refusal.code
            described["message"] = answer.refusal.message
            described["suggestions"] = list(answer.refusal.suggestions)
        elif connection is not None and not self._reachable(connection, facts):
            described |= {"available": False, "reason": "sidecar_unreachable", "suggestions": []}
            described["message"] = f"the sidecar of provider '{connection.name}' does not answer"
        return described

    def roles(self, table: RoutingTable) -> dict[str, Any]:
        """``GET /api/roles``: each role's candidates in order, and which one it is now."""
        view = self.inventory.view
        return {
            "surface": table.surface,
            "roles": {
                name: {
                    "candidates": list(candidates),
                    **self.described(table, resolve_model(table, view, f"@{name}")),
                }
                for name, candidates in table.roles.items()
            },
        }

    def _answer(self, kind: str, table: RoutingTable, pinned: str | None) -> TaggedBody:
        self._refresh()
        key = (table.base, pinned, kind)
        answer = self._answers.get(key)
        if answer is None:
            content = msgspec.json.encode(self._content(kind, table, pinned))
            answer = self._answers[key] = TaggedBody.of(content)
        return answer

    def _content(self, kind: str, table: RoutingTable, pinned: str | None) -> dict[str, Any]:
        match kind:
            case "by_provider":
                return self._by_provider(table)
            case "picker":
                return self._picker(table)
            case _:
                return self._openai_list(table, pinned)

    def _refresh(self) -> None:
        """Forget the answers, and see anew what the favorites mean, where a machine or the list changed."""
        favorites = self.favorites()
        versions = (self.inventory.version, favorites.version)
        if versions == self._versions:
            return
        self._versions = versions
        self._answers.clear()
        names = self.inventory.snapshot.fleet.names
        self._standings = tuple(favorite_status(item, names, self.inventory.view) for item in favorites.items)
        chosen: dict[str, set[str]] = {}
        for stands in self._standings:
            chosen.setdefault(stands.provider, set()).add(stands.listed or stands.model)
        self._favorites = {provider: frozenset(ids) for provider, ids in chosen.items()}

    def _part(self, part: Part, provider: RoutedProvider) -> tuple[msgspec.Raw, ...]:
        """Encoded anew only where the machine, or which of its models are favorites, has changed."""
        listing = self.inventory.listings[provider.name]
        favorites = self._favorites.get(provider.name, frozenset())
        known = self._parts.get((provider.name, part))
        if known is None or known.listing is not listing or known.favorites != favorites:
            items = tuple(msgspec.Raw(msgspec.json.encode(item)) for item in self._items(part, provider))
            known = self._parts[provider.name, part] = _Encoded(listing, favorites, items)
        return known.items

    def _items(self, part: Part, provider: RoutedProvider) -> Iterable[dict[str, Any]]:
        match part:
            case "whole":
                yield self._provider(provider)
            case "away":
                yield self._provider(provider) | {"models": []}
            case _:
                for id, facts in self._shown(provider):
                    yield _openai_item(provider.name, id, facts, bare=part == "bare")

    def _by_provider(self, table: RoutingTable) -> dict[str, Any]:
        return {
            "snapshot": self.inventory.snapshot.id,
            "surface": table.surface,
            "providers": [item for provider in table.providers for item in self._part("whole", provider)],
        }

    def _picker(self, table: RoutingTable) -> dict[str, Any]:
        allowed = {provider.name: provider for provider in table.providers}
        favorites: dict[str, dict[str, Any]] = {}
        for stands in self._standings:
            if stands.reason is None and stands.provider in allowed:
                id = stands.listed or stands.model
                facts = self.inventory.listings[stands.provider].models.get(id, RoutedModel())
                model = self._model(allowed[stands.provider], id, facts)
                if model["available"] and not facts.hidden:
                    favorites.setdefault(model["id"], model)
        providers = [
            item
            for name, provider in allowed.items()
            for item in self._part("whole" if self.inventory.view[name].available else "away", provider)
        ]
        return {"surface": table.surface, "favorites": list(favorites.values()), "providers": providers}

    def _favorite(self, table: RoutingTable, stands: FavoriteStatus) -> dict[str, Any]:
        reason: str | None = stands.reason
        if reason is None:
            connection = self.inventory.snapshot.connections[stands.provider]
            models = self.inventory.listings[stands.provider].models
            if all(allowed.name != stands.provider for allowed in table.providers):
                reason = "surface_not_allowed"
            elif not self._reachable(connection, models.get(stands.listed or "", RoutedModel())):
                reason = "sidecar_unreachable"
        return {
            "id": stands.id,
            "provider": stands.provider,
            "model": stands.model,
            "available": reason is None,
            "reason": reason,
            "orphan": reason == "orphan",
            "added_at": moment(stands.favorite.added_at),
        }

    def _provider(self, provider: RoutedProvider) -> dict[str, Any]:
        state = self.inventory.states[provider.name]
        return {
            "name": provider.name,
            "label": provider.label,
            "class": provider.class_,
            "kind": state.kind,
            "status": state.status,
            "since": moment(state.since),
            "reason": None if state.reason is None else reason_text(state.reason),
            "models": [self._model(provider, id, facts) for id, facts in self._shown(provider)],
        }

    def _openai_list(self, table: RoutingTable, pinned: str | None) -> dict[str, Any]:
        part: Part = "composite" if pinned is None else "bare"
        items = [
            item
            for provider in table.providers
            if pinned in (None, provider.name) and self.inventory.view[provider.name].available
            for item in self._part(part, provider)
        ]
        return {"object": "list", "data": items}

    def _shown(self, provider: RoutedProvider) -> Iterator[tuple[str, RoutedModel]]:
        models = self.inventory.listings[provider.name].models
        return ((id, facts) for id, facts in models.items() if not facts.hidden)

    def _model(self, provider: RoutedProvider, id: str, facts: RoutedModel) -> dict[str, Any]:
        connection = self.inventory.snapshot.connections[provider.name]
        state = self.inventory.states[provider.name]
        available = self.inventory.view[provider.name].available
        return {
            "id": f"{provider.name}/{id}",
            "provider": provider.name,
            "model": id,
            "name": facts.name or id,
            "class": provider.class_,
            "via": _via(connection, facts),
            "available": available and self._reachable(connection, facts),
            "state": _state(state, id) if available else "unknown",
            "context": facts.context,
            "context_source": facts.context_source,
            "output": facts.output,
            "tools": facts.tools,
            "reasoning": facts.reasoning,
            "input": list(facts.input or ("text",)),
            "purpose": facts.purpose or "chat",
            "favorite": id in self._favorites.get(provider.name, ()),
        }

    def _facts(self, answer: Resolution) -> RoutedModel:
        if answer.provider is None or answer.listed is None:
            return RoutedModel()
        return self.inventory.listings[answer.provider].models.get(answer.listed, RoutedModel())

    def _reachable(self, connection: ProviderConfig, facts: RoutedModel) -> bool:
        """Whether what stands between the gateway and the model answers."""
        down = self.inventory.states[connection.name].sidecar == "down"
        return not (down and _via(connection, facts) == "sidecar")


def _openai_item(provider: str, id: str, facts: RoutedModel, *, bare: bool) -> dict[str, Any]:
    """An item of ``/v1/models``; a context that was only trained is no promise, and is not given."""
    context = None if facts.context_source == "trained" else facts.context
    return {
        "id": id if bare else f"{provider}/{id}",
        "object": "model",
        "created": 0,
        "owned_by": provider,
        "name": facts.name or id,
        "context_length": context,
        "meta": {"n_ctx": context},
    }


def _via(connection: ProviderConfig, facts: RoutedModel) -> Via:
    """Which way a chat with the model goes; other purposes never pass a sidecar."""
    passes = connection.sidecar is not None and CHAT_PATH in connection.sidecar.paths
    return "sidecar" if passes and facts.purpose in ("chat", None) else "direct"


def _state(state: ProviderState, id: str) -> str:
    return state.states.get(id, "unknown")


def moment(seconds: float) -> str:
    """Unix seconds as RFC 3339 in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
