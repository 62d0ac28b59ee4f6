"""Fifty providers of forty models each, and the last thousand requests."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.sync_api import expect

from fleet_runtime.simulator import ServerSpec, SimulatedModel, SimulationThread
from tests.console.conftest import Open
from tests.support.stack import Stack, running_stack
from tests.support.waiting import eventually

PROVIDERS, MODELS, REQUESTS = 50, 40, 1000
FIRST_VIEW_SECONDS = 1.0
UPDATES_A_SECOND, SECONDS, LARGEST_SHARE = 60, 6, 0.20

UPDATES = """
([perSecond, seconds]) => new Promise(async (done) => {
  const state = await import(document.querySelector("script[data-base]").dataset.base + "app/state.js");
  const ids = [...state.models.value.keys()];
  let sent = 0;
  const timer = setInterval(() => {
    const id = ids[(sent * 37) % ids.length];
    state.applyEvents([{ event: "state", data: { id, state: sent % 2 ? "loaded" : "unloaded" } }]);
    if (++sent === perSecond * seconds) { clearInterval(timer); done(sent); }
  }, 1000 / perSecond);
})
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    models = tuple(SimulatedModel(f"model-{number:02}") for number in range(MODELS))
    specs = tuple(ServerSpec(f"box-{number:02}", models=models) for number in range(PROVIDERS))

    def fleet_yaml(machines: SimulationThread, listen: str) -> str:
        lines = "\n".join(f"  {spec.name}: {machines.url(spec.name)}" for spec in specs)
        gateway = f'gateway: {{listen: "{listen}"}}'
        return f"version: 1\ndefault_provider: box-00\nproviders:\n{lines}\n{gateway}\n"

    with running_stack(tmp_path_factory.mktemp("large"), specs, fleet_yaml) as stack:
        eventually(lambda: all(stack.status(spec.name) == "online" for spec in (specs[0], specs[-1])), 20)
        with ThreadPoolExecutor(8) as pool:
            for response in pool.map(lambda n: ask(stack, n), range(REQUESTS)):
                assert response == 200
        yield stack


def ask(stack: Stack, number: int) -> int:
    body = {"model": f"box-{number % PROVIDERS:02}/model-00", "messages": [{"role": "user", "content": "hi"}]}
    return stack.client.post("/v1/chat/completions", json=body).status_code


@pytest.mark.parametrize(("view", "rows"), [("fleet", ".card"), ("models", ".model:has(.model-id)")])
def test_a_large_fleet_is_shown_within_a_second_and_updated_cheaply(
    large: Stack, open_page: Open, view: str, rows: str
) -> None:
    expected = PROVIDERS if view == "fleet" else PROVIDERS * MODELS
    page = open_page("about:blank").page
    started = time.perf_counter()
    page.goto(f"{large.url}/#/{view}", wait_until="commit")
    page.wait_for_function(
        "([rows, count]) => document.querySelectorAll(rows).length >= count", arg=[rows, expected]
    )
    first_view = time.perf_counter() - started
    expect(page.locator(rows)).to_have_count(expected)
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")

    def busy() -> float:
        metrics = session.send("Performance.getMetrics")["metrics"]
        return float(next(each["value"] for each in metrics if each["name"] == "ThreadTime"))

    page.wait_for_timeout(1500)
    before, since = busy(), time.perf_counter()
    page.evaluate(UPDATES, [UPDATES_A_SECOND, SECONDS])
    share = (busy() - before) / (time.perf_counter() - since)
    print(f"{view}: first view {first_view:.2f} s; {UPDATES_A_SECOND} updates/s take {share:.1%} of a core")
    assert view != "fleet" or first_view < FIRST_VIEW_SECONDS
    assert share < LARGEST_SHARE
