"""The lists of the catalog as JSON, cheap to read: each is kept as bytes until something about a provider
changes, and then only the part of that provider is encoded again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeAlias, cast

import msgspec

from fleet_runtime.api_shape import ApiShape
from fleet_runtime.artifacts.contract import RoutedProvider, RoutingTable
from fleet_runtime.catalog.catalog import Catalog
from fleet_runtime.catalog.describe import describe_openai_model
from fleet_runtime.catalog.etag import TaggedBody
from fleet_runtime.catalog.shapes import (
    CatalogProvider,
    ModelCatalog,
    OpenAIModel,
    OpenAIModelList,
    Picker,
)

ListBuilder: TypeAlias = Callable[[RoutingTable, str | None], ApiShape]


@dataclass(frozen=True, slots=True)
class _Part:
    """What a list says of one provider, encoded, and what it was made from."""

    inputs: tuple[object, ...]
    items: tuple[msgspec.Raw, ...]


@dataclass(slots=True, eq=False)
class CatalogLists:
    """The lists of every surface over one catalog."""

    catalog: Catalog
    _versions: tuple[int, int] = (-1, -1)
    _lists: dict[tuple[ListBuilder, str, str | None], TaggedBody] = field(default_factory=dict)
    _parts: dict[tuple[str, str], _Part] = field(default_factory=dict)

    def by_provider(self, table: RoutingTable) -> TaggedBody:
        """Return ``GET /api/models``, a `ModelCatalog`: every provider of the surface with its models."""
        return self._list(self._model_catalog, table)

    def picker(self, table: RoutingTable) -> TaggedBody:
        """Return ``GET /api/picker``, a `Picker`: the favorites that can be chatted with now, then every
        provider with its chat models, offline ones without any."""
        return self._list(self._picker, table)

    def openai_list(self, table: RoutingTable, pinned: str | None = None) -> TaggedBody:
        """Return ``GET <base>/v1/models``, an `OpenAIModelList`: what can be used now; bare ids if the path
        names a provider."""
        return self._list(self._openai_list, table, pinned)

    def _list(self, build: ListBuilder, table: RoutingTable, pinned: str | None = None) -> TaggedBody:
        self.catalog.refresh()
        if self._versions != self.catalog.versions:
            self._versions = self.catalog.versions
            self._lists.clear()
        key = (build, table.base, pinned)
        known = self._lists.get(key)
        if known is None:
            known = self._lists[key] = TaggedBody.of(msgspec.json.encode(build(table, pinned)))
        return known

    def _model_catalog(self, table: RoutingTable, _: str | None) -> ModelCatalog:
        return ModelCatalog(
            snapshot=self.catalog.inventory.snapshot.id,
            surface=table.surface,
            providers=tuple(self._provider(provider) for provider in table.providers),
        )

    def _picker(self, table: RoutingTable, _: str | None) -> Picker:
        view = self.catalog.inventory.view
        favorites = {
            model.id: model for model in self.catalog.favorite_models(table) if model.purpose == "chat"
        }
        return Picker(
            surface=table.surface,
            favorites=tuple(favorites.values()),
            providers=tuple(
                self._provider(provider, chat_only=True)
                if view[provider.name].available
                else self.catalog.provider(provider, ())
                for provider in table.providers
            ),
        )

    def _openai_list(self, table: RoutingTable, pinned: str | None) -> OpenAIModelList:
        view = self.catalog.inventory.view
        items = [
            item
            for provider in table.providers
            if pinned in (None, provider.name) and view[provider.name].available
            for item in self._openai_models(provider, bare=pinned is not None)
        ]
        return OpenAIModelList(data=tuple(items))

    def _provider(self, provider: RoutedProvider, *, chat_only: bool = False) -> CatalogProvider:
        """Return a provider with its models as bytes, which are encoded in the place of the shape."""

        def build() -> Iterable[ApiShape]:
            shown = self.catalog.shown_models(provider)
            models = (self.catalog.model(provider, id, facts) for id, facts in shown)
            wanted = (model for model in models if model.purpose == "chat" or not chat_only)
            yield self.catalog.provider(provider, wanted)

        inputs = (self.catalog.favorite_ids[provider.name], *self._inputs(provider))
        (encoded,) = self._part((provider.name, "chat" if chat_only else "provider"), inputs, build)
        return cast("CatalogProvider", encoded)

    def _openai_models(self, provider: RoutedProvider, *, bare: bool) -> tuple[OpenAIModel, ...]:
        def build() -> Iterable[ApiShape]:
            names = self.catalog.names(provider.name)
            for id, facts in self.catalog.shown_models(provider):
                yield describe_openai_model(provider.name, id, facts, name=names[id], bare=bare)

        encoded = self._part((provider.name, "bare" if bare else "items"), self._inputs(provider), build)
        return cast("tuple[OpenAIModel, ...]", encoded)

    def _inputs(self, provider: RoutedProvider) -> tuple[object, ...]:
        """Return what the parts of a provider are made from; each change replaces the model list."""
        return (self.catalog.inventory.listings[provider.name], self.catalog.names(provider.name))

    def _part(
        self, key: tuple[str, str], inputs: tuple[object, ...], build: Callable[[], Iterable[ApiShape]]
    ) -> tuple[msgspec.Raw, ...]:
        """Return the encoded shapes of `build`, kept as long as the `inputs` are the same objects."""
        known = self._parts.get(key)
        if known is None or not all(old is new for old, new in zip(known.inputs, inputs, strict=True)):
            items = tuple(msgspec.Raw(msgspec.json.encode(shape)) for shape in build())
            known = self._parts[key] = _Part(inputs, items)
        return known.items
