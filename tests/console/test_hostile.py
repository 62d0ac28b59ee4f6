"""What a model writes cannot act in the page, and 200 KB of it do not hold the page up."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from fleet_runtime.simulator import ServerSpec, SimulatedModel, SimulationThread
from tests.console.conftest import Open
from tests.console.steps import begin_chat
from tests.console.tracing import longest_task
from tests.support.stack import Stack, running_stack

HOSTILE = """

<img src=x onerror="alert(1)"> <script>alert(2)</script> <svg onload=alert(3)> <iframe srcdoc="x"></iframe>

[click](javascript:alert(4)) [data](data:text/html,<script>alert(5)</script>) <javascript:alert(6)>
![tracker](https://tracker.invalid/pixel.png "x") ![x](javascript:alert(7))

| left | middle | right |
|:-----|:------:|------:|
| a | b | c |

<style>* { display: none }</style> <a href="https://a.invalid" style="position:fixed;inset:0">cover</a>

[link](https://example.invalid/?q="><img src=x onerror=alert(8)>) end-of-hostile
"""
PARAGRAPH = "Some *words* with `code`, **weight** and [a link](https://example.invalid) to read. " * 20
TABLE = "| a | b | c |\n|:-:|--:|:--|\n" + "| cell | 12345 | `code` |\n" * 800
LARGE = {
    "prose": f"\n\n{PARAGRAPH}\n" * 90,
    "one-line": "\n\n" + "word " * 32_000,
    "code": "\n\n```python\n"
    + "value = compute(another_value, 12345)  # a comment\n" * 3_500
    + "```\n\nafter",
    "table": f"\n\n{TABLE}" * 7,
    "brackets": "\n\n" + "[" * 60_000 + "*" * 60_000 + "`" * 60_000,
    "lists": "\n\n" + "".join(f"{' ' * (n % 6 * 2)}- item {n} with *some* text\n" for n in range(6_000)),
}
LONGEST_TASK_MS = 100


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    texts = {"hostile": HOSTILE, **LARGE}
    models = tuple(SimulatedModel(name, reply=text) for name, text in texts.items())

    def fleet_yaml(machines: SimulationThread, listen: str) -> str:
        url = machines.url("box")
        return f"""\
version: 1
default_provider: box
providers: {{box: "{url}"}}
gateway: {{listen: "{listen}"}}
"""

    folder = tmp_path_factory.mktemp("hostile")
    specs = (ServerSpec("box", kind="llama-swap", models=models),)
    with running_stack(folder, specs, fleet_yaml, online=("box",)) as stack:
        yield stack


def ask(page: Page, url: str, model: str) -> None:
    begin_chat(page, url, f"box/{model}", "go")
    expect(page.locator('[data-fact="tokens"]')).to_be_visible(timeout=60_000)


def test_hostile_markdown_becomes_text_links_and_a_table(hostile: Stack, open_page: Open) -> None:
    page = open_page(hostile.url).page
    ask(page, hostile.url, "hostile")
    answer = page.locator(".message.assistant .markdown")
    expect(answer).to_contain_text("end-of-hostile")
    assert answer.locator("img, script, svg, iframe, style, [style], [onerror], [onload]").count() == 0
    hrefs = answer.locator("a").evaluate_all("links => links.map(link => link.href)")
    assert hrefs
    assert [href for href in hrefs if not href.startswith(("https:", "http:", "mailto:"))] == []
    expect(answer.locator("a.remote-image")).to_have_attribute("rel", "noopener noreferrer")
    expect(answer.get_by_role("cell", name="b", exact=True)).to_have_class("align-center")
    expect(answer.get_by_role("cell", name="c", exact=True)).to_have_class("align-right")


@pytest.mark.slow
@pytest.mark.parametrize("kind", LARGE)
def test_a_response_of_200_kb_never_holds_the_page_up(
    hostile: Stack, browser: Browser, open_page: Open, kind: str
) -> None:
    longest = []
    for _ in range(5):
        page = open_page(hostile.url).page
        expect(page.locator(".card:not(.ghost)")).to_be_visible()
        browser.start_tracing(page=page, categories=["toplevel"])
        ask(page, hostile.url, kind)
        page.wait_for_function("() => document.querySelector('.markdown').textContent.length > 20_000")
        page.wait_for_function(
            "() => { const now = document.querySelector('.markdown').textContent.length;"
            " const same = window.before === now; window.before = now; return same; }",
            polling=700,
        )
        longest.append(longest_task(browser.stop_tracing()))
        page.goto("about:blank")
    print(f"{kind}: longest tasks {sorted(round(each) for each in longest)} ms of CPU")
    assert statistics.median(longest) < LONGEST_TASK_MS
