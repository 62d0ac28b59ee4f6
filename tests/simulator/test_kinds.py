"""Each kind of server responds in its own format, and the dialects recognise it."""

from __future__ import annotations

import pytest

from fleet_runtime.artifacts.contract import Purpose
from fleet_runtime.simulator import SimulatedModel
from fleet_runtime.simulator.kinds import PRODUCTS
from fleet_runtime.simulator.spec import SimulatedKind
from tests.simulator.servers import CHAT, chat, client, events, machine, probe_server

pytestmark = pytest.mark.anyio

KINDS = tuple(PRODUCTS)
SEEN_AS = {"llama-server-router": "llama-server", "cloud": "openai"}
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_probe_recognises_it_and_lists_its_models(kind: SimulatedKind) -> None:
    names = ("m",) if kind == "llama-server" else ("m", "org/żółć 🦙")
    async with machine(kind, *(SimulatedModel(name) for name in names)) as box:
        seen = await probe_server(box)
    assert (seen.kind, seen.status) == (SEEN_AS.get(kind, kind), "online")
    assert set(seen.models) == set(names)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_chat_names_its_provider_complete_and_streamed(kind: SimulatedKind) -> None:
    async with machine(kind) as box, client(box) as http:
        whole = (await http.post(CHAT, json=chat(text="hi"))).json()
        streamed = events((await http.post(CHAT, json=chat(text="hi", stream=True))).content)
    assert whole["choices"][0]["message"]["content"] == "[box] m: hi"
    assert whole["choices"][0]["finish_reason"] == "stop"
    assert streamed[-1] == "[DONE]"
    deltas = [event["choices"][0]["delta"] for event in streamed[:-1]]
    assert deltas[0]["role"] == "assistant"
    assert "".join(delta.get("content") or "" for delta in deltas) == "[box] m: hi"
    assert {event["model"] for event in streamed[:-1]} == {"m"}


@pytest.mark.parametrize("kind", KINDS)
async def test_usage_is_streamed_when_requested(kind: SimulatedKind) -> None:
    async with machine(kind) as box, client(box) as http:
        asked = chat(stream=True, stream_options={"include_usage": True})
        streamed = events((await http.post(CHAT, json=asked)).content)
    assert streamed[-2]["choices"] == []
    assert streamed[-2]["usage"]["total_tokens"] > 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_forced_tool_is_called(kind: SimulatedKind, stream: bool) -> None:
    async with machine(kind) as box, client(box) as http:
        asked = chat(tools=[TOOL], tool_choice="required", stream=stream)
        answer = await http.post(CHAT, json=asked)
    if stream:
        choices = [event["choices"][0] for event in events(answer.content)[:-1]]
        called = next(choice["delta"]["tool_calls"] for choice in choices if "tool_calls" in choice["delta"])
        finish = choices[-1]["finish_reason"]
    else:
        choice = answer.json()["choices"][0]
        called, finish = choice["message"]["tool_calls"], choice["finish_reason"]
    assert (called[0]["function"]["name"], finish) == ("look", "tool_calls")


@pytest.mark.parametrize(
    ("kind", "status", "word"),
    [
        ("llama-swap", 404, "no router for requested model"),
        ("llama-server-router", 400, "model 'other' not found"),
        ("cloud", 404, "does not exist"),
        ("ollama", 404, "model 'other' not found"),
        ("vllm", 404, "The model `other` does not exist."),
        ("lmstudio", 404, "No models loaded"),
    ],
)
async def test_an_unknown_model_is_rejected_in_the_servers_own_words(
    kind: SimulatedKind, status: int, word: str
) -> None:
    async with machine(kind) as box, client(box) as http:
        answer = await http.post(CHAT, json=chat("other"))
    assert answer.status_code == status
    assert word in answer.json()["error"]["message"]


async def test_llama_server_serves_an_unknown_model_under_its_own_name() -> None:
    async with machine("llama-server") as box, client(box) as http:
        assert (await http.post(CHAT, json=chat("other"))).json()["model"] == "m"


async def test_lm_studio_serves_an_unknown_model_with_the_only_one_loaded() -> None:
    async with machine("lmstudio", SimulatedModel("m", loaded=True)) as box, client(box) as http:
        assert (await http.post(CHAT, json=chat("other"))).json()["model"] == "m"


async def test_ollama_takes_a_name_without_its_tag() -> None:
    async with machine("ollama", SimulatedModel("qwen3:latest")) as box, client(box) as http:
        assert (await http.post(CHAT, json=chat("qwen3"))).status_code == 200


