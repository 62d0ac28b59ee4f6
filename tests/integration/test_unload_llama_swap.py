"""Unloading a model of a real llama-swap: done, rejected while a request runs there, and forced."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration import tools
from tests.integration.llama_swap import LlamaSwap, Swapped, llama_swap
from tests.support.stack import Stack, running_stack
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration

FLEET = """\
version: 1
default_provider: box
providers: {{box: "{}"}}
surfaces: {{chat: }}
gateway: {{listen: "{}"}}
inventory: {{interval: 0.5, timeout: 2, grace: 1}}
"""


@dataclass(frozen=True, slots=True)
class Box:
    stack: Stack
    swap: LlamaSwap

    def unload(self, **more: Any) -> httpx.Response:
        body = {"model": "qwen3-8b", **more}
        return self.stack.client.post("/api/fleet/box/unload", json=body, timeout=60)

    def loads(self) -> int:
        return self.swap.starts().count("qwen3-8b")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    binary = tools.llama_swap()
    folder: Path = tmp_path_factory.mktemp("unload")
    with (
        llama_swap(binary, folder / "box", "box", [Swapped("qwen3-8b"), Swapped("other")]) as swap,
        running_stack(folder, (), lambda _, listen: FLEET.format(swap.url, listen), online=["box"]) as stack,
    ):
        yield Box(stack, swap)


@pytest.fixture
def box(shared: Box) -> Box:
    """The model is loaded, by one start of its process."""
    shared.swap.ask("GET", "/unload")
    (shared.swap.folder / "starts").unlink(missing_ok=True)
    shared.stack.chat("box/qwen3-8b", "chat").raise_for_status()
    assert shared.swap.states() == {"qwen3-8b": "ready"}
    return shared


@dataclass
class Streaming:
    """A stream in the background: its bytes, and whether it came to an end."""

    box: Box
    content: bytes = b""
    ended: bool = False
    thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self.box.swap.behave("qwen3-8b", hold=True)
        self.thread = threading.Thread(target=self._read)
        self.thread.start()
        self.box.swap.await_requests("qwen3-8b", 2)
        self.box.swap.release("qwen3-8b", 3)

    def _read(self) -> None:
        body = {"model": "box/qwen3-8b", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
        url = f"{self.box.stack.url}/chat/v1/chat/completions"
        try:
            with httpx.stream("POST", url, json=body, timeout=60, trust_env=False) as response:
                for chunk in response.iter_raw():
                    self.content += chunk
                self.ended = True
        except httpx.TransportError:
            pass

    def join(self) -> None:
        self.thread.join(30)
        assert not self.thread.is_alive()


def test_a_model_is_unloaded_and_no_probe_loads_it_again(box: Box) -> None:
    for _ in range(3):
        unloaded = box.unload()
        assert (unloaded.status_code, unloaded.json()["state"]) == (200, "unloaded")
        assert box.swap.states() == {}
        seen = box.loads()
        box.stack.client.post("/api/fleet/box/refresh").raise_for_status()
        assert (box.loads(), box.swap.states()) == (seen, {})
        box.stack.chat("box/qwen3-8b", "chat").raise_for_status()
    assert box.loads() == 4


def test_it_is_rejected_while_a_stream_runs_which_continues(box: Box) -> None:
    stream = Streaming(box)
    rejected = box.unload()
    error = rejected.json()["error"]
    (running,) = box.stack.client.get("/api/activity").json()["running"]
    assert (rejected.status_code, error["code"]) == (409, "requests_running")
    assert running["id"] in error["message"]
    assert box.swap.states() == {"qwen3-8b": "ready"}
    box.swap.behave("qwen3-8b", hold=False)
    stream.join()
    assert stream.ended
    assert stream.content.endswith(b"data: [DONE]\n\n")
    assert box.unload().json()["state"] == "unloaded"


def test_a_forced_one_names_the_request_that_is_cut(box: Box) -> None:
    stream = Streaming(box)
    forced = box.unload(force=True).json()
    assert forced["state"] == "unloaded"
    (affected,) = forced["running"]
    assert (affected["model"], affected["surface"]) == ("qwen3-8b", "chat")
    stream.join()
    assert b"[DONE]" not in stream.content
    eventually(lambda: box.stack.client.get("/api/activity").json()["running"] == [])
    assert box.swap.states() == {}


def test_loading_another_model_is_rejected_while_a_stream_runs_on_the_one_that_it_evicts(box: Box) -> None:
    stream = Streaming(box)
    rejected = box.stack.client.post("/api/fleet/box/load", json={"model": "other"}, timeout=60)
    assert (rejected.status_code, rejected.json()["error"]["code"]) == (409, "requests_running")
    box.swap.behave("qwen3-8b", hold=False)
    stream.join()
    loaded = box.stack.client.post("/api/fleet/box/load", json={"model": "other"}, timeout=60)
    assert loaded.json()["state"] == "loaded"
    assert box.swap.states() == {"other": "ready"}
