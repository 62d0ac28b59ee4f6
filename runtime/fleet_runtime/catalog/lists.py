"""The catalog's lists as cached JSON: when a provider changes, only its part is encoded again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, cast

import msgspec

from fleet_runtime.api_shape import ApiShape
from fleet_runtime.artifacts.contract import RoutedProvider, RoutingTable
from fleet_runtime.catalog.catalog import Catalog
from fleet_runtime.catalog.describe import describe_openai_model
from fleet_runtime.catalog.etag import TaggedBody
from fleet_runtime.catalog.list_request import EVERYTHING, ListRequest
from fleet_runtime.catalog.shapes import (
    AnthropicModel,
    CatalogProvider,
    ModelCatalog,
    OpenAIModel,
    OpenAIModelList,
    Picker,
)

KINDS: Final = ("chat", "other")
"""The order of the models in ``/v1/models``."""


@dataclass(frozen=True, slots=True)
class _Part:
    """The encoded part of a list for one provider, and its inputs."""

    inputs: tuple[object, ...]
    items: tuple[msgspec.Raw, ...]


@dataclass(slots=True, eq=False)
class CatalogLists:
    """The lists of every surface over one catalog."""

    catalog: Catalog
    _versions: tuple[int, str] = (-1, "")
    _lists: dict[tuple[object, ...], TaggedBody] = field(default_factory=dict)
    _parts: dict[tuple[str, str, bool], _Part] = field(default_factory=dict)

    def by_provider(self, table: RoutingTable, *, favorites: bool = True) -> TaggedBody:
        """Return ``GET /api/models``, a `ModelCatalog`: every provider of the surface with its models.

        Without `favorites`, `favorite` is null, so that a change of favorites changes no byte.
        """
        return self._list("models", table, favorites, lambda: self._model_catalog(table, favorites))

    def picker(self, table: RoutingTable, *, favorites: bool = True) -> TaggedBody:
        """Return ``GET /api/picker``, a `Picker`: the available favorites, then every provider with its chat
        models, offline providers without models. `favorites` is as in `by_provider`."""
        return self._list("picker", table, favorites, lambda: self._picker(table, favorites))

    def parts(
        self, table: RoutingTable, *, favorites: bool = True, chat_only: bool = False
    ) -> Iterator[CatalogProvider]:
        """Yield the parts of `by_provider` or, with `chat_only`, of `picker`, one provider at a time, so that
        the list can then be joined quickly."""
        if self._known(("picker" if chat_only else "models", table.base, favorites)) is None:
            for provider in table.providers:
                if not chat_only or self.catalog.inventory.view[provider.name].available:
                    yield self._provider(provider, favorites=favorites, chat_only=chat_only)

    def models(
        self, table: RoutingTable, pinned: str | None = None, wanted: ListRequest = EVERYTHING
    ) -> TaggedBody:
        """Return ``GET <base>/v1/models``: the available models, chat models first, with bare ids if the path
        names a provider. It is an `OpenAIModelList`, or a page of an `AnthropicModelList`.

        Raises LookupError with the id of `after_id` or `before_id` if the list does not contain it.
        """
        if wanted.page is not None:  # as many as there are models: not kept
            self.catalog.refresh()
            return TaggedBody(msgspec.json.encode(self._models(table, pinned, wanted)))
        return self._list("/v1", table, (pinned, wanted), lambda: self._models(table, pinned, wanted))

    def prepare(self) -> Iterator[object]:
        """Make the parts of ``/v1/models`` of every base, a step at a time; after that the lists are made
        quickly."""
        yield from self.catalog.refresh_names()
        self.catalog.refresh()
        for provider in self.catalog.inventory.snapshot.fleet.providers:
            if self.catalog.inventory.view[provider.name].available:
                for kind in KINDS:
                    yield self._openai_models(provider, kind, bare=False)

    def _list(
        self, name: str, table: RoutingTable, variant: object, build: Callable[[], ApiShape]
    ) -> TaggedBody:
        key = (name, table.base, variant)
        known = self._known(key)
        if known is None:
            known = self._lists[key] = TaggedBody(msgspec.json.encode(build()))
        return known

    def _known(self, key: tuple[object, ...]) -> TaggedBody | None:
        """Return the cached list, None if something has changed since."""
        self.catalog.refresh()
        if self._versions != self.catalog.versions:
            self._versions = self.catalog.versions
            self._lists.clear()
        return self._lists.get(key)

    def _model_catalog(self, table: RoutingTable, favorites: bool) -> ModelCatalog:
        return ModelCatalog(
            snapshot=self.catalog.inventory.snapshot.id,
            surface=table.surface,
            providers=tuple(self._provider(provider, favorites=favorites) for provider in table.providers),
        )

    def _picker(self, table: RoutingTable, favorites: bool) -> Picker:
        view = self.catalog.inventory.view
        usable = self.catalog.favorite_models(table) if favorites else ()
        chosen = {model.id: model for model in usable if model.purpose == "chat"}
        return Picker(
            surface=table.surface,
            favorites=tuple(chosen.values()),
            providers=tuple(
                self._provider(provider, favorites=favorites, chat_only=True)
                if view[provider.name].available
                else self.catalog.provider(provider, ())
                for provider in table.providers
            ),
        )

    def _models(self, table: RoutingTable, pinned: str | None, wanted: ListRequest) -> ApiShape:
        view = self.catalog.inventory.view
        providers = [
            provider
            for provider in table.providers
            if pinned in (None, provider.name)
            and view[provider.name].available
            and provider.name not in wanted.without
        ]
        bare = pinned is not None
        kinds = KINDS if wanted.purpose is None else (wanted.purpose,)
        items = [
            item
            for kind in kinds
            for provider in providers
            for item in self._openai_models(provider, kind, bare=bare)
        ]
        if wanted.page is None:
            return OpenAIModelList(data=tuple(items))
        models = msgspec.json.decode(msgspec.json.encode(items), type=list[OpenAIModel])
        return wanted.page.of([AnthropicModel(id=each.id, display_name=each.name) for each in models])

    def _provider(
        self, provider: RoutedProvider, *, favorites: bool, chat_only: bool = False
    ) -> CatalogProvider:
        """Return a provider whose models are already encoded."""

        def build() -> Iterable[ApiShape]:
            shown = self.catalog.shown_models(provider)
            models = (self.catalog.model(provider, id, facts, favorites=favorites) for id, facts in shown)
            wanted = (model for model in models if model.purpose == "chat" or not chat_only)
            yield self.catalog.provider(provider, wanted)

        ids = self.catalog.favorite_ids[provider.name] if favorites else None
        key = (provider.name, "chat" if chat_only else "all", favorites)
        (encoded,) = self._part(key, (ids, *self._inputs(provider)), build)
        return cast("CatalogProvider", encoded)

    def _openai_models(self, provider: RoutedProvider, kind: str, *, bare: bool) -> tuple[OpenAIModel, ...]:
        """Return the chat models, or those for `other` purposes."""

        def build() -> Iterable[ApiShape]:
            names = self.catalog.names(provider.name)
            for id, facts in self.catalog.shown_models(provider):
                purpose = facts.purpose or "chat"
                if kind == purpose or (kind == "other" and purpose != "chat"):
                    yield describe_openai_model(provider.name, id, facts, name=names[id], bare=bare)

        encoded = self._part((provider.name, f"/v1 {kind}", bare), self._inputs(provider), build)
        return cast("tuple[OpenAIModel, ...]", encoded)

    def _inputs(self, provider: RoutedProvider) -> tuple[object, ...]:
        """Return the inputs of a provider's parts; each change replaces the model list object."""
        return (self.catalog.inventory.listings[provider.name], self.catalog.names(provider.name))

    def _part(
        self, key: tuple[str, str, bool], inputs: tuple[object, ...], build: Callable[[], Iterable[ApiShape]]
    ) -> tuple[msgspec.Raw, ...]:
        """Return the encoded shapes of `build`, cached while the `inputs` are the same objects."""
        known = self._parts.get(key)
        if known is None or not all(old is new for old, new in zip(known.inputs, inputs, strict=True)):
            items = tuple(msgspec.Raw(msgspec.json.encode(shape)) for shape in build())
            known = self._parts[key] = _Part(inputs, items)
        return known.items
