"""Chat and arena: responses stream, are stopped, cut, repeated and compared."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.console.conftest import Open
from tests.console.steps import (
    begin_chat,
    behaving,
    choose_models,
    compare,
    loaded_models,
    unload,
)
from tests.support.stack import Stack
from tests.support.waiting import eventually

CODER = "workstation/qwen3-coder-30b-a3b"


def test_a_chat_streams_markdown_and_shows_where_it_ran(stack: Stack, open_page: Open) -> None:
    unload(stack, "workstation/gpt-oss-20b")
    page = open_page(stack.url).page
    begin_chat(page, stack.url, "workstation/gpt-oss-20b", "Which journal?")
    answer = page.locator(".message.assistant")
    expect(answer.get_by_role("cell", name="one at a time")).to_have_class("align-center")
    expect(answer.locator("strong")).to_have_text("write-ahead log")
    expect(answer.locator(".answer-facts")).to_contain_text("tokens/s")
    for fact in ("Workstation", "via sidecar", "cold", "first token"):
        expect(answer.locator(".answer-facts")).to_contain_text(fact)
    reasoning = answer.locator("details", has_text="Reasoning")
    expect(reasoning.locator("pre")).to_be_hidden()
    reasoning.locator("summary").click()
    expect(reasoning.locator("pre")).to_contain_text("Name the trade-off first")
    page.reload()
    expect(page.locator(".message.assistant strong")).to_have_text("write-ahead log")
    with page.expect_download() as download:
        page.get_by_role("button", name="Export as Markdown").click()
    assert "## You\n\nWhich journal?" in download.value.path().read_text(encoding="utf-8")


def test_stop_cancels_at_the_provider_and_leaving_the_view_does_not(stack: Stack, open_page: Open) -> None:
    stack.machines.reset("closet")
    with behaving(stack, "closet", hold=True):
        page = open_page(stack.url).page
        begin_chat(page, stack.url, "closet/qwen3-4b-instruct", "Slowly, please")
        eventually(lambda: len(stack.machines.inference("closet")) == 1)
        stack.machines.release("closet", 6)
        expect(page.locator(".message.assistant .markdown")).not_to_be_empty()
        page.get_by_role("link", name="Models").click()
        page.get_by_role("link", name=re.compile("^Chat.*streaming")).click()
        page.get_by_role("link", name="Slowly, please").click()
        assert stack.machines.inference("closet")[0].ended is None
        page.get_by_role("button", name="Stop").click()
        expect(page.get_by_text("Stopped.")).to_be_visible()
        stack.machines.until("closet", lambda server: server.inference[0].ended is not None)
        assert stack.machines.inference("closet")[0].ended != "complete"


def test_a_cut_response_is_marked_and_can_be_retried_elsewhere(stack: Stack, open_page: Open) -> None:
    watched = open_page(stack.url)
    page = watched.page
    with behaving(stack, "workstation", drop_at_byte=3000, scope="inference"):
        begin_chat(page, stack.url, "workstation/gpt-oss-20b", "Which journal?")
        expect(page.get_by_text("The response was cut.")).to_be_visible()
    page.get_by_role("button", name="Try on Mac Studio").click()
    expect(page.locator(".answer-facts")).to_contain_text("Mac Studio")
    expect(page.get_by_text("The response was cut.")).to_be_hidden()
    watched.allow("ERR_INCOMPLETE_CHUNKED_ENCODING")


def test_a_failed_load_is_an_error_with_a_retry(stack: Stack, open_page: Open) -> None:
    watched = open_page(stack.url)
    page = watched.page
    with behaving(stack, "gpu-box", error_status=503, scope="inference"):
        begin_chat(page, stack.url, "gpu-box/mistral-small-3.2-24b", "Hello")
        expect(page.get_by_text("No response.")).to_be_visible()
        expect(page.locator("[data-fact=machine]")).to_have_text("GPU box")
        expect(page.locator("[data-fact=state]")).to_have_count(0)
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".message.assistant strong")).to_have_text("write-ahead log")
    watched.allow("503")


def test_a_request_that_evicts_a_loaded_model_is_announced_before(stack: Stack, open_page: Open) -> None:
    stack.chat(CODER, stream=False).raise_for_status()
    eventually(lambda: CODER in loaded_models(stack))
    page = open_page(f"{stack.url}/#/chat/new:workstation/devstral-small-24b").page
    expect(page.get_by_text("unloads qwen3-coder-30b-a3b on Workstation")).to_be_visible()


def test_the_arena_runs_one_name_on_two_providers_and_distinguishes_them(
    stack: Stack, open_page: Open
) -> None:
    page = open_page(f"{stack.url}/#/arena").page
    models = ("workstation/gpt-oss-20b", "mac-studio/gpt-oss-20b", "workstation/devstral-small-24b")
    choose_models(page, models)
    expect(page.get_by_text("they run one after the other")).to_be_visible()
    page.get_by_role("button", name="Blind").click()
    compare(page, "Which journal?")
    columns = page.locator(".arena-column")
    expect(columns.get_by_role("heading", level=2)).to_have_text(["Model A", "Model B", "Model C"])
    expect(page.get_by_role("group", name="Vote")).to_be_visible(timeout=20_000)
    page.get_by_role("button", name="Model A").click()
    names = sorted(columns.get_by_role("heading", level=2).all_inner_texts())
    assert names == sorted(models)
    for column in columns.all():
        where = "Mac Studio" if "mac-studio" in column.inner_text() else "Workstation"
        expect(column.locator("header p")).to_contain_text(where)
        expect(column.locator(".markdown")).to_contain_text("write-ahead log")
        expect(column.locator("footer")).to_contain_text("tokens/s")
    expect(page.get_by_role("region", name="Results").get_by_role("row")).to_have_count(4)
