"""Fifty providers of forty models each, and the last thousand requests."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.sync_api import Browser, Page, expect

from fleet_runtime.simulator import ServerSpec, SimulatedModel, SimulationThread
from tests.console.conftest import Open
from tests.console.tracing import longest_task
from tests.support.stack import Stack, running_stack
from tests.support.waiting import eventually

PROVIDERS, MODELS, REQUESTS = 50, 40, 1000
FIRST_VIEW_SECONDS = 1.0
OPENED = 3
UPDATES_A_SECOND, SECONDS, LARGEST_SHARE = 60, 6, 0.20

LONGEST_TASK_MS = 100
OBSERVED_REQUESTS = 120

SCROLL = """
() => new Promise((done) => {
  const page = document.getElementById("content");
  let empty = 0;
  const step = () => {
    const { height } = page.getBoundingClientRect();
    const middle = document.elementFromPoint(innerWidth / 2, height / 2);
    if (middle.closest("tr[aria-hidden]")) empty += 1;
    const before = page.scrollTop;
    page.scrollTop += 400;
    if (page.scrollTop === before) done(empty); else requestAnimationFrame(() => requestAnimationFrame(step));
  };
  step();
})
"""
"""Scroll through the page, half of it in two frames; return how often its middle was empty."""

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
    shown = f"document.querySelectorAll('{rows}').length >= {expected}"
    page, first_view = opened(open_page, f"{large.url}/#/{view}", shown)
    expect(page.locator(rows)).to_have_count(expected)
    busy = thread_seconds(page)
    page.wait_for_timeout(1500)
    before, since = busy(), time.perf_counter()
    page.evaluate(UPDATES, [UPDATES_A_SECOND, SECONDS])
    share = (busy() - before) / (time.perf_counter() - since)
    print(f"{view}: first view {first_view:.2f} s; {UPDATES_A_SECOND} updates/s take {share:.1%} of a core")
    assert view != "fleet" or first_view < FIRST_VIEW_SECONDS
    assert share < LARGEST_SHARE


def test_a_thousand_requests_open_within_a_second_and_scroll_while_new_ones_end(
    large: Stack, browser: Browser, open_page: Open
) -> None:
    shown = f"document.querySelector('table')?.ariaRowCount === '{REQUESTS + 1}'"
    page, first_view = opened(open_page, f"{large.url}/#/activity", shown)
    table = page.get_by_role("table")
    busy = thread_seconds(page)
    page.wait_for_timeout(1500)
    before, since = busy(), time.perf_counter()
    with ThreadPoolExecutor(4) as pool:
        sent = pool.map(lambda n: ask(large, n), range(OBSERVED_REQUESTS))
        while time.perf_counter() - since < SECONDS:
            page.wait_for_timeout(200)
    assert set(sent) == {200}
    share = (busy() - before) / (time.perf_counter() - since)
    newest = large.client.get("/api/activity").json()["requests"][0]["provider"]
    expect(table.get_by_role("row").nth(1)).to_contain_text(f"{newest}/model-00")
    browser.start_tracing(page=page, categories=["toplevel"])
    empty = page.evaluate(SCROLL)
    longest = longest_task(browser.stop_tracing())
    print(f"activity: first view {first_view:.2f} s; updates take {share:.1%} of a core; ", end="")
    print(f"the longest task of a scroll {longest:.0f} ms; {empty} times empty")
    expect(page.locator(f'tr[aria-rowindex="{REQUESTS + 1}"]')).to_be_in_viewport()
    assert first_view < FIRST_VIEW_SECONDS
    assert share < LARGEST_SHARE
    assert longest < LONGEST_TASK_MS
    assert empty == 0


def opened(open_page: Open, url: str, shown: str) -> tuple[Page, float]:
    """Open a view until `shown` is true, some times; return the last page, and the least seconds it took."""
    seconds = []
    for _ in range(OPENED):
        page = open_page("about:blank").page
        started = time.perf_counter()
        page.goto(url, wait_until="commit")
        page.wait_for_function(f"() => {shown}")
        seconds.append(time.perf_counter() - started)
        if len(seconds) < OPENED:
            page.goto("about:blank")
    return page, min(seconds)


def thread_seconds(page: Page) -> Callable[[], float]:
    """Return what measures the CPU time of the page's main thread until now."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")

    def busy() -> float:
        metrics = session.send("Performance.getMetrics")["metrics"]
        return float(next(each["value"] for each in metrics if each["name"] == "ThreadTime"))

    return busy
