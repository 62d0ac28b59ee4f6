"""The published SDKs of OpenAI and Anthropic, configured only with the address of a surface."""

from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration import tools
from tests.integration.conftest import MACHINES, answered
from tests.support.stack import Stack

pytestmark = [pytest.mark.integration, pytest.mark.slow]

WAY = {"sam-desktop": "sidecar", "embedding": "direct"}
SAY_HI = [{"role": "user", "content": "hi"}]
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


@pytest.fixture
def openai(stack: Stack) -> Iterator[Any]:
    sdk = pytest.importorskip("openai", reason="the SDK is not installed: run `make integration`")
    with sdk.OpenAI(base_url=f"{stack.url}/arena/v1", api_key="any") as client:
        yield client


@pytest.fixture
def anthropic(stack: Stack) -> Iterator[Any]:
    sdk = pytest.importorskip("anthropic", reason="the SDK is not installed: run `make integration`")
    with sdk.Anthropic(base_url=f"{stack.url}/arena", api_key="any") as client:
        yield client


def test_openai_lists_the_models_of_all_providers(openai: Any) -> None:
    listed = {model.id: model.owned_by for model in openai.models.list()}
    assert {listed[f"{machine}/qwen3-8b"] for machine in MACHINES} == set(MACHINES)
    assert openai.models.retrieve("embedding/qwen3-8b").id == "embedding/qwen3-8b"


@pytest.mark.parametrize("machine", MACHINES)
def test_openai_chat(openai: Any, stack: Stack, machine: str) -> None:
    answer = openai.chat.completions.create(model=f"{machine}/qwen3-8b", messages=SAY_HI)
    assert answer.choices[0].message.content == f"[{machine}] qwen3-8b: hi"
    assert answered(stack) == [(machine, "qwen3-8b", WAY[machine])]


@pytest.mark.parametrize("machine", MACHINES)
def test_openai_stream(openai: Any, stack: Stack, machine: str) -> None:
    stream = openai.chat.completions.create(
        model=f"{machine}/qwen3-8b",
        messages=SAY_HI,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == f"[{machine}] qwen3-8b: hi"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].usage.completion_tokens > 0
    assert answered(stack) == [(machine, "qwen3-8b", WAY[machine])]


@pytest.mark.parametrize("machine", MACHINES)
def test_openai_tools(openai: Any, machine: str) -> None:
    tool = {"type": "function", "function": {"name": "weather", "parameters": CITY}}
    asked = {"model": f"{machine}/qwen3-8b", "tools": [tool], "tool_choice": "required"}
    (call,) = openai.chat.completions.create(messages=SAY_HI, **asked).choices[0].message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("weather", {"city": "example"})
    told = [
        *SAY_HI,
        {"role": "assistant", "tool_calls": [call.model_dump()]},
        {"role": "tool", "tool_call_id": call.id, "content": "sunny"},
    ]
    final = openai.chat.completions.create(messages=told, **{**asked, "tool_choice": "auto"})
    assert final.choices[0].message.content == f"[{machine}] qwen3-8b: sunny"


@pytest.mark.parametrize("machine", MACHINES)
def test_openai_other_endpoints(openai: Any, machine: str) -> None:
    vectors = openai.embeddings.create(model=f"{machine}/nomic-embed", input=["a", "b"])
    assert len(vectors.data) == 2
    assert all(isinstance(number, float) for number in vectors.data[0].embedding)
    answer = openai.responses.create(model=f"{machine}/qwen3-8b", input="hi")
    assert answer.output_text == f"[{machine}] qwen3-8b: hi"
    stream = openai.responses.create(model=f"{machine}/qwen3-8b", input="hi", stream=True)
    deltas = [event.delta for event in stream if event.type == "response.output_text.delta"]
    assert "".join(deltas) == f"[{machine}] qwen3-8b: hi"
    legacy = openai.completions.create(model=f"{machine}/qwen3-8b", prompt="once")
    assert legacy.choices[0].text == f"[{machine}] qwen3-8b: once"


