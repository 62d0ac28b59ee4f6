"""A provider within its grace, in the console: it is not offline yet, and it is not called online either."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from fleet_runtime.simulator import ServerSpec, SimulatedModel, SimulationThread
from tests.console.conftest import Open
from tests.support.stack import Stack, running_stack


def fleet_yaml(machines: SimulationThread, listen: str) -> str:
    return (
        f"version: 1\ndefault_provider: nas\nproviders: {{nas: '{machines.url('nas')}'}}\n"
        f"gateway: {{listen: '{listen}'}}\ninventory: {{interval: 0.2, timeout: 1, grace: 600}}\n"
    )


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    nas = ServerSpec("nas", models=(SimulatedModel("qwen3-8b"),))
    with running_stack(tmp_path, [nas], fleet_yaml, online=["nas"]) as stack:
        yield stack


def test_a_provider_whose_probes_fail_is_shown_as_failing_with_the_reason(
    stack: Stack, open_page: Open
) -> None:
    card = open_page(stack.url).page.locator(".card:not(.ghost)")
    expect(card.locator(".status")).to_have_text("Online")
    stack.machines.set("nas", offline=True)
    expect(card.locator(".status")).to_have_text("Failing")
    expect(card).to_contain_text("Connection refused")
    stack.machines.set("nas", offline=False)
    expect(card.locator(".status")).to_have_text("Online")
