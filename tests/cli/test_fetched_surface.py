"""What a gateway says of a surface is checked before it becomes a path, an argument or a line of a shell."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from fleet_compiler.clients import CLIENTS
from tests.cli.conftest import Fleet

Says = Callable[..., str]

MODEL = dict.fromkeys(
    ("name", "context", "context_source", "output", "input", "tools", "reasoning", "purpose")
) | {"aliases": []}


@pytest.fixture
def says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Says]:
    """Starts a server that says what a gateway may, whatever is asked; returns its URL."""
    said: dict[str, Any] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            listed = self.path.partition("?")[0] == "/api/clients"
            body = json.dumps(said["list" if listed else "surface"]).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    own = f"http://127.0.0.1:{server.server_port}"

    def start(
        *,
        surface: str = "chat",
        url: str = own,
        base: str = "/chat",
        provider: str = "box",
        id: str = "m",
    ) -> str:
        models = {id: MODEL}
        providers = [{"name": provider, "label": "Box", "class": "local", "models": models}]
        table = {
            "surface": surface,
            "label": "Chat",
            "base": base,
            "default_provider": provider,
            "legacy": "strict",
            "names": {provider: provider},
            "namespaces": [],
            "aliases": {},
            "roles": {"default": [f"{provider}/{id}"]},
            "providers": providers,
        }
        said["list"] = {"surfaces": {surface: list(CLIENTS)}}
        said["surface"] = {"url": url, "requires_key": True, "clients": {}, "table": table}
        return own

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home" / "state"))
    yield start
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("client", ["codex", "env"])
@pytest.mark.parametrize(
    "said",
    [
        {"surface": "../../outside"},
        {"surface": ".."},
        {"url": "http://127.0.0.1:1\n#"},
        {"url": "http://127.0.0.1:1/\x1b[2J"},
        {"base": "/chat\n"},
        {"base": "/$(touch outside)"},
        {"provider": "-x --y"},
        {"provider": "../box"},
        {"id": "m\0"},
        {"id": "m\nOPENAI_API_KEY=x"},
        {"id": "\x1b[2J"},
    ],
    ids=str,
)
def test_what_no_gateway_says_is_rejected_and_nothing_is_written(
    fleet: Fleet, tmp_path: Path, says: Says, client: str, said: dict[str, str]
) -> None:
    url = says(**said)
    for command in (["env", client], ["connect", client], ["connect"]):
        ran = fleet(*command, "--url", url)
        assert (ran.code, ran.out) == (1, ""), ran
        assert ran.err.startswith(f"error: the gateway at '{url}' lists the ")
        assert ran.err.count("\n") == 1
        assert ran.err[:-1].isprintable()
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize("client", CLIENTS)
def test_what_a_gateway_may_say_configures_every_client(fleet: Fleet, says: Says, client: str) -> None:
    url = says(id="a b/$(x)'")
    assert fleet("env", client, "--url", url).code == 0
