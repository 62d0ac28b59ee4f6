"""A browser and one fleet for the tests of a module. Whatever happens in a page that must not is an error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, expect, sync_playwright

from tests.console.household import running_household
from tests.support.stack import Stack

CHROMIUM = Path("/usr/bin/chromium")
PATIENCE_MS = 10_000

REPORTS = """
window.policyReports = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.policyReports.push(`${event.effectiveDirective}: ${event.blockedURI} ${event.sample}`);
});
"""


@dataclass
class Watched:
    """A page, and what went wrong in it: errors of the console, of scripts, and dialogs."""

    page: Page
    errors: list[str] = field(default_factory=list)

    def hear(self, said: ConsoleMessage) -> None:
        if said.type == "error":
            self.errors.append(said.text)

    def dismiss(self, dialog: Dialog) -> None:
        """Note a dialog and close it: a page with an open one responses nothing, not even `check`."""
        self.errors.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def allow(self, part: str) -> None:
        """Take the errors that the browser itself reports of a failed request: all of them contain `part`."""
        assert all(part in error for error in self.errors), self.errors
        self.errors.clear()

    def check(self) -> None:
        """Raise unless nothing went wrong."""
        reports = self.page.evaluate("window.policyReports")
        assert (self.errors, reports) == ([], [])


Open = Callable[..., Watched]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"the console's tests need {CHROMIUM}: apt install chromium")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The household, which answers in chunks with a pause of 5 ms."""
    with running_household(tmp_path_factory.mktemp("household"), chunk_ms=5) as stack:
        yield stack


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """Open a URL in a new page of a new window; at the end of the test nothing may have gone wrong there."""
    opened: list[Watched] = []

    def open_page(
        url: str, *, width: int = 1440, theme: str = "light", tab_of: Page | None = None
    ) -> Watched:
        if tab_of is None:
            context = browser.new_context(
                viewport={"width": width, "height": 900},
                color_scheme=theme,  # type: ignore[arg-type]
            )
            context.set_default_timeout(PATIENCE_MS)
        else:
            context = tab_of.context
        page = context.new_page()
        watched = Watched(page)
        page.add_init_script(REPORTS)
        page.on("pageerror", lambda error: watched.errors.append(str(error)))
        page.on("dialog", watched.dismiss)
        page.on("console", watched.hear)
        page.goto(url)
        opened.append(watched)
        return watched

    yield open_page
    try:
        for watched in opened:
            watched.check()
    finally:
        for watched in opened:
            watched.page.close()
