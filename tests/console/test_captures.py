"""A captured request in the page: in full, with the command that repeats it, and never a key."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.console.conftest import Open
from tests.console.household import running_household
from tests.support.stack import Stack

MODEL = "closet/qwen3-4b-instruct"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_household(tmp_path_factory.mktemp("captures"), more=", captures: {keep: 5}") as stack:
        yield stack


def test_a_captured_request_is_shown_in_full(stack: Stack, open_page: Open) -> None:
    headers = {"authorization": "Bearer canary-key-1"}
    body = {"model": MODEL, "messages": [{"role": "user", "content": "the word is xyzzy"}]}
    stack.client.post("/boochat/v1/chat/completions", json=body, headers=headers).raise_for_status()
    page = open_page(f"{stack.url}/#/fleet").page
    expect(page.get_by_text("Captures are on")).to_be_visible()
    page.get_by_role("link", name="Activity").click()
    page.get_by_role("button", name=MODEL).click()
    dialog = page.get_by_role("dialog", name="Request")
    sent = dialog.get_by_label("From the client", exact=True)
    expect(sent).to_contain_text("POST /boochat/v1/chat/completions HTTP/1.1")
    expect(sent).to_contain_text("authorization: Bearer ***")
    expect(sent).to_contain_text("xyzzy")
    for message, part in (
        ("To the provider", "POST /v1/chat/completions"),
        ("From the provider", "HTTP/1.1 200 OK"),
        ("To the client", '"choices"'),
    ):
        dialog.get_by_role("button", name=message).click()
        expect(dialog.get_by_label(message, exact=True)).to_contain_text(part)
    expect(dialog).to_contain_text("lost with a restart")
    expect(dialog.get_by_role("button", name="Copy as curl")).to_be_visible()
    assert "canary" not in page.content()
