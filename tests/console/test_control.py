"""What can be done to the fleet from the page: cancel, load, unload; and what was done is in the activity."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.console.conftest import Open
from tests.console.steps import begin_chat, behaving, loaded_models
from tests.support.stack import Stack
from tests.support.waiting import eventually

CODER = "workstation/qwen3-coder-30b-a3b"


def test_a_running_request_is_cancelled_and_opens_in_full(stack: Stack, open_page: Open) -> None:
    watched = open_page(stack.url)
    page = watched.page
    with behaving(stack, "closet", hold=True):
        begin_chat(page, stack.url, "closet/qwen3-4b-instruct", "Slowly, please")
        stack.machines.until("closet", lambda server: len(server.inference) == 1)
        stack.machines.release("closet", 4)
        page.get_by_role("link", name="Activity").click()
        page.get_by_role("button", name="Cancel the request to closet/qwen3-4b-instruct").click()
        row = page.get_by_role("row", name="closet/qwen3-4b-instruct").first
        expect(row).to_contain_text("Cancelled")
        stack.machines.until("closet", lambda server: server.inference[0].ended is not None)
    row.get_by_role("button", name="closet/qwen3-4b-instruct").click()
    expect(page.get_by_role("dialog", name="Request")).to_contain_text("Neither the prompt nor the response")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Errors only").click()
    expect(row).to_contain_text("Cancelled")
    page.get_by_role("link", name="Chat").click()
    page.get_by_role("link", name="Slowly, please").click()
    expect(page.get_by_text("The response was cut.")).to_be_visible()
    watched.allow("ERR_INCOMPLETE_CHUNKED")


def test_a_model_is_loaded_and_unloaded_and_its_speed_is_shown(stack: Stack, open_page: Open) -> None:
    page = open_page(f"{stack.url}/#/models").page
    page.get_by_role("button", name="More for workstation/devstral-small-24b").click()
    page.get_by_role("button", name="Load", exact=True).click()
    row = page.locator(".model", has_text="workstation/devstral-small-24b")
    expect(row.get_by_text("Loaded", exact=True)).to_be_visible()
    for _ in range(3):
        stack.chat(
            "workstation/devstral-small-24b", stream=True, stream_options={"include_usage": True}
        ).raise_for_status()
    page.goto(f"{stack.url}/#/fleet")
    card = page.locator(".card", has=page.get_by_role("heading", name="Workstation"))
    expect(card.locator(".spark").last).not_to_contain_text("–")
    page.goto(f"{stack.url}/#/machine/workstation")
    expect(page.get_by_role("img", name="Requests a minute")).to_be_visible()
    eventually(lambda: in_flight(stack, "workstation") == {})
    page.get_by_role("button", name="Unload devstral-small-24b").first.click()
    eventually(lambda: "workstation/devstral-small-24b" not in loaded_models(stack))
    page.goto(f"{stack.url}/#/models")
    expect(row.get_by_text("tokens/s")).to_be_visible()
    expect(row.get_by_text("Not loaded")).to_be_visible()


def in_flight(stack: Stack, provider: str) -> object:
    providers = stack.client.get("/api/fleet").json()["providers"]
    return next(each["in_flight"] for each in providers if each["name"] == provider)
