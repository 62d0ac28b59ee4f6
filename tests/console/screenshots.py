"""Pictures of every view in both themes, from simulated providers: `make screenshots`.

All go to the folder that is named; those of the README and docs/console.md to docs/images too, a quarter
smaller where zopflipng is installed.
"""

from __future__ import annotations

import argparse
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from playwright.sync_api import Page, expect, sync_playwright

from tests.console.conftest import CHROMIUM
from tests.console.household import CLOUD_KEY, ONLINE, running_household
from tests.console.steps import choose_models, compare, say
from tests.support.paths import DOCS
from tests.support.stack import Stack, serving
from tests.support.waiting import eventually

PUBLISHED: Final = {"fleet-light": "fleet", "arena-light": "arena"}
LARGEST: Final = 300_000
"""Bytes of a published picture."""
HOUR: Final = 3600.0
PROMPT: Final = "Which SQLite journal should a small service use?"
OUTAGES: Final[dict[str, tuple[tuple[float, float, str, str], ...]]] = {
    "workstation": ((9.2, 8.7, "offline", "connection refused"),),
    "mac-studio": ((17.0, 16.6, "degraded", "the model list is not JSON"),),
    "closet": (),
    "gpu-box": (
        (21.5, 15.8, "offline", "no response within 2 s"),
        (4.1, 3.95, "offline", "connection refused"),
    ),
    "lakehouse": ((6.3, 0.0, "offline", "connection refused"),),
}
"""Of each provider: hours ago from and until, status, reason."""


def write_history(state: Path) -> None:
    """Replace the history of a stopped gateway by that of a day."""
    now = time.time()
    rows: list[tuple[str, str, str | None, float]] = []
    for provider, outages in OUTAGES.items():
        rows.append((provider, "online", None, now - 30 * HOUR))
        for begin, end, status, reason in outages:
            rows.append((provider, status, reason, now - begin * HOUR))
            if end:
                rows.append((provider, "online", None, now - end * HOUR))
    rows.sort(key=lambda row: row[3])
    with sqlite3.connect(state) as database:
        database.execute("DELETE FROM status_history")
        insert = "INSERT INTO status_history (provider, status, reason, at) VALUES (?, ?, ?, ?)"
        database.executemany(insert, rows)


def make_traffic(stack: Stack) -> None:
    """Some requests on every provider, so that there is something to show."""
    models = ("workstation/qwen3-coder-30b-a3b", "mac-studio/llama3.3:70b", "closet/qwen3-4b-instruct")
    for turn in range(14):
        for model in (*models, "gpu-box/mistral-small-3.2-24b", "deepseek/deepseek-chat"):
            name = model.partition("/")[0].replace("deepseek", "cloud")
            stack.machines.set(
                name, first_byte_ms=40 + (turn * 37 + len(name) * 23) % 90, chunk_ms=2 + turn % 5
            )
            usage = {"include_usage": True}
            stack.chat(model, stream=True, stream_options=usage, max_tokens=20 + turn * 3).raise_for_status()
    for name in ONLINE:
        stack.machines.set(name, first_byte_ms=0, chunk_ms=12)
    for id in ("workstation/qwen3-coder-30b-a3b", "mac-studio/llama3.3:70b", "closet/qwen3-4b-instruct"):
        stack.client.put(f"/api/favorites/{id}").raise_for_status()


def show_chat(page: Page) -> None:
    say(page, PROMPT)
    expect(page.locator('[data-fact="rate"]')).to_be_visible(timeout=30_000)


def show_arena(page: Page) -> None:
    choose_models(page, ("workstation/gpt-oss-20b", "mac-studio/gpt-oss-20b", "closet/qwen3-4b-instruct"))
    compare(page, PROMPT)
    expect(page.get_by_role("group", name="Vote")).to_be_visible(timeout=30_000)


def show_name(page: Page) -> None:
    page.get_by_label("A model's name").fill("@task")
    expect(page.locator(".resolve-target")).to_be_visible()


VIEWS: Final[dict[str, tuple[str, Callable[[Page], object]]]] = {
    "fleet": ("fleet", lambda page: expect(page.locator(".card").last).to_be_visible()),
    "machine": ("machine/workstation", lambda page: page.wait_for_timeout(800)),
    "models": ("models", show_name),
    "chat": ("chat/new:workstation/qwen3-coder-30b-a3b", show_chat),
    "arena": ("arena", show_arena),
    "activity": ("activity", lambda page: page.wait_for_timeout(500)),
    "setup": ("setup", lambda page: page.wait_for_timeout(500)),
}


def take(stack: Stack, folder: Path) -> Iterator[Path]:
    """Photograph every view; yield the files."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for theme in ("light", "dark"):
            for width, height in ((1440, 900), (360, 760)):
                size = "" if width == 1440 else f"-{width}"
                for name, (view, prepare) in VIEWS.items():
                    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=theme)
                    page.goto(f"{stack.url}/#/{view}")
                    expect(page.get_by_text("fleet", exact=True).first).to_be_visible()
                    page.wait_for_timeout(600)
                    prepare(page)
                    page.mouse.move(0, 0)
                    target = folder / f"{name}-{theme}{size}.png"
                    page.screenshot(path=target, animations="disabled")
                    page.close()
                    yield target
        browser.close()


def publish(picture: Path, target: Path) -> None:
    """Copy a picture, compressed again without loss if the program for it is there."""
    program = shutil.which("zopflipng")
    if program is None:
        shutil.copyfile(picture, target)
    else:
        subprocess.run([program, "-y", picture, target], check=True, stdout=subprocess.DEVNULL)


def main() -> int:
    """Make all pictures; 1 if one that is published is too large."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("build/screenshots"))
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    images = DOCS / "images"
    images.mkdir(exist_ok=True)
    too_large = 0
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        with running_household(place, more=", state: state.db") as stack:
            eventually(lambda: all(stack.status(name) == "online" for name in ONLINE))
            stack.machines.set("lakehouse", offline=True)
            stack.process.terminate()
            stack.process.wait()
            write_history(place / "state.db")
            listen = stack.url.removeprefix("http://")
            with serving(place, stack.machines, listen, {CLOUD_KEY: "k"}) as again:
                eventually(lambda: again.status("lakehouse") == "offline")
                make_traffic(again)
                for file in take(again, folder):
                    print(file, f"{file.stat().st_size // 1000} KB")
                    if published := PUBLISHED.get(file.stem):
                        publish(file, images / f"{published}.png")
                        too_large += file.stat().st_size > LARGEST
    return 1 if too_large else 0


if __name__ == "__main__":
    raise SystemExit(main())
