"""How the list of favorites changes, and what a favorite means now (fleet_runtime.catalog.favorites)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet_runtime.artifacts.contract import ProviderStatus
from fleet_runtime.catalog.favorite_status import favorite_id, favorite_status
from fleet_runtime.catalog.favorites import (
    MAX_FAVORITES,
    AddFavorite,
    Favorite,
    Favorites,
    FavoritesChange,
    RemoveFavorite,
    ReorderFavorites,
    TooManyFavoritesError,
    VersionConflictError,
)
from fleet_runtime.errors import RequestError
from fleet_runtime.routing.resolver import ProviderView, Refusal, Resolution

NAMES = {"desk": "desk", "old-desk": "desk", "lab": "lab"}
MODELS = [f"{provider}/{model}" for provider in ("desk", "lab", "gone") for model in "abc"]


def listed(*ids: str, version: int = 1) -> Favorites:
    return Favorites(version, tuple(Favorite(id, 1.0) for id in ids))


def adding(id: str, requested: str | None = None) -> FavoritesChange:
    return FavoritesChange(NAMES, AddFavorite(id, 9.0, requested))


def removing(ids: Iterable[str]) -> FavoritesChange:
    return FavoritesChange(NAMES, RemoveFavorite(frozenset(ids)))


def ordering(ids: Iterable[str]) -> FavoritesChange:
    return FavoritesChange(NAMES, ReorderFavorites(tuple(ids), 9.0))


def ids(favorites: Favorites) -> list[str]:
    return [item.id for item in favorites.items]


def test_what_is_added_is_at_the_end() -> None:
    assert ids(adding("desk/b").apply(listed("lab/a", "desk/a"))) == [
        "lab/a",
        "desk/a",
        "desk/b",
    ]


def test_adding_again_changes_nothing() -> None:
    favorites = listed("lab/a", "desk/a")
    assert adding("lab/a").apply(favorites) is favorites


def test_adding_by_the_name_under_which_it_is_kept_changes_nothing() -> None:
    favorites = listed("lab/llama3")
    assert adding("lab/llama3:latest", "lab/llama3").apply(favorites) is favorites


def test_removing_an_id_that_is_not_a_favorite_changes_nothing() -> None:
    favorites = listed("lab/a")
    assert removing({"lab/b"}).apply(favorites) is favorites


def test_a_new_order_keeps_the_times() -> None:
    favorites = Favorites(3, (Favorite("lab/a", 1.0), Favorite("desk/a", 2.0)))
    arranged = FavoritesChange(NAMES, ReorderFavorites(("desk/a", "lab/b", "lab/a", "desk/a"), 9.0)).apply(
        favorites
    )
    assert arranged == Favorites(4, (Favorite("desk/a", 2.0), Favorite("lab/b", 9.0), Favorite("lab/a", 1.0)))


def test_a_favorite_of_a_renamed_provider_is_found_by_its_new_name() -> None:
    favorites = listed("old-desk/a")
    assert adding("desk/a").apply(favorites) is favorites
    assert ids(removing({"desk/a"}).apply(favorites)) == []


def test_a_change_stores_the_new_name_of_a_renamed_provider() -> None:
    assert ids(adding("lab/a").apply(listed("old-desk/a", "gone/x"))) == [
        "desk/a",
        "gone/x",
        "lab/a",
    ]


def test_renaming_merges_what_has_become_the_same_in_the_place_of_the_first() -> None:
    assert ids(FavoritesChange(NAMES).apply(listed("old-desk/a", "lab/a", "desk/a"))) == ["desk/a", "lab/a"]


def test_a_change_for_another_version_is_rejected_with_the_present_list() -> None:
    favorites = listed("lab/a", version=7)
    with pytest.raises(VersionConflictError) as caught:
        FavoritesChange(NAMES, AddFavorite("lab/b", 1.0), frozenset({"-5", "-6"})).apply(favorites)
    assert caught.value.current is favorites


FULL = listed(*(f"desk/m{number}" for number in range(MAX_FAVORITES)))


def test_a_full_list_takes_no_more_and_stays_as_it_is() -> None:
    with pytest.raises(TooManyFavoritesError, match="at most 1000 favorites"):
        adding("desk/one-more").apply(FULL)
    assert adding("desk/m0").apply(FULL) is FULL


def test_a_list_that_is_too_long_already_can_be_made_shorter() -> None:
    longer = Favorites(1, (*FULL.items, Favorite("desk/x", 1.0), Favorite("desk/y", 1.0)))
    assert len(removing(["desk/x"]).apply(longer).items) == MAX_FAVORITES + 1


CHANGES = st.one_of(
    st.sampled_from(MODELS).map(lambda id: adding(id)),
    st.sets(st.sampled_from(MODELS), max_size=3).map(lambda ids: removing(ids)),
    st.lists(st.sampled_from(MODELS), max_size=6).map(lambda ids: ordering(ids)),
    st.just(FavoritesChange(NAMES)),
)


@given(st.lists(CHANGES, max_size=20))
def test_the_version_grows_by_one_with_every_change_and_no_id_is_there_twice(
    changes: Sequence[FavoritesChange],
) -> None:
    favorites = listed("old-desk/a", "desk/b", "old-desk/b")
    for change in changes:
        now = change.apply(favorites)
        assert len(set(ids(now))) == len(now.items)
        assert (now is favorites) == (now.items == favorites.items)
        assert now.version == favorites.version + (now is not favorites)
        assert change.apply(now) is now
        favorites = now


def machine(status: ProviderStatus = "online", exhaustive: bool = True) -> ProviderView:
    return ProviderView(status, {"a": "a", "alias": "a"}, exhaustive, exclude=("secret-*",))


@pytest.mark.parametrize(
    ("id", "view", "reason"),
    [
        ("desk/a", machine(), None),
        ("desk/alias", machine(), None),
        ("old-desk/a", machine(), None),
        ("desk/a", machine("degraded"), None),
        ("desk/a", machine("unknown"), None),
        ("desk/b", machine(), "model_not_found"),
        ("desk/b", machine(exhaustive=False), None),
        ("desk/secret-b", machine(exhaustive=False), "model_not_found"),
        ("desk/a", machine("offline"), "provider_offline"),
        ("desk/b", machine("offline"), "provider_offline"),
        ("desk/a", machine("disabled"), "provider_disabled"),
        ("gone/a", machine(), "orphan"),
    ],
)
def test_why_a_favorite_cannot_be_used(id: str, view: ProviderView, reason: str | None) -> None:
    assert favorite_status(Favorite(id, 1.0), NAMES, {"desk": view, "lab": view}).reason == reason


def test_a_favorite_goes_by_the_present_name_of_its_provider() -> None:
    stands = favorite_status(Favorite("old-desk/alias", 1.0), NAMES, {"desk": machine()})
    assert (stands.id, stands.listed) == ("desk/alias", "a")


NOT_FOUND = Refusal("model_not_found", "provider 'desk' has no model 'x'", lambda: ("desk/a",))
OFFLINE = Refusal("provider_unreachable", "provider 'desk' does not answer")


@pytest.mark.parametrize(
    ("answer", "id"),
    [
        (Resolution("a", "desk", "a", "bare", listed="a"), "desk/a"),
        (Resolution("alias", "desk", "alias", "bare", listed="a"), "desk/a"),
        (Resolution("old-desk/x", "desk", "x", "provider", refusal=NOT_FOUND), "desk/x"),
        (Resolution("desk/x", "desk", "x", "provider", refusal=OFFLINE), "desk/x"),
        (Resolution("x", "desk", "x", "bare", refusal=OFFLINE), "desk/x"),
        (Resolution("org/a", "desk", "org/a", "bare", listed="org/a"), "desk/org/a"),
    ],
)
def test_the_id_under_which_a_name_is_kept(answer: Resolution, id: str) -> None:
    assert favorite_id(answer, forwards=False) == id


@pytest.mark.parametrize(
    ("answer", "code", "says"),
    [
        (Resolution("@task", "desk", "a", "role", listed="a"), "invalid_request", "'@task' is a role"),
        (Resolution("@none", None, "@none", "role", refusal=NOT_FOUND), "invalid_request", "is a role"),
        (Resolution("desk/", "desk", "", "provider", refusal=NOT_FOUND), "invalid_request", "is empty"),
        (Resolution("desk/a\nb", "desk", "a\nb", "provider"), "invalid_request", "control character"),
        (Resolution("x", "desk", "x", "bare", refusal=NOT_FOUND), "model_not_found", "'desk/a'"),
        (Resolution("nas/x", "desk", "nas/x", "bare", refusal=NOT_FOUND), "model_not_found", "'nas'"),
        (Resolution("nas/x", "desk", "nas/x", "bare", refusal=OFFLINE), "model_not_found", "'nas'"),
    ],
)
def test_what_cannot_be_a_favorite(answer: Resolution, code: str, says: str) -> None:
    with pytest.raises(RequestError) as caught:
        favorite_id(answer, forwards=False)
    assert caught.value.answer.code == code
    assert says in caught.value.answer.message
