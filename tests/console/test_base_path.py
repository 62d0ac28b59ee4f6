"""The console below a path of another site, by the configurations of docs/deploy.md: nginx and HAProxy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.console.conftest import Open
from tests.console.steps import begin_chat, behaving
from tests.support.balancer import documented, replaced, running_haproxy, running_nginx
from tests.support.stack import Stack
from tests.support.waiting import eventually

DEFAULTS = "defaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n"
GATEWAY = "127.0.0.1:8400"


@pytest.fixture(params=["nginx", "haproxy"])
def base(request: pytest.FixtureRequest, stack: Stack, tmp_path: Path) -> Iterator[str]:
    """The URL of the console behind a server that removes /fleet."""
    gateway = stack.url.removeprefix("http://")
    if request.param == "nginx":
        location = replaced(documented("deploy.md", "nginx", "location /fleet/"), (GATEWAY, gateway))
        server = running_nginx(tmp_path, f"server {{\nlisten 127.0.0.1:PORT;\n{location}}}")
    else:
        text = documented("deploy.md", "haproxy", "frontend site")
        text = replaced(text, (GATEWAY, gateway), ("bind :80", "bind 127.0.0.1:PORT"))
        server = running_haproxy(tmp_path, DEFAULTS + text)
    with server as port:
        yield f"http://127.0.0.1:{port}/fleet"


def test_page_feed_and_chat_work_below_a_path(stack: Stack, base: str, open_page: Open) -> None:
    page = open_page(base).page
    expect(page).to_have_url(f"{base}/")
    status = page.locator(".card", has=page.get_by_role("heading", name="GPU box")).locator(".status")
    expect(status).to_have_text("Online")
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    with behaving(stack, "gpu-box", offline=True):
        expect(status).to_have_text("Offline")
    expect(status).to_have_text("Online")
    begin_chat(page, base, "closet/qwen3-4b-instruct", "Hello")
    expect(page.locator(".message.assistant strong")).to_have_text("write-ahead log")


def test_a_view_has_an_address_below_the_path_and_gives_clients_that_path(
    stack: Stack, base: str, open_page: Open
) -> None:
    eventually(lambda: stack.status("closet") == "online")
    page = open_page(f"{base}/#/machine/closet").page
    expect(page.get_by_role("heading", name="Closet server")).to_be_visible()
    expect(page.get_by_role("img", name="Requests a minute")).to_be_visible()
    page.get_by_role("link", name="Setup").click()
    expect(page).to_have_url(f"{base}/#/setup")
    expect(page.locator(".snippet pre")).to_contain_text(f"OPENAI_BASE_URL={base}/v1")
    page.reload()
    expect(page.get_by_role("heading", name="Setup")).to_be_visible()
