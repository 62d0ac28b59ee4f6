"""The list of favorites and the commands that change it. Pure.

A favorite is stored under its composite id until someone removes it. To follow renamed providers
(`formerly`), every command has a map from each name and former name to the current name.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

MAX_FAVORITES = 1000


@dataclass(frozen=True, slots=True)
class Favorite:
    """`id` is composite; `added_at` is unix seconds."""

    id: str
    added_at: float


class VersionConflictError(Exception):
    """The list has changed since the client read it; `current` is the current list."""

    def __init__(self, current: Favorites) -> None:
        super().__init__(f"the favorites have changed, their `etag` is {current.etag} now: read them again")
        self.current = current


class TooManyFavoritesError(Exception):
    """A change would make the list longer than `MAX_FAVORITES`."""

    def __init__(self) -> None:
        super().__init__(f"there are at most {MAX_FAVORITES} favorites: remove one first")


@dataclass(frozen=True, slots=True)
class Favorites:
    """The ordered list; `version` grows by one with every change within one `run`, the lifetime of a state
    file.

    Every method returns the changed list, or this object if nothing changes.
    """

    version: int = 0
    items: tuple[Favorite, ...] = ()
    run: str = ""

    @property
    def tag(self) -> str:
        """Return a unique tag of this list; different state files have different runs."""
        return f"{self.run}-{self.version}"

    @property
    def etag(self) -> str:
        """Return the tag as ``ETag`` and ``If-Match`` have it, in quotes."""
        return f'"{self.tag}"'

    def add(self, id: str, at: float, requested: str | None = None) -> Favorites:
        """Append `id`, unless the list contains it or the `requested` id.

        Raises `TooManyFavoritesError`.
        """
        present = {item.id for item in self.items}
        return self if id in present or requested in present else self._with((*self.items, Favorite(id, at)))

    def remove(self, ids: Collection[str]) -> Favorites:
        """Remove every favorite with one of `ids`."""
        return self._with(tuple(item for item in self.items if item.id not in ids))

    def reorder(self, ids: Iterable[str], at: float) -> Favorites:
        """Make the list exactly `ids`; favorites that stay keep the time at which they were added.

        Raises `TooManyFavoritesError`.
        """
        present = {item.id: item for item in self.items}
        return self._with(tuple(present.get(id, Favorite(id, at)) for id in dict.fromkeys(ids)))

    def rename_providers(self, names: Mapping[str, str]) -> Favorites:
        """Replace former names of providers by the current ones; of equal ids, the first is kept."""
        renamed: dict[str, Favorite] = {}
        for item in self.items:
            id = present_id(item.id, names)
            renamed.setdefault(id, item if id == item.id else replace(item, id=id))
        return self._with(tuple(renamed.values()))

    def _with(self, items: tuple[Favorite, ...]) -> Favorites:
        if items == self.items:
            return self
        if len(items) > max(MAX_FAVORITES, len(self.items)):
            raise TooManyFavoritesError
        return replace(self, version=self.version + 1, items=items)


@dataclass(frozen=True, slots=True)
class AddFavorite:
    """Append `id`; `requested` is the id from the client, which an older entry may have."""

    id: str
    at: float
    requested: str | None = None

    def apply(self, favorites: Favorites) -> Favorites:
        return favorites.add(self.id, self.at, self.requested)


@dataclass(frozen=True, slots=True)
class RemoveFavorite:
    """Remove the favorite that has one of `ids`."""

    ids: frozenset[str]

    def apply(self, favorites: Favorites) -> Favorites:
        return favorites.remove(self.ids)


@dataclass(frozen=True, slots=True)
class ReorderFavorites:
    """Make the list exactly `ids`."""

    ids: tuple[str, ...]
    at: float

    def apply(self, favorites: Favorites) -> Favorites:
        return favorites.reorder(self.ids, self.at)


Command: TypeAlias = AddFavorite | RemoveFavorite | ReorderFavorites


@dataclass(frozen=True, slots=True)
class FavoritesChange:
    """One command, for a list with one of the `expected` tags (None: any list); without a command, only the
    names of providers are updated.

    `names` maps every name and former name of every provider to its current name.
    """

    names: Mapping[str, str]
    command: Command | None = None
    expected: frozenset[str] | None = None

    def apply(self, favorites: Favorites) -> Favorites:
        """Return the changed list, or the same object if the command changes nothing; then no provider is
        renamed either.

        Raises `VersionConflictError` and `TooManyFavoritesError`.
        """
        if self.expected is not None and favorites.tag not in self.expected:
            raise VersionConflictError(favorites)
        renamed = favorites.rename_providers(self.names)
        changed = renamed if self.command is None else self.command.apply(renamed)
        if changed is favorites or (changed is renamed and self.command is not None):
            return favorites
        return replace(favorites, version=favorites.version + 1, items=changed.items)


def present_id(id: str, names: Mapping[str, str]) -> str:
    """Return the id of the same model with the current name of its provider."""
    provider, slash, model = id.partition("/")
    return f"{names.get(provider, provider)}{slash}{model}"