@pytest.mark.parametrize("machine", MACHINES)
def test_openai_files(openai: Any, machine: str) -> None:
    heard = openai.audio.transcriptions.create(
        model=f"{machine}/whisper", file=("a.wav", io.BytesIO(b"RIFF" + bytes(3000)))
    )
    assert heard.text == f"[{machine}] whisper: heard"
    drawn = openai.images.generate(model=f"{machine}/flux", prompt="a ship")
    edited = openai.images.edit(
        model=f"{machine}/flux", prompt="more ships", image=("a.png", io.BytesIO(b"\x89PNG" + bytes(3000)))
    )
    assert drawn.data[0].b64_json == edited.data[0].b64_json
    spoken = openai.audio.speech.create(model=f"{machine}/whisper", input="hi", voice="alloy")
    assert spoken.read() == f"[{machine}] whisper: spoken".encode()


def test_openai_errors_name_what_was_meant_and_come_at_once(openai: Any, stack: Stack) -> None:
    """An unknown model is one request; a provider that is off is one too, though it is a 503."""
    sdk = pytest.importorskip("openai")
    with pytest.raises(sdk.NotFoundError, match="'embedding/qwen3-8b'") as unknown:
        openai.chat.completions.create(model="embedding/qwen3-8", messages=SAY_HI)
    assert unknown.value.code == "model_not_found"
    stack.machines.set("embedding", offline=True)
    with pytest.raises(sdk.InternalServerError, match="'embedding'") as away:
        openai.chat.completions.create(model="embedding/qwen3-8b", messages=SAY_HI)
    assert (away.value.status_code, away.value.code) == (503, "provider_unreachable")
    for refused in (unknown, away):
        assert refused.value.response.request.headers["x-stainless-retry-count"] == "0"


@pytest.mark.parametrize("machine", MACHINES)
def test_anthropic_messages(anthropic: Any, stack: Stack, machine: str) -> None:
    asked: dict[str, Any] = {"model": f"{machine}/qwen3-8b", "messages": SAY_HI}
    answer = anthropic.messages.create(max_tokens=50, **asked)
    assert answer.content[0].text == f"[{machine}] qwen3-8b: hi"
    with anthropic.messages.stream(max_tokens=50, **asked) as stream:
        assert "".join(stream.text_stream) == f"[{machine}] qwen3-8b: hi"
        assert stream.get_final_message().stop_reason == "end_turn"
    assert anthropic.messages.count_tokens(**asked).input_tokens > 0
    assert {name for name, _, _ in answered(stack)} == {machine}


def test_anthropic_errors_are_in_its_own_shape(anthropic: Any) -> None:
    sdk = pytest.importorskip("anthropic")
    with pytest.raises(sdk.NotFoundError, match="embedding/qwen3-8b") as unknown:
        anthropic.messages.create(model="embedding/qwen3-8", max_tokens=5, messages=SAY_HI)
    assert unknown.value.body["error"]["type"] == "not_found_error"


@pytest.mark.parametrize("machine", MACHINES)
def test_openai_for_node(stack: Stack, tmp_path: Path, machine: str) -> None:
    """One script that uses everything, with what it saw as JSON."""
    node, modules = tools.openai_for_node()
    script = modules / "sdk.mjs"
    script.write_bytes(Path(__file__).with_name("sdk.mjs").read_bytes())
    done = subprocess.run(
        [str(node), str(script), f"{stack.url}/arena/v1", machine],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    said = f"[{machine}] qwen3-8b: hi"
    assert f"{machine}/qwen3-8b" in seen.pop("listed")
    assert seen == {
        "chat": said,
        "stream": said,
        "finish": "stop",
        "tool": {"city": "example"},
        "vectors": 2,
        "response": said,
        "responseStream": said,
        "heard": f"[{machine}] whisper: heard",
        "drawn": True,
        "unknown": [404, "model_not_found"],
    }
    assert machines_asked(stack) == {machine}


def machines_asked(stack: Stack) -> set[str]:
    """Those that were asked for a response, forms included."""
    return {name for name in (*MACHINES, "deepseek") if stack.machines.inference(name)}
