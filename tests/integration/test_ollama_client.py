"""Ollama's own client for Python, on providers that are not Ollama."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.conftest import MACHINES, answered
from tests.support.stack import Stack

pytestmark = pytest.mark.integration

HI = [{"role": "user", "content": "hi"}]
WAY = {"sam-desktop": "sidecar", "embedding": "direct"}
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture
def client(stack: Stack) -> Iterator[Any]:
    sdk = pytest.importorskip("ollama", reason="the client is not installed: run `make integration`")
    with sdk.Client(host=f"{stack.url}/arena/ollama") as client:
        yield client


def test_it_lists_and_shows_models(client: Any) -> None:
    listed = [model.model for model in client.list().models]
    assert {f"{machine}/qwen3-8b" for machine in MACHINES} <= set(listed)
    assert listed.index("sam-desktop/nomic-embed") > listed.index("embedding/qwen3-8b")
    shown = client.show("embedding/qwen3-8b")
    assert shown.modelinfo["fleet.context_length"] == 32768
    assert "completion" in shown.capabilities
    assert {model.model for model in client.ps().models} <= set(listed)


@pytest.mark.parametrize("machine", MACHINES)
def test_it_chats_complete_and_in_parts(client: Any, stack: Stack, machine: str) -> None:
    model = f"{machine}/qwen3-8b"
    whole = client.chat(model, HI, keep_alive=0, options={"num_ctx": 512, "temperature": 0})
    assert whole.message.content == f"[{machine}] qwen3-8b: hi"
    assert whole.done
    assert whole.eval_count > 0
    parts = list(client.chat(f"{model}:latest", HI, stream=True))
    assert "".join(part.message.content for part in parts) == f"[{machine}] qwen3-8b: hi"
    assert [part.done for part in parts] == [*[False] * (len(parts) - 1), True]
    assert parts[-1].prompt_eval_count > 0
    assert answered(stack) == [(machine, "qwen3-8b", WAY[machine])] * 2


def test_it_calls_tools_and_sends_images(client: Any, stack: Stack) -> None:
    def weather(city: str) -> str:
        """Tell the weather.

        Args:
          city: the city
        """
        return f"sunny in {city}"

    stack.machines.set("embedding", call={"name": "weather", "arguments": {"city": "Bern"}})
    model = "embedding/qwen3-8b"
    for response in (
        client.chat(model, HI, tools=[weather]),
        list(client.chat(model, HI, tools=[weather], stream=True))[-2],
    ):
        (call,) = response.message.tool_calls
        assert (call.function.name, dict(call.function.arguments)) == ("weather", {"city": "Bern"})
    told = [*HI, response.message, {"role": "tool", "content": weather("Bern"), "tool_name": "weather"}]
    final = client.chat(model, told, tools=[weather])
    assert "sunny in Bern" in final.message.content
    client.chat(model, [{"role": "user", "content": "see", "images": [PNG]}])
    sent = stack.machines.inference("embedding")[-1].json["messages"][0]["content"]
    assert sent[1]["image_url"]["url"].startswith("data:image/png;base64,iVBOR")


def test_it_generates_and_embeds(client: Any, stack: Stack) -> None:
    assert client.generate("embedding/qwen3-8b", "hi").response == "[embedding] qwen3-8b: hi"
    parts = client.generate("embedding/qwen3-8b", "hi", system="be brief", stream=True)
    assert "".join(part.response for part in parts) == "[embedding] qwen3-8b: hi"
    before = len(answered(stack))
    assert client.generate("embedding/qwen3-8b").done_reason == "load"
    assert len(answered(stack)) == before
    assert len(client.embed("sam-desktop/nomic-embed", ["a", "b"]).embeddings) == 2


def test_errors_and_cuts_are_errors_of_the_client(client: Any, stack: Stack) -> None:
    ollama = pytest.importorskip("ollama")
    with pytest.raises(ollama.ResponseError) as missing:
        client.chat("embedding/none", HI)
    assert (missing.value.status_code, "embedding" in missing.value.error) == (404, True)
    with pytest.raises(ollama.ResponseError):
        client.pull("embedding/qwen3-8b")
    with (
        ollama.Client(host=f"{stack.url}/arena/ollama", headers={"Origin": "http://elsewhere"}) as foreign,
        pytest.raises(ollama.ResponseError) as rejected,
    ):
        foreign.list()
    assert (rejected.value.status_code, rejected.value.error[:1].isalpha()) == (403, True)
    stack.machines.set("embedding", scope="inference", chunks=50, drop_at_byte=2500)
    seen = []
    with pytest.raises(ollama.ResponseError):
        seen.extend(client.chat("embedding/qwen3-8b", HI, stream=True))
    assert not any(part.done for part in seen)
