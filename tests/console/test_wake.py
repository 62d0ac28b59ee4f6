"""A provider that sleeps is woken from a page, by a button or by a question, and every page follows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from fleet_runtime.simulator import ServerSpec, SimulatedModel, SimulationThread
from tests.console.conftest import Open
from tests.console.steps import say
from tests.support.network_cards import NetworkCards
from tests.support.stack import Stack, running_stack
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
def cards() -> Iterator[NetworkCards]:
    """The card of a provider that a test itself switches on, so that it sees it waking."""
    cards = NetworkCards({"nas": "02:00:00:00:00:01"}, dead=["nas"])
    yield cards
    cards.close()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, cards: NetworkCards) -> Iterator[Stack]:
    def fleet_yaml(machines: SimulationThread, listen: str) -> str:
        return f"""\
version: 1
default_provider: nas
providers:
  nas: {{label: NAS, url: "{machines.url("nas")}", wake: {{{cards.wake("nas")}}}}}
gateway: {{listen: "{listen}"}}
inventory: {{interval: 0.2, timeout: 1, grace: 0.6}}
"""

    nas = ServerSpec("nas", models=(SimulatedModel("qwen3-8b", reply="Good morning."),))
    with running_stack(tmp_path_factory.mktemp("wake"), [nas], fleet_yaml, online=["nas"]) as stack:
        yield stack


@pytest.fixture
def asleep(stack: Stack, cards: NetworkCards) -> Iterator[NetworkCards]:
    """The provider is off, and no packet has come yet."""
    stack.machines.set("nas", offline=True)
    eventually(lambda: stack.status("nas") == "offline")
    cards.packets["nas"] = 0
    yield cards
    stack.machines.set("nas", offline=False)


def test_a_question_wakes_its_provider_and_gets_a_response(
    stack: Stack, asleep: NetworkCards, open_page: Open
) -> None:
    fleet = open_page(stack.url).page
    status = fleet.locator(".card .status")
    expect(status).to_have_text("Offline")
    activity = open_page(f"{stack.url}/#/activity").page
    chat = open_page(f"{stack.url}/#/chat/new:nas/qwen3-8b").page
    assert asleep.packets["nas"] == 0
    say(chat, "Are you awake?")
    expect(status).to_have_text("Waking")
    expect(activity.get_by_role("row", name="nas/qwen3-8b")).to_contain_text("Waking…")
    eventually(lambda: asleep.packets["nas"] > 0)
    stack.machines.set("nas", offline=False)
    expect(chat.locator(".message.assistant .markdown")).to_contain_text("Good morning.")
    expect(status).to_have_text("Online")
    expect(activity.get_by_role("row", name="nas/qwen3-8b")).to_contain_text("200")


def test_a_button_wakes_and_is_there_only_while_the_provider_sleeps(
    stack: Stack, asleep: NetworkCards, open_page: Open
) -> None:
    page = open_page(stack.url).page
    status = page.locator(".card .status")
    page.get_by_role("button", name="Wake", exact=True).click()
    expect(status).to_have_text("Waking")
    eventually(lambda: asleep.packets["nas"] > 0)
    stack.machines.set("nas", offline=False)
    expect(page.get_by_text("NAS wakes up")).to_be_visible()
    expect(status).to_have_text("Online")
    expect(page.get_by_role("button", name="Wake", exact=True)).to_be_hidden()
