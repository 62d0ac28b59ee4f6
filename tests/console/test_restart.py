"""A gateway that ends and begins again, under an open page."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from tests.console.conftest import Open
from tests.console.household import CLOUD_KEY, running_household
from tests.support.stack import serving


def test_a_page_marks_the_lost_feed_and_finds_the_gateway_with_its_favorites_again(
    tmp_path: Path, open_page: Open
) -> None:
    with running_household(tmp_path) as stack:
        watched = open_page(f"{stack.url}/#/models")
        page = watched.page
        page.get_by_role("button", name="Favorite: closet/qwen3-4b-instruct").click()
        favorites = page.get_by_role("region", name="Favorites").locator(".model-id")
        expect(favorites).to_have_text(["closet/qwen3-4b-instruct"])
        stack.process.terminate()
        stack.process.wait(15)
        expect(page.get_by_role("alert")).to_contain_text("Lost the connection to the gateway")
        with serving(tmp_path, stack.machines, stack.url.removeprefix("http://"), {CLOUD_KEY: "k"}):
            expect(page.get_by_role("alert")).to_be_hidden(timeout=15_000)
            expect(favorites).to_have_text(["closet/qwen3-4b-instruct"])
            again = open_page(f"{stack.url}/#/models").page
            expect(again.get_by_role("region", name="Favorites")).to_contain_text("closet/qwen3-4b-instruct")
            for each in (page, again):
                each.goto("about:blank")
        watched.allow("ERR_")
