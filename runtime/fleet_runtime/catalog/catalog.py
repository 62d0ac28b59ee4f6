"""What people and programs may choose from: the lists of models, made from a snapshot and the inventory.

Cheap to read: each list is kept as bytes until something about a provider changes, and then only the part of
that provider is encoded again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias, cast

import msgspec

from fleet_runtime.api_shape import ApiShape
from fleet_runtime.artifacts.contract import RoutedModel, RoutedProvider, RoutingTable
from fleet_runtime.catalog.describe import (
    chat_via,
    describe_favorite,
    describe_model,
    describe_openai_model,
    describe_provider,
    describe_resolution,
    within_surface,
)
from fleet_runtime.catalog.display_names import DisplayNames
from fleet_runtime.catalog.encoded_parts import EncodedParts
from fleet_runtime.catalog.etag import TaggedBody
from fleet_runtime.catalog.favorite_status import FavoriteStatus, favorite_status
from fleet_runtime.catalog.favorites import Favorites
from fleet_runtime.catalog.shapes import (
    CatalogModel,
    CatalogProvider,
    FavoriteList,
    FavoriteModel,
    ModelCatalog,
    ModelResolution,
    OpenAIModel,
    OpenAIModelList,
    Picker,
    RoleResolution,
    Roles,
)
from fleet_runtime.providers.inventory import Inventory
from fleet_runtime.routing.resolver import Resolution, resolve_model

ListBuilder: TypeAlias = Callable[[RoutingTable, str | None], ApiShape]


@dataclass(slots=True, eq=False)
class Catalog:
    """Lists for the surfaces of one snapshot; `favorites` returns the present list of favorites."""

    inventory: Inventory
    favorites: Callable[[], Favorites] = Favorites
    _versions: tuple[int, int] = (-1, -1)
    _statuses: tuple[FavoriteStatus, ...] = ()
    _favorite_ids: dict[str, frozenset[str]] = field(default_factory=dict)
    _names: DisplayNames = field(init=False)
    _parts: EncodedParts = field(default_factory=EncodedParts)
    _lists: dict[tuple[ListBuilder, str, str | None], TaggedBody] = field(default_factory=dict)

    def __post_init__(self) -> None:
        providers = self.inventory.snapshot.fleet.providers
        self._names = DisplayNames({provider.name: provider.label for provider in providers})

    def by_provider(self, table: RoutingTable) -> TaggedBody:
        """Return ``GET /api/models``, a `ModelCatalog`: every provider of the surface with its models."""
        return self._list(self._model_catalog, table)

    def picker(self, table: RoutingTable) -> TaggedBody:
        """Return ``GET /api/picker``, a `Picker`: the favorites that the surface can use now, then every
        provider, offline ones without models."""
        return self._list(self._picker, table)

    def openai_list(self, table: RoutingTable, pinned: str | None = None) -> TaggedBody:
        """Return ``GET <base>/v1/models``: what can be used now; bare ids if the path names a provider."""
        return self._list(self._openai_list, table, pinned)

    def openai_model(self, table: RoutingTable, pinned: str | None, resolution: Resolution) -> bytes | None:
        """Return ``GET <base>/v1/models/<id>`` for a resolved id; None if it cannot be used."""
        if not resolution.available or resolution.provider is None:
            return None
        self._refresh()
        facts, model = self._facts(resolution), resolution.model
        name = self._names.of(resolution.provider).get(resolution.listed or model, facts.name or model)
        bare = pinned is not None
        return msgspec.json.encode(
            describe_openai_model(resolution.provider, model, facts, name=name, bare=bare)
        )

    def favorite_list(self, table: RoutingTable, *, allowed_only: bool = False) -> FavoriteList:
        """Return ``GET /api/favorites``: every favorite, and why it cannot be used, if so.

        `allowed_only`: without the favorites of providers that the surface may not use.
        """
        self._refresh()
        allowed = {provider.name for provider in table.providers}
        favorites = [
            self._favorite(status, status.provider in allowed)
            for status in self._statuses
            if status.provider in allowed or not allowed_only
        ]
        return FavoriteList(version=self._versions[1], favorites=tuple(favorites))

    def model(self, table: RoutingTable, resolution: Resolution) -> CatalogModel | None:
        """Return the model that an id resolved to; None if nothing is known of it."""
        provider = next((p for p in table.providers if p.name == resolution.provider), None)
        if provider is None or resolution.listed is None:
            return None
        self._refresh()
        return self._model(provider, resolution.listed, self._facts(resolution))

    def resolution(self, resolution: Resolution) -> ModelResolution:
        """Return ``GET /api/resolve``: the router's decision, with why and what is known of the model."""
        name = resolution.provider or ""
        config = self.inventory.snapshot.connections.get(name)
        down = config is not None and self.inventory.states[name].sidecar == "down"
        return describe_resolution(resolution, config, self._facts(resolution), sidecar_down=down)

    def roles(self, table: RoutingTable, *, allowed_only: bool = False) -> Roles:
        """Return ``GET /api/roles``: each role's choices in order, and which one it means now.

        `allowed_only`: without the choices on providers that the surface may not use.
        """
        allowed = {provider.name for provider in table.providers}
        described = {}
        for name, candidates in table.roles.items():
            resolution = resolve_model(table, self.inventory.view, f"@{name}")
            if allowed_only:
                resolution = within_surface(resolution, table)
                candidates = tuple(id for id in candidates if id.partition("/")[0] in allowed)
            known = msgspec.structs.asdict(self.resolution(resolution))
            described[name] = RoleResolution(candidates=candidates, **known)
        return Roles(surface=table.surface, roles=described)

    def _list(self, build: ListBuilder, table: RoutingTable, pinned: str | None = None) -> TaggedBody:
        self._refresh()
        key = (build, table.base, pinned)
        known = self._lists.get(key)
        if known is None:
            known = self._lists[key] = TaggedBody.of(msgspec.json.encode(build(table, pinned)))
        return known

    def _refresh(self) -> None:
        """Forget the lists, and what favorites mean, if a provider or the favorites have changed."""
        favorites = self.favorites()
        versions = (self.inventory.version, favorites.version)
        if versions == self._versions:
            return
        self._versions = versions
        self._lists.clear()
        names, view = self.inventory.snapshot.fleet.names, self.inventory.view
        self._statuses = tuple(favorite_status(item, names, view) for item in favorites.items)
        chosen: dict[str, set[str]] = {}
        for status in self._statuses:
            chosen.setdefault(status.provider, set()).add(status.listed or status.model)
        for provider in self.inventory.snapshot.fleet.providers:
            ids = frozenset(chosen.get(provider.name, ()))
            if self._favorite_ids.get(provider.name) != ids:
                self._favorite_ids[provider.name] = ids
            self._names.update(provider.name, self.inventory.listings[provider.name].models)

    def _model_catalog(self, table: RoutingTable, _: str | None) -> ModelCatalog:
        return ModelCatalog(
            snapshot=self.inventory.snapshot.id,
            surface=table.surface,
            providers=tuple(self._encoded_provider(provider) for provider in table.providers),
        )

    def _picker(self, table: RoutingTable, _: str | None) -> Picker:
        allowed = {provider.name: provider for provider in table.providers}
        favorites: dict[str, CatalogModel] = {}
        for status in self._statuses:
            if status.reason is None and status.provider in allowed:
                id = status.listed or status.model
                facts = self.inventory.listings[status.provider].models.get(id, RoutedModel())
                model = self._model(allowed[status.provider], id, facts)
                if model.available and not facts.hidden:
                    favorites.setdefault(model.id, model)
        view = self.inventory.view
        return Picker(
            surface=table.surface,
            favorites=tuple(favorites.values()),
            providers=tuple(
                self._encoded_provider(provider) if view[name].available else self._provider(provider, ())
                for name, provider in allowed.items()
            ),
        )

    def _openai_list(self, table: RoutingTable, pinned: str | None) -> OpenAIModelList:
        items = [
            item
            for provider in table.providers
            if pinned in (None, provider.name) and self.inventory.view[provider.name].available
            for item in self._encoded_openai_models(provider, bare=pinned is not None)
        ]
        return OpenAIModelList(data=tuple(items))

    def _encoded_provider(self, provider: RoutedProvider) -> CatalogProvider:
        """Return a provider with its models as bytes, which are encoded in the place of the shape."""

        def build() -> Iterable[ApiShape]:
            yield self._provider(provider, (self._model(provider, *each) for each in self._shown(provider)))

        inputs = (self._favorite_ids[provider.name], *self._inputs(provider))
        (encoded,) = self._parts.get((provider.name, "provider"), inputs, build)
        return cast("CatalogProvider", encoded)

    def _encoded_openai_models(self, provider: RoutedProvider, *, bare: bool) -> tuple[OpenAIModel, ...]:
        def build() -> Iterable[ApiShape]:
            names = self._names.of(provider.name)
            for id, facts in self._shown(provider):
                yield describe_openai_model(provider.name, id, facts, name=names[id], bare=bare)

        encoded = self._parts.get((provider.name, "bare" if bare else "items"), self._inputs(provider), build)
        return cast("tuple[OpenAIModel, ...]", encoded)

    def _inputs(self, provider: RoutedProvider) -> tuple[object, ...]:
        """Return what the encoded parts of a provider are made from; each change replaces the list."""
        return (self.inventory.listings[provider.name], self._names.of(provider.name))

    def _provider(self, provider: RoutedProvider, models: Iterable[CatalogModel]) -> CatalogProvider:
        return describe_provider(provider, self.inventory.states[provider.name], models)

    def _shown(self, provider: RoutedProvider) -> Iterator[tuple[str, RoutedModel]]:
        models = self.inventory.listings[provider.name].models
        return ((id, facts) for id, facts in models.items() if not facts.hidden)

    def _model(self, provider: RoutedProvider, id: str, facts: RoutedModel) -> CatalogModel:
        available = self.inventory.view[provider.name].available
        state = self.inventory.states[provider.name].states.get(id, "unknown") if available else "unknown"
        return describe_model(
            provider,
            self.inventory.snapshot.connections[provider.name],
            id,
            facts,
            name=self._names.of(provider.name).get(id, facts.name or id),
            available=available and self._is_reachable(provider.name, facts),
            state=state,
            favorite=id in self._favorite_ids[provider.name],
        )

    def _favorite(self, status: FavoriteStatus, allowed: bool) -> FavoriteModel:
        reason = status.reason
        if reason is None and not allowed:
            reason = "surface_not_allowed"
        elif reason is None:
            facts = self.inventory.listings[status.provider].models.get(status.listed or "", RoutedModel())
            if not self._is_reachable(status.provider, facts):
                reason = "sidecar_unreachable"
        return describe_favorite(status, reason)

    def _facts(self, resolution: Resolution) -> RoutedModel:
        if resolution.provider is None or resolution.listed is None:
            return RoutedModel()
        return self.inventory.listings[resolution.provider].models.get(resolution.listed, RoutedModel())

    def _is_reachable(self, provider: str, facts: RoutedModel) -> bool:
        """Whether a chat with the model does not go through a sidecar that is down."""
        down = self.inventory.states[provider].sidecar == "down"
        return not (down and chat_via(self.inventory.snapshot.connections[provider], facts) == "sidecar")
