"""The catalog: models, names, roles and favorites as they are now.

Everything is computed on demand from a snapshot, its inventory and the favorites. Only resolved favorites and
display names are cached until one of these changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import msgspec

from fleet_runtime.artifacts.contract import RoutedModel, RoutedProvider, RoutingTable
from fleet_runtime.catalog.describe import (
    chat_via,
    describe_favorite,
    describe_model,
    describe_openai_model,
    describe_provider,
    describe_resolution,
)
from fleet_runtime.catalog.display_names import DisplayNames
from fleet_runtime.catalog.favorite_status import FavoriteStatus, favorite_status
from fleet_runtime.catalog.favorites import Favorites
from fleet_runtime.catalog.shapes import (
    CatalogModel,
    CatalogProvider,
    FavoriteList,
    FavoriteModel,
    ModelResolution,
    OpenAIModel,
    RoleResolution,
    Roles,
)
from fleet_runtime.providers.inventory import Inventory
from fleet_runtime.routing.resolver import Resolution, resolve_model


@dataclass(slots=True, eq=False)
class Catalog:
    """The catalog of one snapshot; `favorites` returns the current favorites.

    `versions` are the version of the inventory and the tag of the favorites at the last refresh.
    """

    inventory: Inventory
    favorites: Callable[[], Favorites] = Favorites
    versions: tuple[int, str] = (-1, "")
    favorite_ids: dict[str, frozenset[str]] = field(default_factory=dict)
    _known: Favorites = field(default_factory=Favorites)
    _statuses: tuple[FavoriteStatus, ...] = ()
    _names: DisplayNames = field(init=False)

    def __post_init__(self) -> None:
        providers = self.inventory.snapshot.fleet.providers
        self._names = DisplayNames({provider.name: provider.label for provider in providers})

    def refresh(self) -> None:
        """Update resolved favorites and display names if anything has changed.

        `favorite_ids` (by provider) and the names stay the same objects while they are equal.
        """
        favorites = self.favorites()
        versions = (self.inventory.version, favorites.tag)
        if versions == self.versions:
            return
        self.versions, self._known = versions, favorites
        names, view = self.inventory.snapshot.fleet.names, self.inventory.view
        self._statuses = tuple(favorite_status(item, names, view) for item in favorites.items)
        chosen: dict[str, set[str]] = {}
        for status in self._statuses:
            chosen.setdefault(status.provider, set()).add(status.listed or status.model)
        for provider in self.inventory.snapshot.fleet.providers:
            ids = frozenset(chosen.get(provider.name, ()))
            if self.favorite_ids.get(provider.name) != ids:
                self.favorite_ids[provider.name] = ids
        for _ in self.refresh_names():
            pass

    def refresh_names(self) -> Iterator[None]:
        """Bring up to date what models are called, a provider at a time; `refresh` is quick after that."""
        for provider in self.inventory.snapshot.fleet.providers:
            self._names.update(provider.name, self.inventory.listings[provider.name].models)
            yield

    def names(self, provider: str) -> Mapping[str, str]:
        """Return the display names of a provider's listed models by id."""
        return self._names.of(provider)

    def provider(self, provider: RoutedProvider, models: Iterable[CatalogModel]) -> CatalogProvider:
        return describe_provider(provider, self.inventory.states[provider.name], models)

    def shown_models(self, provider: RoutedProvider) -> Iterator[tuple[str, RoutedModel]]:
        """Yield the models of a provider that are not hidden."""
        models = self.inventory.listings[provider.name].models
        return ((id, facts) for id, facts in models.items() if not facts.hidden)

    def model(
        self, provider: RoutedProvider, id: str, facts: RoutedModel, *, favorites: bool = True
    ) -> CatalogModel:
        """Return one model of a provider's list; without `favorites`, `favorite` is null."""
        available = self.inventory.view[provider.name].available
        state = self.inventory.states[provider.name].states.get(id, "unknown") if available else "unknown"
        return describe_model(
            provider,
            self.inventory.snapshot.connections[provider.name],
            id,
            facts,
            name=self.names(provider.name).get(id, facts.name or id),
            available=available and self._is_reachable(provider.name, facts),
            state=state,
            favorite=id in self.favorite_ids[provider.name] if favorites else None,
        )

    def find_model(self, table: RoutingTable, resolution: Resolution) -> CatalogModel | None:
        """Return the model of a resolution; None if it has no known model."""
        provider = next((p for p in table.providers if p.name == resolution.provider), None)
        if provider is None or resolution.listed is None:
            return None
        self.refresh()
        return self.model(provider, resolution.listed, self._facts(resolution))

    def openai_model(self, pinned: str | None, resolution: Resolution) -> OpenAIModel | None:
        """Return ``GET <base>/v1/models/<id>`` for a resolved id; None if it cannot be used."""
        if not resolution.available or resolution.provider is None:
            return None
        self.refresh()
        facts, id = self._facts(resolution), resolution.model
        name = self.names(resolution.provider).get(resolution.listed or id, facts.name or id)
        return describe_openai_model(resolution.provider, id, facts, name=name, bare=pinned is not None)

    def resolution(self, resolution: Resolution) -> ModelResolution:
        """Return ``GET /api/resolve``: the resolver's decision with its reason, and the known facts of the
        model."""
        name = resolution.provider or ""
        config = self.inventory.snapshot.connections.get(name)
        down = config is not None and self.inventory.states[name].sidecar == "down"
        return describe_resolution(resolution, config, self._facts(resolution), sidecar_down=down)

    def roles(self, table: RoutingTable, *, allowed_only: bool = False) -> Roles:
        """Return ``GET /api/roles``: each role's choices in order, and the one that it resolves to now.

        `allowed_only` omits choices on providers that the surface may not use.
        """
        allowed = {provider.name for provider in table.providers}
        described = {}
        for name, candidates in table.roles.items():
            resolution = resolve_model(table, self.inventory.view, f"@{name}")
            if allowed_only:
                candidates = tuple(id for id in candidates if id.partition("/")[0] in allowed)
            known = msgspec.structs.asdict(self.resolution(resolution))
            described[name] = RoleResolution(candidates=candidates, **known)
        return Roles(surface=table.surface, roles=described)

    def favorite_list(self, table: RoutingTable, *, allowed_only: bool = False) -> FavoriteList:
        """Return ``GET /api/favorites``: every favorite, with the reason if it cannot be used.

        `allowed_only` omits favorites of providers that the surface may not use.
        """
        self.refresh()
        allowed = {provider.name for provider in table.providers}
        favorites = [
            self._favorite(status, status.provider in allowed)
            for status in self._statuses
            if status.provider in allowed or not allowed_only
        ]
        known = self._known
        version = known.version if known.run else None
        return FavoriteList(version=version, etag=known.etag, favorites=tuple(favorites))

    def favorite_models(self, table: RoutingTable) -> Iterator[CatalogModel]:
        """Yield the favorites that the surface can use now, in their order."""
        allowed = {provider.name: provider for provider in table.providers}
        usable = (each for each in self._statuses if each.reason is None and each.provider in allowed)
        for status in usable:
            id = status.listed or status.model
            facts = self.inventory.listings[status.provider].models.get(id, RoutedModel())
            model = self.model(allowed[status.provider], id, facts)
            if model.available and not facts.hidden:
                yield model

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
        """Return whether chats with the model avoid a sidecar that is down."""
        down = self.inventory.states[provider].sidecar == "down"
        return not (down and chat_via(self.inventory.snapshot.connections[provider], facts) == "sidecar")
