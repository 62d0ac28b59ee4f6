"""Names of models for people (fleet_runtime.catalog.display_names)."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from fleet_runtime.artifacts.contract import RoutedModel
from fleet_runtime.catalog.display_names import DisplayNames

LABELS = {"desk": "Desk", "strix": "Strix", "twin": "Strix"}
MODELS = st.dictionaries(
    st.sampled_from("abcd"),
    st.builds(RoutedModel, name=st.sampled_from([None, "A", "B"]), hidden=st.booleans()),
)


def named(**lists: dict[str, RoutedModel]) -> dict[str, dict[str, str]]:
    names = DisplayNames(LABELS)
    for provider, models in lists.items():
        names.update(provider, models)
    return {provider: dict(names.of(provider)) for provider in lists}


def test_a_name_that_one_model_has_is_left_alone() -> None:
    assert named(desk={"a": RoutedModel(name="Qwen")}, strix={"a": RoutedModel()}) == {
        "desk": {"a": "Qwen"},
        "strix": {"a": "a"},
    }


def test_a_name_that_two_providers_have_shows_the_label() -> None:
    assert named(desk={"a": RoutedModel()}, strix={"b": RoutedModel(name="a")}) == {
        "desk": {"a": "a (Desk)"},
        "strix": {"b": "a (strix)"},
    }


def test_a_name_that_one_provider_has_twice_shows_the_id() -> None:
    assert named(desk={"a": RoutedModel(name="Q"), "b": RoutedModel(name="Q")}) == {
        "desk": {"a": "Q (desk/a)", "b": "Q (desk/b)"}
    }


def test_a_hidden_model_is_not_shown_and_takes_no_name() -> None:
    assert named(desk={"a": RoutedModel()}, strix={"a": RoutedModel(hidden=True)}) == {
        "desk": {"a": "a"},
        "strix": {},
    }


def test_names_stay_the_same_object_until_one_changes() -> None:
    names = DisplayNames(LABELS)
    names.update("desk", {"a": RoutedModel()})
    before = names.of("desk")
    names.update("strix", {"b": RoutedModel()})
    names.update("desk", {"a": RoutedModel(context=1)})
    assert names.of("desk") is before
    names.update("strix", {"a": RoutedModel()})
    assert names.of("desk") == {"a": "a (Desk)"}


@given(st.lists(st.tuples(st.sampled_from(list(LABELS)), MODELS), max_size=12))
def test_names_are_unique_and_those_of_a_fleet_made_at_once(
    changes: list[tuple[str, dict[str, RoutedModel]]],
) -> None:
    names = DisplayNames(LABELS)
    latest: dict[str, dict[str, RoutedModel]] = {}
    for provider, models in changes:
        names.update(provider, models)
        latest[provider] = models
        for each in LABELS:
            names.of(each)
    shown = {provider: dict(names.of(provider)) for provider in latest}
    assert shown == named(**latest)
    counts = Counter(name for each in shown.values() for name in each.values())
    assert all(count == 1 for count in counts.values())
