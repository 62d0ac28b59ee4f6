"""The gateway before two real llama-swaps that serve models of the same names."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration import tools
from tests.integration.llama_swap import LlamaSwap, Swapped, llama_swap
from tests.support.stack import Stack, running_stack
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration

SLASHED = "unsloth/Qwen3-8B-GGUF:Q4_K_M"
CAPABLE = {"in": ["text"], "out": ["text"], "tools": True, "context": 32768}
MODELS = (
    Swapped("qwen3-8b", settings={"capabilities": CAPABLE, "name": "Qwen3 8B"}),
    Swapped(SLASHED),
    Swapped("short-lived", ttl=3),
    Swapped("slow", load_seconds=4),
)
ONE = """\
version: 1
default_provider: box
providers: {{box: "{}"}}
surfaces: {{boochat: }}
gateway: {{listen: "{}"}}
inventory: {{interval: 1, grace: 1}}
"""
KEYS = {"sam-desktop": "key-of-sam", "embedding": "key-of-embedding"}
KEY_VARIABLES = {"SAM_KEY": "key-of-sam", "EMBEDDING_KEY": "key-of-embedding"}


@dataclass(frozen=True, slots=True)
class Two:
    """Two providers and a gateway that polls them every second."""

    stack: Stack
    sam: LlamaSwap
    embedding: LlamaSwap

    def states(self, provider: str) -> dict[str, str]:
        """The models' states as the gateway sees them."""
        listed = self.stack.client.get("/api/models").json()["providers"]
        found = next(item for item in listed if item["name"] == provider)
        return {model["model"]: model["state"] for model in found["models"]}


@pytest.fixture(scope="module")
def running_two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    binary = tools.llama_swap()
    folder = tmp_path_factory.mktemp("two")
    with ExitStack() as running:
        sam, embedding = (
            running.enter_context(llama_swap(binary, folder / name, name, MODELS, key=KEYS[name]))
            for name in ("sam-desktop", "embedding")
        )
        yaml = f"""\
version: 1
default_provider: sam-desktop
providers:
  sam-desktop: {{url: "{sam.url}", api_key_env: SAM_KEY}}
  embedding: {{url: "{embedding.url}", api_key_env: EMBEDDING_KEY}}
  stranger: {{url: "{embedding.url}", api_key_env: SAM_KEY, models: [qwen3-8b]}}
surfaces: {{boochat: , arena: }}
inventory: {{interval: 1, timeout: 2, grace: 5}}
"""
        stack = running.enter_context(
            running_stack(
                folder,
                (),
                lambda _, listen: f'{yaml}gateway: {{listen: "{listen}"}}\n',
                env=KEY_VARIABLES,
                online=KEYS,
            )
        )
        yield Two(stack, sam, embedding)


@pytest.fixture
def two(running_two: Two) -> Two:
    """No model is loaded, and the gateway knows."""
    for name, swap in (("sam-desktop", running_two.sam), ("embedding", running_two.embedding)):
        swap.ask("GET", "/unload")
        eventually(lambda name=name: set(running_two.states(name).values()) == {"unloaded"})  # type: ignore[misc]
        (swap.folder / "starts").unlink(missing_ok=True)
    return running_two


def test_both_are_listed_with_what_they_say_of_themselves(two: Two) -> None:
    listed = two.stack.client.get("/api/models").json()["providers"]
    for provider in listed[:2]:
        assert (provider["kind"], provider["status"]) == ("llama-swap", "online")
        models = {model["model"]: model for model in provider["models"]}
        assert list(models) == sorted(model.id for model in MODELS)
        known = models["qwen3-8b"]
        assert known["name"] == f"Qwen3 8B ({provider['name']})"
        assert (known["context"], known["context_source"]) == (32768, "listed")
        assert models[SLASHED]["context"] is None
    assert (two.sam.starts(), two.embedding.starts()) == ([], [])


@pytest.mark.parametrize("model", ["qwen3-8b", SLASHED])
def test_each_provider_is_reached_by_its_name(two: Two, model: str) -> None:
    """The model's process gets the bare id and no key; the other provider loads nothing."""
    for swap, other in ((two.sam, two.embedding), (two.embedding, two.sam)):
        before = other.starts()
        answer = two.stack.chat(f"{swap.name}/{model}")
        assert answer.json()["choices"][0]["message"]["content"] == f"[{swap.name}] {model}: hi"
        assert swap.starts() == [model]
        (asked,) = (request for request in swap.requests(model) if request["inference"])
        assert json.loads(asked["text"])["model"] == model
        assert other.starts() == before
        eventually(lambda swap=swap: two.states(swap.name)[model] == "loaded")  # type: ignore[misc]


def test_a_wrong_key_is_a_configuration_error(two: Two) -> None:
    assert two.stack.status("stranger") == "config_error"
    assert two.stack.chat("stranger/qwen3-8b").status_code == 401


@pytest.mark.slow
def test_what_it_measures_of_its_memory_is_shown_as_soon_as_it_has_measured(two: Two) -> None:
    """That is after 5 seconds; the first probes got an empty response."""

    def memory() -> dict[str, Any]:
        listed = two.stack.client.get("/api/fleet").json()["providers"]
        found: dict[str, Any] = next(item for item in listed if item["name"] == "sam-desktop")["memory"] or {}
        return found

    eventually(lambda: bool(memory().get("ram_total")), 20)
    assert 0 < memory()["ram_used"] < memory()["ram_total"]


