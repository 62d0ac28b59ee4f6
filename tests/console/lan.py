"""The console over plain HTTP on an address of a network: run in a network namespace by test_lan.py."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from tests.console.conftest import CHROMIUM
from tests.console.household import running_household
from tests.console.steps import begin_chat, choose_models, compare
from tests.support.waiting import eventually

KEYS = ", keys: {everything: {env: KEY_ALL}}"
LISTS_SECONDS = 1.0
LIST_MODELS = """
(async () => {
  const began = performance.now();
  const response = await fetch("./api/models", {headers: {"x-api-key": "key-of-everything"}});
  await response.text();
  return [response.status, (performance.now() - began) / 1000];
})()
"""
HELD = ("workstation", "mac-studio", "closet", "gpu-box")
ARENA = (
    "workstation/gpt-oss-20b",
    "mac-studio/gpt-oss-20b",
    "closet/qwen3-4b-instruct",
    "gpu-box/mistral-small-3.2-24b",
)


def unlock(page: Page) -> None:
    page.get_by_label("Key").fill("key-of-everything")
    page.get_by_role("button", name="Open").click()
    expect(page.get_by_role("navigation")).to_be_visible()


def check(host: str) -> None:
    """Raise unless an arena of four and a chat in two tabs leave the lists responsive."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running_household(Path(folder), more=KEYS, env={"KEY_ALL": "key-of-everything"}, host=host) as stack,
        sync_playwright() as playwright,
    ):
        for name in HELD:
            stack.machines.set(name, hold=True)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context()
        first, second = context.new_page(), context.new_page()
        first.goto(f"{stack.url}/#/arena")
        unlock(first)
        assert first.evaluate("isSecureContext") is False
        choose_models(first, ARENA)
        compare(first, "Which journal?")
        eventually(lambda: sum(len(stack.machines.inference(name)) for name in HELD) == len(HELD))
        second.goto(f"{stack.url}/#/models")
        unlock(second)
        second.get_by_role("button", name="Base URL").click()
        expect(second.get_by_role("button", name="Copied")).to_be_visible()
        begin_chat(second, stack.url, "workstation/gpt-oss-20b", "Hello")
        expect(second.get_by_text("waits: 4 other responses are streaming")).to_be_visible()
        for page in (first, second):
            status, took = page.evaluate(LIST_MODELS)
            print(f"the list of models took {took:.2f} s")
            assert status == 200
            assert took < LISTS_SECONDS
        for name in HELD:
            stack.machines.set(name, hold=False)
        expect(second.get_by_text("waits: 4 other")).to_be_hidden()
        second.goto(f"{stack.url}/#/chat")
        second.get_by_role("link", name="Hello").click()
        expect(second.locator(".message.assistant strong")).to_have_text("write-ahead log")
        browser.close()


if __name__ == "__main__":
    check(sys.argv[1])