async def test_an_ollama_without_models_lists_null() -> None:
    async with machine("ollama") as box, client(box) as http:
        await box.apply({})
        assert (await http.get("/v1/models")).json()["data"] is not None
    async with machine("ollama", SimulatedModel("hidden", listed=False)) as box, client(box) as http:
        assert (await http.get("/v1/models")).json() == {"object": "list", "data": None}
        assert (await probe_server(box)).kind == "ollama"


async def test_a_cloud_wants_its_key() -> None:
    async with machine("cloud", api_key="k") as box, client(box) as http:
        assert (await http.post(CHAT, json=chat())).status_code == 401
        allowed = await http.post(CHAT, json=chat(), headers={"authorization": "Bearer k"})
        assert allowed.status_code == 200
        assert (await probe_server(box)).status == "config_error"
        assert (await probe_server(box, key="k")).status == "online"


@pytest.mark.parametrize(
    ("path", "purpose", "body"),
    [
        ("/v1/completions", "chat", {"prompt": "hi"}),
        ("/v1/responses", "chat", {"input": "hi"}),
        ("/v1/messages", "chat", {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 9}),
        ("/v1/messages/count_tokens", "chat", {"messages": []}),
        ("/v1/embeddings", "embedding", {"input": ["a", "b"]}),
        ("/v1/rerank", "rerank", {"query": "a", "documents": ["a", "b"]}),
        ("/rerank", "rerank", {"query": "a", "documents": ["a", "b"]}),
        ("/v1/audio/speech", "speech", {"input": "hi", "voice": "alloy"}),
        ("/v1/images/generations", "image", {"prompt": "a cat"}),
        ("/infill", "chat", {"input_prefix": "a", "input_suffix": "b"}),
        ("/completion", "chat", {"prompt": "a"}),
        ("/apply-template", "chat", {"messages": []}),
    ],
)
async def test_llama_swap_serves_every_endpoint(path: str, purpose: Purpose, body: dict[str, object]) -> None:
    async with machine("llama-swap", SimulatedModel("m", purpose=purpose)) as box, client(box) as http:
        answer = await http.post(path, json={"model": "m", **body})
        assert answer.status_code == 200
        assert box.records[-1].model == "m"


async def test_a_model_in_a_form_is_found_wherever_it_is() -> None:
    model = SimulatedModel("m", purpose="transcription")
    async with machine("llama-swap", model) as box, client(box) as http:
        sound = {"file": ("a.wav", b"\x00" * 1000)}
        answer = await http.post("/v1/audio/transcriptions", files=sound, data={"model": "m"})
    assert answer.json() == {"text": "[box] m: heard"}


async def test_llama_swap_needs_a_content_type_to_see_the_model() -> None:
    async with machine() as box, client(box) as http:
        answer = await http.post(CHAT, content=b'{"model": "m"}')
    assert answer.status_code == 404
    assert answer.json()["error"]["message"] == "no model id could be identified"


async def test_a_prompt_that_is_too_long_is_rejected_as_llama_server_does() -> None:
    async with machine("llama-server", SimulatedModel("m", context=64)) as box, client(box) as http:
        answer = await http.post(CHAT, json=chat(text="word " * 500, stream=True))
    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["n_ctx"]) == (400, "exceed_context_size_error", 64)


@pytest.mark.parametrize("version", ["v1", "v2", "v3"])
async def test_llama_swaps_list_has_three_generations(version: str) -> None:
    model = SimulatedModel("m", aliases=("n",), context=4096)
    async with machine("llama-swap", model, list_version=version) as box, client(box) as http:
        text = (await http.get("/v1/models")).text
        item = (await http.get("/v1/models")).json()["data"][0]
        seen = await probe_server(box)
    assert text.endswith("}\n")
    assert ("status" in item, "context_window" in item) == (version != "v1", version == "v3")
    assert seen.models["m"].context == (None if version == "v1" else 4096)


async def test_upstream_paths_redirect_without_a_rest_and_reach_models_with_slashes() -> None:
    async with machine("llama-swap", SimulatedModel("org/m")) as box, client(box) as http:
        bare = await http.get("/upstream/org/m")
        assert (bare.status_code, bare.headers["location"]) == (301, "/upstream/org/m/")
        assert (await http.post("/upstream/org/m")).status_code == 308
        assert (await http.get("/upstream/org/m/health")).json() == {"status": "ok"}
        assert (await http.get("/upstream/other/health")).status_code == 404


async def test_peers_are_listed_with_their_peer() -> None:
    async with machine("llama-swap", SimulatedModel("m", peer="far")) as box, client(box) as http:
        item = (await http.get("/v1/models")).json()["data"][0]
        seen = await probe_server(box)
    assert item["name"] == "far: m"
    assert dict(seen.states) == {"m": "unknown"}