@pytest.mark.slow
def test_a_model_is_unloaded_by_its_time_to_live_though_the_gateway_polls(two: Two) -> None:
    """Its 3 seconds are prolonged once, by the one request for its properties after it was loaded."""
    two.stack.chat("embedding/short-lived")
    eventually(lambda: two.states("embedding")["short-lived"] == "loaded")
    looks: list[str] = []

    def gone() -> bool:
        if two.embedding.states().get("short-lived") is None:
            return True
        with suppress(httpx.TransportError):  # it may end between the two requests
            looks[:] = [request["target"] for request in two.embedding.requests("short-lived")]
        return False

    eventually(gone, 15)
    assert sorted(looks) == ["/props", "/v1/chat/completions"]
    eventually(lambda: two.states("embedding")["short-lived"] == "unloaded")
    assert two.embedding.starts() == ["short-lived"]


@pytest.mark.slow
def test_a_swap_shows_in_the_states(two: Two) -> None:
    two.stack.chat("sam-desktop/qwen3-8b")
    eventually(lambda: two.states("sam-desktop")["qwen3-8b"] == "loaded")
    two.stack.chat(f"sam-desktop/{SLASHED}")
    eventually(lambda: two.states("sam-desktop")[SLASHED] == "loaded")
    assert two.states("sam-desktop")["qwen3-8b"] == "unloaded"
    assert two.sam.starts() == ["qwen3-8b", SLASHED]
    assert two.states("embedding")[SLASHED] == "unloaded"


@pytest.mark.slow
def test_a_cold_load_is_waited_for_and_seen(two: Two) -> None:
    answers: list[httpx.Response] = []
    thread = threading.Thread(target=lambda: answers.append(two.stack.chat("embedding/slow")))
    thread.start()
    eventually(lambda: two.states("embedding")["slow"] == "loading")
    thread.join()
    assert answers[0].json()["choices"][0]["message"]["content"] == "[embedding] slow: hi"
    assert two.embedding.starts() == ["slow"]


def _streamed(two: Two, model: str) -> tuple[threading.Thread, list[Any]]:
    """A stream in the background: its status and bytes, and then how it ended."""
    seen: list[Any] = []
    body = {"model": model, "stream": True, "messages": [{"role": "user", "content": "hi"}]}

    def read() -> None:
        url = f"{two.stack.url}/boochat/v1/chat/completions"
        try:
            with httpx.stream("POST", url, json=body, timeout=30, trust_env=False) as answer:
                seen.append(answer.status_code)
                seen.extend(answer.iter_raw())
                seen.append("end")
        except httpx.TransportError:
            seen.append("cut")

    thread = threading.Thread(target=read)
    thread.start()
    return thread, seen


@pytest.mark.slow
def test_an_unload_before_the_first_byte_is_an_error_that_names_the_provider(two: Two) -> None:
    """llama-swap says 502 and nothing else."""
    two.stack.chat("embedding/qwen3-8b")
    two.embedding.behave("qwen3-8b", hold=True)
    thread, seen = _streamed(two, "embedding/qwen3-8b")
    two.embedding.await_requests("qwen3-8b", 2)
    two.embedding.ask("GET", "/unload")
    thread.join()
    status, body, end = seen
    assert (status, end) == (502, "end")
    assert json.loads(body)["error"]["code"] == "upstream_error"
    assert b"'embedding'" in body


@pytest.mark.slow
def test_an_unload_in_mid_stream_never_looks_like_a_finished_response(two: Two) -> None:
    """llama-swap ends the response properly; that nothing says it is complete is passed on as it is."""
    two.stack.chat("embedding/qwen3-8b")
    two.embedding.behave("qwen3-8b", hold=True)
    thread, seen = _streamed(two, "embedding/qwen3-8b")
    two.embedding.await_requests("qwen3-8b", 2)
    two.embedding.release("qwen3-8b", 3)
    two.embedding.ask("GET", "/unload")
    thread.join()
    assert seen[0] == 200
    streamed = b"".join(piece for piece in seen if isinstance(piece, bytes))
    assert streamed.startswith(b"data: ")
    assert b"[DONE]" not in streamed
    assert b'"finish_reason":"' not in streamed


@pytest.mark.slow
def test_an_unload_while_the_model_loads_is_llama_swaps_own_error(two: Two) -> None:
    thread, seen = _streamed(two, "embedding/slow")
    two.embedding.await_state("slow", "starting")
    two.embedding.ask("GET", "/unload")
    thread.join()
    assert seen[0] == 500
    assert b"model unloaded" in seen[1]


@pytest.mark.slow
def test_a_llama_swap_that_is_started_again_is_found_again(tmp_path: Path) -> None:
    """Stopped, it is offline and its models 503; the same address serves again as soon as it is back."""
    binary = tools.llama_swap()
    models = [Swapped("qwen3-8b")]
    with ExitStack() as running:
        with llama_swap(binary, tmp_path / "box", "box", models) as box:
            port = int(box.url.rpartition(":")[2])
            stack = running.enter_context(
                running_stack(tmp_path, (), lambda _, listen: ONE.format(box.url, listen), online=["box"])
            )
            assert stack.chat("box/qwen3-8b").status_code == 200
        eventually(lambda: stack.status("box") == "offline", 20)
        answer = stack.chat("box/qwen3-8b")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "provider_unreachable")
        assert answer.headers["x-should-retry"] == "false"
        with llama_swap(binary, tmp_path / "box", "box", models, port=port):
            eventually(lambda: stack.status("box") == "online", 20)
            assert stack.chat("box/qwen3-8b").status_code == 200
