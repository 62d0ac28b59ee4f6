"""``/v1/models`` for readers of several APIs, and the pages of one provider that llama.cpp's tools read."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from fleet_runtime.simulator import ServerSpec, SimulatedModel, SimulationThread
from tests.support.stack import Stack, running_stack
from tests.support.waiting import eventually

ANTHROPIC = {"anthropic-version": "2023-06-01"}
MODELS = (SimulatedModel("qwen", context=4096, trained=131072), SimulatedModel("emb", purpose="embedding"))


class Sleeper(http.server.BaseHTTPRequestHandler):
    """A llama-server that sleeps, and notes what it is sent."""

    seen: list[str]

    def do_GET(self) -> None:
        self.seen.append(self.path)
        bodies = {
            "/v1/models": {
                "object": "list",
                "data": [{"id": "m", "owned_by": "llamacpp", "meta": {"n_ctx": 1}}],
            },
            "/props": {"is_sleeping": True, "total_slots": 1, "default_generation_settings": {"n_ctx": 1}},
        }
        body = json.dumps(bodies.get(self.path, {"error": "no"})).encode()
        self.send_response(200 if self.path in bodies else 404)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None: ...  # noqa: A002


@pytest.fixture(scope="module")
def sleeper() -> Iterator[http.server.ThreadingHTTPServer]:
    handler = type("Handler", (Sleeper,), {"seen": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def stack(
    tmp_path_factory: pytest.TempPathFactory, sleeper: http.server.ThreadingHTTPServer
) -> Iterator[Stack]:
    specs = [
        ServerSpec("one", kind="llama-server", models=MODELS[:1]),
        ServerSpec("swap", kind="llama-swap", models=MODELS),
        ServerSpec("nas", kind="ollama", models=(SimulatedModel("llama3:latest"),)),
    ]

    def fleet_yaml(simulated: SimulationThread, listen: str) -> str:
        return f"""\
version: 1
default_provider: swap
providers:
  swap:
    url: "{simulated.url("swap")}"
    models: {{emb: {{purpose: embedding}}, ranker: {{purpose: rerank}}}}
  one: {{url: "{simulated.url("one")}", formerly: [former]}}
  nas: {{url: "{simulated.url("nas")}"}}
  asleep: {{url: "http://127.0.0.1:{sleeper.server_port}", kind: llama-server}}
  dark: {{url: http://127.0.0.1:9, kind: llama-server, models: [m], poll: false}}
surfaces: {{chat: }}
gateway: {{listen: "{listen}"}}
"""

    folder = tmp_path_factory.mktemp("readers")
    with running_stack(folder, specs, fleet_yaml, online=("one", "swap", "nas", "asleep")) as stack:
        yield stack


def ids(stack: Stack, path: str, **headers: str) -> list[str]:
    return [item["id"] for item in stack.client.get(path, headers=headers).json()["data"]]


def test_models_for_other_purposes_are_never_among_those_for_chats(stack: Stack) -> None:
    items = stack.client.get("/chat/v1/models").json()["data"]
    purposes = [item["purpose"] for item in items]
    assert purposes == sorted(purposes, key=lambda purpose: purpose != "chat")
    assert {item["id"] for item in items if item["purpose"] != "chat"} == {"swap/emb", "swap/ranker"}
    chat = ids(stack, "/chat/v1/models?purpose=chat")
    assert chat == [item["id"] for item in items if item["purpose"] == "chat"]
    assert ids(stack, "/providers/swap/v1/models?purpose=embedding") == ["emb"]
    wrong = stack.client.get("/v1/models?purpose=chess")
    assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "purpose")


def test_an_item_has_what_each_reader_looks_for(stack: Stack) -> None:
    items = {item["id"]: item for item in stack.client.get("/v1/models").json()["data"]}
    item = items["one/qwen"]
    assert item["object"] == item["type"] == "model"
    assert item["display_name"] == item["name"]
    assert item["created_at"] == "1970-01-01T00:00:00Z"
    assert {item[key] for key in ("context_length", "max_model_len", "max_context_length")} == {4096}
    assert item["meta"]["n_ctx"] == 4096
    assert "max_model_len" not in items["swap/ranker"]
    assert stack.client.get("/v1/models/one/qwen").json() == item


def test_anthropics_readers_get_pages(stack: Stack) -> None:
    every = ids(stack, "/chat/v1/models")
    first = stack.client.get("/chat/v1/models?limit=2", headers=ANTHROPIC).json()
    assert set(first["data"][0]) == {"type", "id", "display_name", "created_at"}
    seen, page = [item["id"] for item in first["data"]], first
    while page["has_more"]:
        query = f"limit=2&after_id={page['last_id']}"
        page = stack.client.get(f"/chat/v1/models?{query}", headers=ANTHROPIC).json()
        seen += [item["id"] for item in page["data"]]
    assert seen == every
    assert (first["first_id"], first["last_id"]) == (every[0], every[1])
    back = stack.client.get(f"/chat/v1/models?limit=2&before_id={every[3]}", headers=ANTHROPIC).json()
    assert ([item["id"] for item in back["data"]], back["has_more"]) == (every[1:3], True)
    whole = stack.client.get("/chat/v1/models?limit=1000", headers=ANTHROPIC).json()
    assert ([item["id"] for item in whole["data"]], whole["has_more"]) == (every, False)
    for query in ("limit=0", "limit=x", "after_id=none", "after_id=a&before_id=b"):
        assert stack.client.get(f"/chat/v1/models?{query}", headers=ANTHROPIC).status_code == 400


def test_pages_of_a_provider_are_forwarded_where_they_load_nothing(stack: Stack) -> None:
    assert stack.client.get("/providers/one/props").json()["total_slots"] == 1
    assert stack.client.get("/providers/former/slots").json()[0]["n_ctx"] > 0
    assert stack.client.get("/providers/one/health").status_code == 200
    before = len(stack.machines.records("swap"))
    for path in ("/providers/swap/props?model=qwen", "/providers/swap/slots", "/providers/nas/health"):
        assert stack.client.get(path).status_code == 404
    assert not [record for record in stack.machines.records("swap")[before:] if "props" in record.path]
    assert stack.client.get("/providers/none/props").status_code == 404
    dark = stack.client.get("/providers/dark/props")
    assert (dark.status_code, dark.headers["x-should-retry"]) == (503, "false")


def test_a_sleeping_server_is_not_woken(stack: Stack, sleeper: http.server.ThreadingHTTPServer) -> None:
    seen: list[str] = sleeper.RequestHandlerClass.seen  # type: ignore[attr-defined]
    eventually(lambda: "/props" in seen)
    assert stack.client.get("/providers/asleep/props").json()["is_sleeping"]
    slots = stack.client.get("/providers/asleep/slots")
    assert (slots.status_code, slots.json()["error"]["code"]) == (409, "model_asleep")
    assert "/slots" not in seen
