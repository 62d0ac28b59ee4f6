"""What the console's tests do again and again: ask a model, compare some, and let a provider misbehave."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from playwright.sync_api import Page

from fleet_runtime.simulator.spec import Behaviour
from tests.support.stack import Stack


def say(page: Page, text: str) -> None:
    """Send a message in the conversation that is shown."""
    field = page.get_by_label("Message", exact=True)
    field.fill(text)
    field.press("Enter")


def begin_chat(page: Page, url: str, model: str, text: str) -> None:
    """Send the first message of a new conversation."""
    page.goto(f"{url}/#/chat/new:{model}")
    say(page, text)


def choose_models(page: Page, models: Sequence[str]) -> None:
    """Choose the models of the arena, which has two at first."""
    for place, id in enumerate(models, 1):
        if place > 2:
            page.get_by_role("button", name="Add a model").click()
        page.get_by_role("combobox", name=f"Model {place}").select_option(id)


def compare(page: Page, prompt: str) -> None:
    page.get_by_label("Prompt").fill(prompt)
    page.get_by_role("button", name="Compare").click()


@contextlib.contextmanager
def behaving(stack: Stack, provider: str, **how: object) -> Iterator[None]:
    """Let a provider behave so for the time of a block."""
    usual = Behaviour()
    stack.machines.set(provider, **how)
    try:
        yield
    finally:
        stack.machines.set(provider, **{name: getattr(usual, name) for name in how})


def loaded_models(stack: Stack) -> list[str]:
    """Return the ids of the models that the gateway knows to be loaded."""
    providers = stack.client.get("/api/models").json()["providers"]
    return [each["id"] for provider in providers for each in provider["models"] if each["state"] == "loaded"]


def unload(stack: Stack, id: str) -> None:
    provider, _, model = id.partition("/")
    stack.client.post(f"/api/fleet/{provider}/unload", json={"model": model}).raise_for_status()
