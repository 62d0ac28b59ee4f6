"""Whose an entry of fleet.lock is, what is kept of it, and what a probe replaces."""

from __future__ import annotations

from typing import Any

import pytest

from fleet_compiler.lock.entries import (
    Rename,
    current_entries,
    merge_observations,
    needs_probe,
    undeclared_renames,
)
from fleet_compiler.lock.model import Lock, LockedProvider
from fleet_runtime.artifacts.contract import ModelFacts, ProviderConfig
from fleet_runtime.dialects.observation import Observation

URL = "http://127.0.0.1:8080"
OTHER = "http://127.0.0.1:9090"
RUNNING = ModelFacts(context=32768, context_source="running")
TRAINED = ModelFacts(context=131072, context_source="trained")
LISTED = ModelFacts(context=8192, context_source="listed")


def machine(name: str = "desk", url: str = URL, **more: Any) -> ProviderConfig:
    known = {"name": name, "label": name, "class": "local", "kind": "auto"}
    known |= {"url": url, "api_base": f"{url}/v1"}
    return ProviderConfig.model_validate(known | more)


def locked(models: dict[str, ModelFacts], name: str = "desk", url: str = URL) -> Lock:
    return Lock(providers={name: LockedProvider(url=url, kind="llama-swap", models=models)})


def seen(models: dict[str, ModelFacts]) -> Observation:
    return Observation("llama-swap", "online", models=models)


def after(lock: Lock, observation: Observation) -> dict[str, ModelFacts]:
    return merge_observations(lock, {"desk": observation}, [machine()]).providers["desk"].models


def test_a_provider_at_another_url_keeps_its_entry_marked_as_stale() -> None:
    entry = current_entries(locked({"m": RUNNING}), [machine(url=OTHER)]).providers["desk"]
    assert (entry.models, entry.url, entry.stale) == ({"m": RUNNING}, URL, "url changed")


def test_a_provider_that_comes_back_to_its_url_is_no_longer_stale() -> None:
    moved = current_entries(locked({"m": RUNNING}), [machine(url=OTHER)])
    assert current_entries(moved, [machine()]).providers["desk"].stale is None


@pytest.mark.parametrize("url", [URL, OTHER])
def test_a_renamed_provider_keeps_its_entry_by_its_former_name(url: str) -> None:
    lock = current_entries(locked({"m": RUNNING}, "old"), [machine("new", url, formerly=("older", "old"))])
    assert list(lock.providers) == ["new"]
    assert lock.providers["new"].models == {"m": RUNNING}


def test_an_entry_without_its_provider_is_adopted_by_a_new_one_with_the_same_url() -> None:
    lock = locked({"m": RUNNING}, "old")
    assert current_entries(lock, [machine("new")]).providers["new"].models == {"m": RUNNING}
    assert undeclared_renames(lock, [machine("new")]) == [Rename("old", "new")]


def test_a_rename_that_is_declared_is_not_a_guess() -> None:
    lock = locked({"m": RUNNING}, "old")
    assert undeclared_renames(lock, [machine("new", formerly=("old",))]) == []


def test_an_entry_that_cannot_exist_is_dropped() -> None:
    lock = locked({"m": RUNNING}, "old")
    assert current_entries(lock, [machine("new", OTHER)]).providers == {}
    assert current_entries(lock, []).providers == {}


def test_a_provider_with_an_entry_adopts_no_other() -> None:
    both = Lock(providers={**locked({"m": RUNNING}).providers, **locked({"n": LISTED}, "old").providers})
    lock = current_entries(both, [machine(), machine("new", OTHER)])
    assert {name: list(entry.models) for name, entry in lock.providers.items()} == {"desk": ["m"]}


def test_one_entry_is_adopted_once() -> None:
    lock = current_entries(locked({"m": RUNNING}, "old"), [machine("one"), machine("two")])
    assert list(lock.providers) == ["one"]


def test_a_former_name_goes_before_an_equal_url() -> None:
    providers = [machine("guess"), machine("sure", OTHER, formerly=("old",))]
    assert list(current_entries(locked({"m": RUNNING}, "old"), providers).providers) == ["sure"]


def test_only_missing_and_stale_entries_need_a_probe() -> None:
    assert needs_probe(Lock(), "desk")
    assert needs_probe(current_entries(locked({}), [machine(url=OTHER)]), "desk")
    assert not needs_probe(current_entries(locked({}), [machine()]), "desk")


def test_a_moved_provider_keeps_the_contexts_that_were_seen_running() -> None:
    moved = current_entries(locked({"m": RUNNING}), [machine(url=OTHER)])
    entry = merge_observations(moved, {"desk": seen({"m": LISTED})}, [machine(url=OTHER)]).providers["desk"]
    assert (entry.url, entry.stale, entry.models) == (OTHER, None, {"m": RUNNING})


def test_a_running_context_is_not_replaced_by_a_weaker_one() -> None:
    assert after(locked({"m": RUNNING}), seen({"m": TRAINED}))["m"] == RUNNING
    assert after(locked({"m": RUNNING}), seen({"m": LISTED}))["m"] == RUNNING


def test_a_context_is_replaced_by_one_of_equal_or_stronger_source() -> None:
    smaller = ModelFacts(context=4096, context_source="running")
    assert after(locked({"m": RUNNING}), seen({"m": smaller}))["m"] == smaller
    assert after(locked({"m": LISTED}), seen({"m": RUNNING}))["m"] == RUNNING


def test_a_model_that_is_no_longer_listed_is_gone_and_comes_back_without_memory() -> None:
    lock = merge_observations(locked({"m": RUNNING}), {"desk": seen({})}, [machine()])
    assert lock.providers["desk"].models == {}
    assert after(lock, seen({"m": LISTED}))["m"] == LISTED


def test_an_alias_that_is_no_longer_listed_is_gone() -> None:
    known = LISTED.model_copy(update={"aliases": ("old",)})
    assert after(locked({"m": known}), seen({"m": LISTED}))["m"].aliases == ()


@pytest.mark.parametrize("status", ["offline", "degraded", "config_error"])
def test_a_provider_that_gives_no_list_keeps_its_entry(status: str) -> None:
    silent = Observation("auto", status, "gone", models={"x": LISTED})  # type: ignore[arg-type]
    assert after(locked({"m": RUNNING}), silent) == {"m": RUNNING}


def test_a_provider_that_never_gave_a_list_is_not_recorded() -> None:
    assert merge_observations(Lock(), {"desk": Observation("auto", "offline")}, [machine()]) == Lock()


def test_another_product_at_the_same_address_is_remembered_by_nothing() -> None:
    vllm = Observation("vllm", "online", models={"m": LISTED})
    assert after(locked({"m": RUNNING}), vllm)["m"] == LISTED
