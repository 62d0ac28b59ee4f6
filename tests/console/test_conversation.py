"""What a conversation sends, and what becomes of it: images, parameters, tools, and a page that is left."""

from __future__ import annotations

import base64
import json
from typing import Any

from playwright.sync_api import expect

from fleet_runtime.simulator.spec import ScriptedCall
from tests.console.conftest import Open
from tests.console.steps import begin_chat, behaving, say
from tests.support.stack import Stack
from tests.support.waiting import eventually

CLOSET = "closet/qwen3-4b-instruct"
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def last_body(stack: Stack, provider: str) -> Any:
    """The last request that a provider got."""
    return json.loads(stack.machines.inference(provider)[-1].body)


def test_an_image_is_sent_to_a_model_that_takes_images_only(stack: Stack, open_page: Open) -> None:
    page = open_page(f"{stack.url}/#/chat/new:workstation/gemma-3-27b-it").page
    image = {"name": "dot.png", "mimeType": "image/png", "buffer": PIXEL}
    page.locator("input[type=file]").set_input_files(image)  # type: ignore[arg-type]
    expect(page.get_by_alt_text("attached image 1")).to_be_visible()
    say(page, "What is this?")
    expect(page.locator(".message.assistant strong")).to_have_text("write-ahead log")
    expect(page.get_by_alt_text("image 1", exact=True)).to_be_visible()
    text, sent = last_body(stack, "workstation")["messages"][-1]["content"]
    assert text == {"type": "text", "text": "What is this?"}
    assert sent["image_url"]["url"] == f"data:image/png;base64,{base64.b64encode(PIXEL).decode()}"
    page.get_by_role("combobox", name="Model").select_option(CLOSET)
    expect(page.get_by_role("button", name="Attach images")).to_have_count(0)


def test_the_chosen_model_is_shown_with_its_provider(stack: Stack, open_page: Open) -> None:
    page = open_page(f"{stack.url}/#/chat/new:{CLOSET}").page
    chosen = page.get_by_role("combobox", name="Model").locator("option:checked")
    expect(chosen.first).to_contain_text("(Closet server)")


def test_system_prompt_parameters_and_tools_are_sent_and_a_call_is_shown(
    stack: Stack, open_page: Open
) -> None:
    page = open_page(f"{stack.url}/#/chat/new:{CLOSET}").page
    page.get_by_role("button", name="System prompt and parameters").click()
    page.get_by_label("System prompt", exact=True).fill("Be brief.")
    page.get_by_label("Temperature").fill("0.2")
    page.get_by_text("Tools", exact=True).click()
    tool = {"type": "function", "function": {"name": "read_clock", "parameters": {}}}
    page.get_by_label("Tools as JSON").fill(json.dumps([tool]))
    with behaving(stack, "closet", call=ScriptedCall("read_clock", {"zone": "UTC"})):
        say(page, "What time is it?")
        call = page.locator("details", has_text="Calls read_clock")
        call.locator("summary").click()
        expect(call.locator("pre")).to_have_text('{\n  "zone": "UTC"\n}')
    body = last_body(stack, "closet")
    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What time is it?"},
    ]
    assert (body["temperature"], body["tools"]) == (0.2, [tool])
    assert "top_p" not in body


def test_a_message_is_edited_and_sent_again(stack: Stack, open_page: Open) -> None:
    page = open_page(stack.url).page
    begin_chat(page, stack.url, CLOSET, "Wich journal?")
    expect(page.locator('[data-fact="tokens"]')).to_be_visible()
    page.get_by_role("button", name="Edit and ask again").click()
    expect(page.get_by_label("Message", exact=True)).to_have_value("Wich journal?")
    say(page, "Which journal?")
    expect(page.locator('[data-fact="tokens"]')).to_be_visible()
    expect(page.locator(".message.user")).to_have_count(1)
    assert [each["content"] for each in last_body(stack, "closet")["messages"]] == ["Which journal?"]


def test_scrolling_up_stops_the_following_until_the_end_is_wanted_again(
    stack: Stack, open_page: Open
) -> None:
    stack.machines.reset("closet")
    with behaving(stack, "closet", hold=True):
        page = open_page(stack.url).page
        page.set_viewport_size({"width": 900, "height": 360})
        begin_chat(page, stack.url, CLOSET, "Slowly, please")
        eventually(lambda: len(stack.machines.inference("closet")) == 1)
        stack.machines.release("closet", 70)
        box = page.get_by_role("log", name="Messages")
        expect(box.locator("table")).to_be_visible()
        page.wait_for_function(
            "() => { const box = document.querySelector('.messages');"
            " return box.scrollTop > 0 && box.scrollHeight - box.scrollTop - box.clientHeight < 2; }"
        )
        box.hover()
        page.mouse.wheel(0, -200)
        to_end = page.get_by_role("button", name="To the end")
        expect(to_end).to_be_visible()
        before = box.evaluate("box => box.scrollTop")
        stack.machines.release("closet", 20)
        expect(box.locator("ol li")).to_have_count(2)
        assert box.evaluate("box => box.scrollTop") == before
        to_end.click()
        expect(to_end).to_be_hidden()
        stack.machines.release("closet", 100)
        expect(page.locator('[data-fact="tokens"]')).to_be_in_viewport()


def test_a_page_that_is_closed_ends_its_response_and_shows_it_as_cut_later(
    stack: Stack, open_page: Open
) -> None:
    stack.machines.reset("closet")
    with behaving(stack, "closet", hold=True):
        page = open_page(stack.url).page
        begin_chat(page, stack.url, CLOSET, "And then?")
        eventually(lambda: len(stack.machines.inference("closet")) == 1)
        stack.machines.release("closet", 6)
        expect(page.locator(".message.assistant .markdown")).not_to_be_empty()
        page.reload()
        stack.machines.until("closet", lambda server: server.inference[0].ended is not None)
        assert stack.machines.inference("closet")[0].ended != "complete"
    expect(page.get_by_text("The response was cut.")).to_be_visible()
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".message.assistant strong")).to_have_text("write-ahead log")
