"""Lists of thousands of models are cached in parts: a change of a provider costs only its part."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import msgspec
import pytest

from fleet_runtime.artifacts.contract import ModelFacts, RoutingTable
from fleet_runtime.artifacts.snapshot import Snapshot
from fleet_runtime.catalog.catalog import Catalog
from fleet_runtime.catalog.lists import CatalogLists
from fleet_runtime.dialects.observation import Observation
from fleet_runtime.event_log import EventLog
from fleet_runtime.providers.health import after_probe
from fleet_runtime.providers.inventory import Inventory
from fleet_runtime.routing.resolver import ProviderView, resolve_model
from tests.support import artifacts

MACHINES, MODELS = 100, 50
FACTS = {
    f"qwen3-{number}b-instruct": ModelFacts(context=8192, context_source="listed") for number in range(MODELS)
}


@pytest.fixture(scope="module")
def crowd() -> tuple[Inventory, RoutingTable]:
    """An inventory that has seen a hundred providers once, without any network."""
    gateway = artifacts.gateway(*(artifacts.connection(f"m{number:03}") for number in range(MACHINES)))
    table = artifacts.table(gateway, "boochat")
    tables = {"": artifacts.table(gateway, None), "/boochat": table}
    connections = {connection.name: connection for connection in gateway.providers}
    inventory = Inventory(Snapshot("sha256:0", Path(), gateway, tables, connections), {}, {}, EventLog())
    for name in connections:
        look(inventory, name, FACTS)
    return inventory, table


def look(inventory: Inventory, name: str, models: dict[str, ModelFacts]) -> None:
    seen = Observation("openai", "online", models=models)
    state = after_probe(
        inventory.states[name], seen, sidecar="unknown", latency=0.01, grace=30, now=1, wall=1
    )
    inventory.publish(name, replace(state, observation=seen))


def calls(work: Callable[[], object]) -> int:
    """How many functions `work` calls, of Python and of C: its cost, whatever else the computer does."""
    count = 0

    def counted(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(counted)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def cpu_seconds(work: Callable[[], object]) -> float:
    """The least that `work` takes of this thread's processor time in five runs."""
    seconds = []
    for _ in range(5):
        started = time.thread_time()
        work()
        seconds.append(time.thread_time() - started)
    return min(seconds)


@pytest.mark.parametrize("kind", ["by_provider", "picker", "models"])
def test_a_change_of_one_provider_costs_a_fraction_of_the_entire_list(
    crowd: tuple[Inventory, RoutingTable], kind: str
) -> None:
    inventory, table = crowd
    whole = calls(lambda: getattr(CatalogLists(Catalog(inventory)), kind)(table))
    catalog = CatalogLists(Catalog(inventory))
    getattr(catalog, kind)(table)
    lists = iter(range(1000))

    def changed() -> bytes:
        look(inventory, "m050", FACTS | {f"new-{next(lists)}": ModelFacts()})
        answer: bytes = getattr(catalog, kind)(table).body
        return answer

    assert calls(changed) < whole / 5
    assert b"new-" in changed()
    look(inventory, "m050", FACTS)


def test_lists_from_parts_are_the_lists_made_again(crowd: tuple[Inventory, RoutingTable]) -> None:
    inventory, table = crowd
    catalog = CatalogLists(Catalog(inventory))
    for name, models in (("m000", {}), ("m099", FACTS), ("m000", FACTS)):
        catalog.by_provider(table), catalog.picker(table), catalog.models(table)
        look(inventory, name, models)
    for kind in ("by_provider", "picker", "models"):
        kept, fresh = getattr(catalog, kind)(table), getattr(CatalogLists(Catalog(inventory)), kind)(table)
        assert (kept.tag, kept.body) == (fresh.tag, fresh.body)
        assert msgspec.json.decode(kept.body)


def test_an_unknown_name_among_thousands_of_models_is_rejected_in_milliseconds(
    crowd: tuple[Inventory, RoutingTable],
) -> None:
    inventory, table = crowd
    answer = resolve_model(table, inventory.view, "m003/qwen3-7b-instrukt")
    assert answer.refusal is not None
    assert answer.refusal.suggestions[0] == "m003/qwen3-7b-instruct"
    assert cpu_seconds(lambda: _suggested(table, inventory, "qwen3-999b")) < 0.05


def test_suggestions_are_only_computed_where_they_are_shown(
    crowd: tuple[Inventory, RoutingTable],
) -> None:
    class WatchedView(dict[str, ProviderView]):
        read: ClassVar[set[str]] = set()

        def __getitem__(self, name: str) -> ProviderView:
            self.read.add(name)
            return super().__getitem__(name)

    inventory, table = crowd
    view = WatchedView(inventory.view)
    refusal = resolve_model(table, view, "m003/qwen3-7b-instrukt").refusal
    assert refusal is not None
    assert view.read == {"m003"}
    assert refusal.suggestions
    assert len(view.read) == MACHINES


def test_long_names_that_differ_at_one_end_find_their_neighbours_in_milliseconds() -> None:
    """Three providers with 2000 models each, all ids almost as long as an id may be."""
    gateway = artifacts.gateway(*(artifacts.connection(name) for name in "abc"))
    table = artifacts.table(gateway, None)
    ids = [("qwen3-coder/" * 50)[:490] + f"-{number:04}" for number in range(2000)]
    view = {name: ProviderView("online", {id: id for id in ids}) for name in "abc"}
    asked = ids[7][:-5] + "_0007"

    def suggested() -> tuple[str, ...]:
        refusal = resolve_model(table, view, f"b/{asked}").refusal
        return refusal.suggestions if refusal else ()

    assert suggested()[0] == f"b/{ids[7]}"
    assert cpu_seconds(suggested) < 0.05


def _suggested(table: RoutingTable, inventory: Inventory, text: str) -> tuple[str, ...]:
    refusal = resolve_model(table, inventory.view, text).refusal
    return refusal.suggestions if refusal else ()
