"""The key of a page: entered once, kept in the tab; what it does not open is hidden."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.console.conftest import Open
from tests.console.household import running_household
from tests.console.steps import begin_chat
from tests.support.stack import Stack

KEYS = ", keys: {everything: {env: KEY_ALL}, child: {env: KEY_CHILD, surfaces: [family]}}"


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    env = {"KEY_ALL": "key-of-everything", "KEY_CHILD": "key-of-a-child"}
    with running_household(tmp_path_factory.mktemp("locked"), more=KEYS, env=env) as stack:
        yield stack


def test_a_key_that_is_limited_to_a_surface_sees_nothing_else(locked: Stack, open_page: Open) -> None:
    watched = open_page(locked.url)
    page = watched.page
    field = page.get_by_label("Key")
    field.fill("a wrong one")
    field.press("Enter")
    expect(page.get_by_text("rejected this key")).to_be_visible()
    field.fill("key-of-a-child")
    field.press("Enter")
    expect(page.get_by_role("heading", name="Closet server")).to_be_visible()
    assert page.locator(".card h2").all_inner_texts() == ["Mac Studio", "Closet server"]
    expect(page.get_by_role("button", name="Probe")).to_have_count(0)
    page.get_by_role("link", name="Models").click()
    expect(page.get_by_text("closet/qwen3-4b-instruct").first).to_be_visible()
    assert "workstation" not in page.content()
    page.get_by_role("button", name="Favorite: closet/qwen3-4b-instruct").click()
    expect(page.get_by_role("region", name="Favorites")).to_contain_text("closet/qwen3-4b-instruct")
    expect(page.get_by_role("button", name="Move")).to_have_count(0)
    page.get_by_role("link", name="Setup").click()
    expect(page.get_by_text("Current settings")).to_have_count(0)
    expect(page.get_by_role("button", name="Reload the configuration")).to_have_count(0)
    begin_chat(page, locked.url, "closet/qwen3-4b-instruct", "Hello")
    expect(page.locator(".message.assistant strong")).to_have_text("write-ahead log")
    requests = locked.machines.inference("closet")
    assert b"key-of-a-child" not in b"".join(value for _, value in requests[-1].request.headers)
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    watched.allow("401")


def test_an_unlimited_key_stays_in_its_tab_and_can_be_forgotten(locked: Stack, open_page: Open) -> None:
    watched = open_page(locked.url)
    page = watched.page
    page.get_by_label("Key").fill("key-of-everything")
    page.get_by_role("button", name="Open").click()
    expect(page.get_by_role("heading", name="Workstation")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="Workstation")).to_be_visible()
    assert page.context.cookies() == []
    assert "key-of-everything" not in page.evaluate("JSON.stringify(localStorage)")
    page.goto(f"{locked.url}/#/setup")
    expect(page.get_by_text("opens family")).to_be_visible()
    page.get_by_role("button", name="Forget this tab's key").click()
    expect(page.get_by_label("Key")).to_be_visible()
    watched.allow("401")
