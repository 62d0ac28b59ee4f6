"""Favorites: how the stored list changes, and what a stored favorite means now. Pure.

A favorite is stored under its composite id and stays until a person removes it: what is away is not
available, what left fleet.yaml is an orphan. Machines that were renamed (`formerly`) are followed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from fleet_runtime.errors import request_error, suggest
from fleet_runtime.routing.model_id import model_id_problem
from fleet_runtime.routing.resolver import Resolution, View

MAX_FAVORITES = 1000

Absence = Literal["orphan", "provider_offline", "provider_disabled", "model_not_found"]


@dataclass(frozen=True, slots=True)
class Favorite:
    """`id` is composite; `added_at` is unix seconds."""

    id: str
    added_at: float


Items: TypeAlias = tuple[Favorite, ...]
Change: TypeAlias = Callable[[Items], Items]


@dataclass(frozen=True, slots=True)
class Favorites:
    """The list in the order people see; `version` grows by one with every change."""

    version: int = 0
    items: Items = ()


class VersionConflictError(Exception):
    """The list is not the one that the change was meant for; `current` is what it is now."""

    def __init__(self, current: Favorites) -> None:
        super().__init__(f"the favorites are at version {current.version} now: read them again")
        self.current = current


class TooManyFavoritesError(Exception):
    """A change would make the list longer than `MAX_FAVORITES`."""

    def __init__(self) -> None:
        super().__init__(f"there are at most {MAX_FAVORITES} favorites: remove one first")


def changed(favorites: Favorites, change: Change, expected: Collection[int] | None = None) -> Favorites:
    """The list after `change`, the very same where it changes nothing.

    Raises `VersionConflictError` where the version is none of those `expected`, `TooManyFavoritesError` where
    the list would grow beyond `MAX_FAVORITES`; one that was longer may shrink.
    """
    if expected is not None and favorites.version not in expected:
        raise VersionConflictError(favorites)
    items = change(favorites.items)
    if len(items) > max(MAX_FAVORITES, len(favorites.items)):
        raise TooManyFavoritesError
    return favorites if items == favorites.items else Favorites(favorites.version + 1, items)


def adding(id: str, at: float, names: Mapping[str, str], asked: str | None = None) -> Change:
    """Put `id` at the end, unless it is there, or is there as it was `asked` for.

    `names` maps every provider's name and former name to its present one, here and below.
    """

    def add(items: Items) -> Items:
        present = {item.id for item in items}
        return items if id in present or asked in present else (*items, Favorite(id, at))

    return _on_present_names(add, names)


def removing(ids: Collection[str], names: Mapping[str, str]) -> Change:
    """Take out every favorite that goes by one of `ids`."""

    def remove(items: Items) -> Items:
        return tuple(item for item in items if item.id not in ids)

    return _on_present_names(remove, names)


def arranging(ids: Iterable[str], at: float, names: Mapping[str, str]) -> Change:
    """Make the list exactly `ids`; those that stay keep the time at which they were added."""
    wanted = tuple(dict.fromkeys(ids))

    def arrange(items: Items) -> Items:
        present = {item.id: item for item in items}
        return tuple(present.get(id, Favorite(id, at)) for id in wanted)

    return _on_present_names(arrange, names)


def renaming(names: Mapping[str, str]) -> Change:
    """Store every favorite under the present name of its machine."""

    former = {name for name, present in names.items() if name != present}

    def rename(items: Items) -> Items:
        if not any(item.id.partition("/")[0] in former for item in items):
            return items
        renamed: dict[str, Favorite] = {}
        for item in items:
            id = present_id(item.id, names)
            renamed.setdefault(id, replace(item, id=id))
        return tuple(renamed.values())

    return rename


def present_id(id: str, names: Mapping[str, str]) -> str:
    """The same model under the present name of its machine."""
    provider, slash, model = id.partition("/")
    return f"{names.get(provider, provider)}{slash}{model}"


@dataclass(frozen=True, slots=True)
class FavoriteStatus:
    """What a favorite means now.

    `listed`: the id under which the machine lists it, None where it does not. `reason` says why it cannot be
    used, None where it can.
    """

    favorite: Favorite
    provider: str
    model: str
    listed: str | None
    reason: Absence | None

    @property
    def id(self) -> str:
        return f"{self.provider}/{self.model}"


def favorite_status(favorite: Favorite, names: Mapping[str, str], view: View) -> FavoriteStatus:
    """What `favorite` means, by the present names of the machines and what is seen of them."""
    name, _, model = favorite.id.partition("/")
    provider = names.get(name)
    if provider is None:
        return FavoriteStatus(favorite, name, model, None, "orphan")
    machine = view[provider]
    listed = machine.listed(model)
    reason: Absence | None = None
    if machine.status == "disabled":
        reason = "provider_disabled"
    elif not machine.available:
        reason = "provider_offline"
    elif listed is None and (machine.exhaustive or not machine.admits(model)):
        reason = "model_not_found"
    return FavoriteStatus(favorite, provider, model, listed, reason)


def favorite_id(answer: Resolution, *, forwards: bool) -> str:
    """The composite id under which what a name resolved to is kept as a favorite.

    `forwards`: the machine is sent ids that it does not list. A model that a known machine lacks just now can
    be kept. Raises `Refused` for a role, for what cannot be an id, and for a name that means nothing here.
    """
    if answer.rule == "role":
        raise request_error(
            "invalid_request", f"'{answer.requested}' is a role, and favorites are models", "id"
        )
    if answer.provider is None:
        message = answer.refusal.message if answer.refusal else f"'{answer.requested}' is not a model id"
        raise request_error("invalid_request", message, "id")
    model = answer.listed or answer.model
    fault = model_id_problem(model, answer.provider)
    if fault is not None:
        raise request_error("invalid_request", f"model id '{model}' {fault}", "id")
    if answer.rule == "bare" and answer.listed is None and not forwards:
        head, slash, _ = model.partition("/")
        suggestions = answer.refusal.suggestions if answer.refusal else ()
        if slash:
            raise request_error(
                "model_not_found", suggest(f"there is no provider '{head}'", suggestions), "id"
            )
        if answer.refusal is not None and answer.refusal.code == "model_not_found":
            raise request_error("model_not_found", suggest(answer.refusal.message, suggestions), "id")
    return f"{answer.provider}/{model}"


def _on_present_names(change: Change, names: Mapping[str, str]) -> Change:
    """`change` as seen by people, who know the machines by their present names; where it changes nothing,
    nothing is renamed either."""
    rename = renaming(names)

    def on_present_names(items: Items) -> Items:
        renamed = rename(items)
        after = change(renamed)
        return items if after == renamed else after

    return on_present_names
