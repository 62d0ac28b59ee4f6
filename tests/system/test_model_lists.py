"""What providers list: lists that flap, lists that attack, lists of another product (FAULTS 18 to 20)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleet_runtime.simulator import ServerSpec, SimulatedModel, SimulationThread
from tests.support.event_reader import following
from tests.support.stack import Stack, running_stack
from tests.support.waiting import eventually
from tests.system.conftest import GRACE, LOCAL, SHARED, listed

HOSTILE: dict[str, dict[str, Any]] = {
    "a page": {"list_type": "text/html", "list_body": "<!doctype html><p>Sign in</p>"},
    "an empty object": {"list_body": "{}"},
    "no data": {"list_body": '{"data": null}'},
    "no JSON": {"list_body": '{"data": ['},
    "ten megabytes": {"list_body": json.dumps({"data": [{"id": "m", "pad": "x" * 10_000_000}]})},
    "many models": {"list_body": json.dumps({"data": [{"id": f"m{n}"} for n in range(20_000)]})},
    "no end": {"list_endless": True},
    "an error": {"list_status": 500, "list_body": "<h1>500</h1>", "list_type": "text/html"},
    "a redirect": {"redirect_to": "http://127.0.0.1:9/v1/models", "scope": "other"},
}
HARMLESS = {
    "list_body": None,
    "list_type": "application/json",
    "list_status": 200,
    "list_endless": False,
    "redirect_to": None,
    "scope": "all",
}


@pytest.fixture(autouse=True)
def harmless_afterwards(stack: Stack) -> Iterator[None]:
    eventually(lambda: {stack.status(name) for name in LOCAL} == {"online"})
    yield
    stack.machines.set("attic", **HARMLESS)
    eventually(lambda: of_attic(stack) == sorted(SHARED) and stack.status("attic") == "online")


def machine(stack: Stack, name: str) -> dict[str, Any]:
    providers = stack.client.get("/api/fleet").json()["providers"]
    found: dict[str, Any] = next(provider for provider in providers if provider["name"] == name)
    return found


def of_attic(stack: Stack) -> list[str]:
    """What the provider that misbehaves lists, as the gateway sees it."""
    return [id.removeprefix("attic/") for id in listed(stack) if id.startswith("attic/")]


def data(*ids: str) -> str:
    return json.dumps({"object": "list", "data": [{"id": id} for id in ids]})


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_list_degrades_its_provider_and_no_other(stack: Stack, what: str) -> None:
    others = [id for id in listed(stack) if not id.startswith("attic/")]
    stack.machines.set("attic", **HOSTILE[what])
    eventually(lambda: stack.status("attic") == "degraded")
    assert machine(stack, "attic")["reason"]
    for _ in range(3):
        stack.client.post("/api/fleet/attic/refresh").raise_for_status()
        assert [id for id in listed(stack) if not id.startswith("attic/")] == others
    assert {stack.status(name) for name in LOCAL if name != "attic"} == {"online"}
    assert stack.chat("embedding/qwen3-8b").status_code == 200


def test_ids_that_cannot_be_are_skipped_by_name_and_the_others_stay(stack: Stack) -> None:
    bad = ["", "../etc", "a\nb", "x" * 600]
    good = ["qwen3-8b", "org/über ☃%2F?#", "with space"]
    stack.machines.set("attic", list_body=data(*bad, *good, "qwen3-8b"))
    eventually(lambda: "attic/with space" in listed(stack))
    assert of_attic(stack) == sorted(good)
    seen = machine(stack, "attic")
    assert seen["status"] == "online"
    assert len(seen["warnings"]) == len(bad)
    assert stack.client.get("/api/models/attic/org/über ☃%252F%3F%23").json()["model"] == good[1]


@pytest.mark.parametrize(
    "context", ["8192", -1, 0, 1e308, True, None, [], {}], ids=lambda value: json.dumps(value)
)
def test_an_invalid_context_stays_unknown(stack: Stack, context: object) -> None:
    item = {"id": f"odd-{json.dumps(context)[:20]}", "context_length": context, "meta": None}
    stack.machines.set("attic", list_body=json.dumps({"data": [item]}))
    eventually(lambda: f"attic/{item['id']}" in listed(stack))
    model = stack.client.get(f"/api/models/attic/{item['id']}").json()
    assert (model["context"], model["context_source"]) == (None, None)


def test_a_list_that_flaps_never_empties_the_catalog_nor_touches_a_favorite(stack: Stack) -> None:
    favorite = "attic/qwen3-8b"
    stack.client.put(f"/api/favorites/{favorite}").raise_for_status()
    for body in (None, data(), "{}") * 4:
        stack.machines.set("attic", list_body=body)
        stack.machines.until("attic", lambda machine: len(machine.records) > 3)
        stack.client.post("/api/fleet/attic/refresh").raise_for_status()
        assert favorite in listed(stack), body
        picked = stack.client.get("/api/picker").json()["favorites"]
        assert [item["id"] for item in picked] == [favorite]
    stack.client.delete(f"/api/favorites/{favorite}").raise_for_status()


def test_a_list_that_is_empty_for_good_is_believed_after_the_grace(stack: Stack) -> None:
    stack.machines.set("attic", list_body=data())
    eventually(lambda: machine(stack, "attic")["reason_code"] == "emptied")
    assert stack.status("attic") == "online"
    eventually(lambda: of_attic(stack) == [], GRACE + 2)
    assert (stack.status("attic"), machine(stack, "attic")["reason"]) == ("online", None)


def test_a_changed_list_is_reported_with_its_difference(stack: Stack) -> None:
    with following(stack) as feed:
        stack.machines.set("attic", list_body=data("qwen3-8b", "glm-4.6"))
        feed.until("models", {"provider": "attic", "appeared": ["glm-4.6"]})
        (told,) = [change for change in feed.of("models") if change["appeared"] == ["glm-4.6"]]
    vanished = sorted(set(SHARED) - {"qwen3-8b"})
    assert told == {
        "provider": "attic",
        "listed": 2,
        "appeared": ["glm-4.6"],
        "appeared_count": 1,
        "vanished": vanished,
        "vanished_count": len(vanished),
    }


def test_a_long_difference_is_reported_by_its_beginning_and_its_length(stack: Stack) -> None:
    """2000 models whose states are known at once too: one event of 50 ids, not 2000."""
    eventually(lambda: len(of_attic(stack)) == len(SHARED))
    with following(stack) as feed:
        stack.machines.set("attic", list_body=data(*(f"m-{number:04}" for number in range(2000))))
        feed.until("models", {"listed": 2000, "appeared_count": 2000, "vanished_count": len(SHARED)})
        (told,) = [change for change in feed.of("models") if change["listed"] == 2000]
        states = [change for change in feed.of("state") if change["id"].startswith("attic/m-")]
    assert told["appeared"] == [f"m-{number:04}" for number in range(50)]
    assert states == []


def test_another_product_than_the_configured_one_is_served_and_warned_about(tmp_path: Path) -> None:
    def fleet_yaml(machines: SimulationThread, listen: str) -> str:
        return f"""\
version: 1
default_provider: desk
providers: {{desk: {{url: "{machines.url("desk")}", kind: llama-swap}}}}
gateway: {{listen: "{listen}"}}
inventory: {{interval: 0.2, timeout: 1, grace: 1}}
"""

    spec = ServerSpec("desk", kind="ollama", models=(SimulatedModel("llama3:latest"),))
    with running_stack(tmp_path, (spec,), fleet_yaml, online=("desk",)) as stack:
        seen = machine(stack, "desk")
        assert (seen["kind"], seen["configured_kind"], seen["warnings"]) == ("ollama", "llama-swap", [])
        assert stack.client.get("/api/models/desk/llama3").json()["model"] == "llama3:latest"
