"""Every view: accessible in both themes and at both ends of the widths, and true without a reload."""

from __future__ import annotations

from pathlib import Path

import axe_playwright_python
import pytest
from playwright.sync_api import Page, expect

from tests.console.conftest import Open
from tests.console.steps import behaving
from tests.support.stack import Stack
from tests.support.waiting import eventually

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
VIEWS = ("fleet", "machine/workstation", "models", "chat", "arena", "activity", "setup")


def violations(page: Page) -> list[str]:
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    return [f"{page.url} {each['id']}: {[node['target'] for node in each['nodes']]}" for each in found]


@pytest.mark.parametrize(
    ("theme", "width"),
    [
        ("light", 1440),
        ("dark", 360),
        pytest.param("dark", 1440, marks=pytest.mark.slow),
        pytest.param("light", 360, marks=pytest.mark.slow),
    ],
)
def test_every_view_is_accessible_and_fits(stack: Stack, open_page: Open, theme: str, width: int) -> None:
    page = open_page(stack.url, width=width, theme=theme).page
    expect(page.get_by_role("heading", name="Workstation")).to_be_visible()
    page.evaluate(AXE)
    found = []
    for view in VIEWS:
        page.goto(f"{stack.url}/#/{view}")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        found += violations(page)
        wide = page.evaluate("document.documentElement.scrollWidth")
        if wide > width:
            found.append(f"{view} is {wide} px wide")
    assert found == []
    assert page.title() == "Setup · 127.0.0.1 · fleet"


def test_a_favorite_appears_on_another_page_and_its_order_is_shared(stack: Stack, open_page: Open) -> None:
    for each in stack.client.get("/api/favorites").json()["favorites"]:
        stack.client.delete(f"/api/favorites/{each['id']}").raise_for_status()
    first = open_page(f"{stack.url}/#/models").page
    second = open_page(f"{stack.url}/#/models").page
    for id in ("closet/qwen3-4b-instruct", "gpu-box/mistral-small-3.2-24b"):
        first.get_by_role("button", name=f"Favorite: {id}").first.click()
        expect(second.get_by_role("region", name="Favorites").get_by_text(id)).to_be_visible()
    second.get_by_role("button", name="Move mistral-small-3.2-24b up").click()
    ids = first.get_by_role("region", name="Favorites").locator(".model-id")
    expect(ids).to_have_text(["gpu-box/mistral-small-3.2-24b", "closet/qwen3-4b-instruct"])
    saved = stack.client.get("/api/favorites").json()["favorites"]
    assert [each["id"] for each in saved] == ["gpu-box/mistral-small-3.2-24b", "closet/qwen3-4b-instruct"]
    first.get_by_role("button", name="Move qwen3-4b-instruct up").press("Alt+ArrowUp")
    expect(second.get_by_role("region", name="Favorites").locator(".model-id").first).to_have_text(
        "closet/qwen3-4b-instruct"
    )


def test_a_provider_that_is_switched_off_changes_its_card_and_the_picker_by_itself(
    stack: Stack, open_page: Open
) -> None:
    stack.client.put("/api/favorites/gpu-box/mistral-small-3.2-24b").raise_for_status()
    fleet = open_page(stack.url).page
    picker = open_page(f"{stack.url}/#/models").page
    card = fleet.locator(".card", has=fleet.get_by_role("heading", name="GPU box"))
    favorites = picker.get_by_role("region", name="Favorites")
    expect(card.get_by_text("Online")).to_be_visible()
    expect(favorites.get_by_text("gpu-box/mistral-small-3.2-24b")).to_be_visible()
    with behaving(stack, "gpu-box", offline=True):
        expect(card.get_by_text("Offline")).to_be_visible()
        expect(card.get_by_text("Connection refused")).to_be_visible()
        expect(favorites.get_by_text("gpu-box/mistral-small-3.2-24b")).to_be_hidden()
        expect(
            picker.locator("details", has_text="GPU box").get_by_text("connection refused")
        ).to_be_visible()
    expect(card.get_by_text("Online")).to_be_visible()
    expect(favorites.get_by_text("gpu-box/mistral-small-3.2-24b")).to_be_visible()


def test_the_models_are_searched_filtered_and_explained(stack: Stack, open_page: Open) -> None:
    page = open_page(f"{stack.url}/#/models").page
    rows = page.locator(".group-box:not(.favorites) .model:has(.model-id)")
    page.get_by_placeholder("Search models").fill("gpt-oss")
    expect(rows).to_have_count(2)
    page.get_by_role("button", name="By model").click()
    expect(
        page.get_by_role("region", name="gpt-oss-20b").get_by_text("workstation/gpt-oss-20b")
    ).to_be_visible()
    page.get_by_placeholder("Search models").fill("")
    page.get_by_role("button", name="Vision").click()
    expect(rows).to_have_count(1)
    page.get_by_placeholder("Search models").fill("nothing of that name")
    page.get_by_role("button", name="Show all models").click()
    name = page.get_by_label("A model's name")
    name.fill("@task")
    expect(page.locator(".resolve-target")).to_contain_text("closet/qwen3-4b-instruct")
    expect(page.get_by_text("A role")).to_be_visible()
    name.fill("qwen3-coder")
    expect(
        page.locator(".resolve").get_by_role("button", name="workstation/qwen3-coder-30b-a3b")
    ).to_be_visible()


def test_a_setup_shows_clients_settings_and_findings(stack: Stack, open_page: Open) -> None:
    with behaving(stack, "lakehouse", offline=True):
        eventually(lambda: stack.status("lakehouse") == "offline")
        page = open_page(f"{stack.url}/#/setup").page
        page.get_by_role("button", name="Python").click()
        expect(page.locator(".snippet pre")).to_contain_text(f'base_url="{stack.url}/v1"')
        expect(page.get_by_text("provider 'lakehouse' has been offline")).to_be_visible()
        expect(page.get_by_text("every 200 ms")).to_be_visible()
        page.get_by_role("button", name="Copy for Python").click()
        expect(page.get_by_role("button", name="Copied")).to_be_visible()
