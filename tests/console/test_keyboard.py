"""The console without a mouse: everything is reached, seen to be reached, and left where it was entered."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.console.conftest import Open
from tests.console.steps import begin_chat, choose_models, compare
from tests.console.test_views import VIEWS
from tests.support.stack import Stack

MOST_STEPS = 120
FOCUSED = """
(() => {
  const focused = document.activeElement;
  if (focused === document.body) return null;
  const seen = (element) => element && getComputedStyle(element).outlineStyle !== "none";
  const row = focused.closest(".composer-row");
  return [seen(focused) || row !== null, focused.getAttribute("aria-label") ?? focused.textContent ?? ""];
})()
"""


def walk(page: Page) -> list[str]:
    """Press Tab until the focus leaves the page; return what had it. All of it must have been marked."""
    names: list[str] = []
    for _ in range(MOST_STEPS):
        page.keyboard.press("Tab")
        found = page.evaluate(FOCUSED)
        if found is None:
            return names
        marked, name = found
        assert marked, f"the focus on '{name}' is not seen"
        names.append(name.strip())
    return names


def focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.getAttribute('aria-label')"))


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_is_walked_with_a_visible_focus(stack: Stack, open_page: Open, view: str) -> None:
    page = open_page(f"{stack.url}/#/{view}").page
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    names = walk(page)
    assert names[0] == "Skip to content"
    buttons = page.locator("main button:visible:not(:disabled)").count()
    reached = page.locator("main").locator("a:visible, select:visible, input:visible").count() + buttons
    assert len(names) >= min(reached, MOST_STEPS), names


def test_the_outages_of_a_day_are_shown_on_focus(stack: Stack, open_page: Open) -> None:
    page = open_page(stack.url).page
    strip = page.locator(".card", has=page.get_by_role("heading", name="Workstation")).locator(".strip")
    expect(strip.get_by_text("No outage")).to_be_hidden()
    page.get_by_role("button", name="Probe Workstation now").focus()
    page.keyboard.press("Tab")
    expect(strip.get_by_text("in the last 24 hours")).to_be_visible()


def test_a_dialog_holds_the_focus_and_gives_it_back(stack: Stack, open_page: Open) -> None:
    stack.chat("closet/qwen3-4b-instruct").raise_for_status()
    page = open_page(f"{stack.url}/#/activity").page
    row = page.get_by_role("button", name="closet/qwen3-4b-instruct").first
    row.press("Enter")
    expect(page.get_by_role("dialog", name="Request")).to_be_visible()
    assert focused(page) == "Close"
    for _ in range(6):
        page.keyboard.press("Tab")
        inside = page.evaluate("document.activeElement.closest('dialog, body').tagName")
        assert inside == "DIALOG" or page.evaluate("document.activeElement === document.body")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(row).to_be_focused()


def test_a_menu_gives_the_focus_back_and_a_favorite_is_moved_by_keys(stack: Stack, open_page: Open) -> None:
    page = open_page(f"{stack.url}/#/models").page
    more = page.get_by_role("button", name="More for closet/qwen3-4b-instruct")
    more.press("Enter")
    expect(page.get_by_role("button", name="Copy the id")).to_be_visible()
    page.keyboard.press("Escape")
    expect(more).to_be_focused()
    expect(page.get_by_role("button", name="Copy the id")).to_be_hidden()
    more.press("Enter")
    page.get_by_role("button", name="Copy the id").press("Enter")
    expect(more).to_be_focused()
    expect(page.get_by_text("Id copied")).to_be_visible()
    for id in ("closet/qwen3-4b-instruct", "mac-studio/llama3.3:70b"):
        page.get_by_role("button", name=f"Favorite: {id}").first.press("Space")
        expect(page.get_by_role("region", name="Favorites")).to_contain_text(id)
    up = page.get_by_role("button", name="Move llama3.3:70b up")
    up.press("Enter")
    ids = page.get_by_role("region", name="Favorites").locator(".model-id")
    expect(ids).to_have_text(["mac-studio/llama3.3:70b", "closet/qwen3-4b-instruct"])
    expect(up).to_be_focused()
    for id in ("closet/qwen3-4b-instruct", "mac-studio/llama3.3:70b"):
        stack.client.delete(f"/api/favorites/{id}").raise_for_status()


def test_a_comparison_is_announced_and_voted_on_by_keys(stack: Stack, open_page: Open) -> None:
    page = open_page(f"{stack.url}/#/arena").page
    choose_models(page, ("closet/qwen3-4b-instruct", "gpu-box/mistral-small-3.2-24b"))
    compare(page, "Which journal?")
    expect(page.get_by_role("status").filter(has_text="2 of 2 responses complete")).to_have_count(1)
    page.get_by_role("button", name="Tie").press("Enter")
    expect(page.get_by_text("A tie.")).to_be_focused()


def test_a_response_is_announced_when_it_is_complete(stack: Stack, open_page: Open) -> None:
    page = open_page(stack.url).page
    begin_chat(page, stack.url, "closet/qwen3-4b-instruct", "Which journal?")
    answer = page.get_by_role("log", name="Messages").get_by_role("article").last
    expect(answer).to_have_attribute("aria-busy", "true")
    expect(answer).not_to_have_attribute("aria-busy", "true")


def test_nothing_moves_for_those_who_want_no_motion(stack: Stack, open_page: Open) -> None:
    page = open_page(stack.url).page
    page.emulate_media(reduced_motion="reduce")
    expect(page.get_by_role("heading", name="Workstation")).to_be_visible()
    page.get_by_role("button", name="Probe Workstation now").click()
    assert page.evaluate("document.getAnimations().length") == 0
