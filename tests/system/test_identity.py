"""A request reaches the provider in its id and no other, whatever the model is called."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet_runtime.simulator import ServerSpec, SimulatedModel, SimulationThread
from fleet_runtime.upstream import Upstream
from tests.support.stack import Stack, running_stack
from tests.support.waiting import eventually

SHARED = ("qwen3-8b", "qwen3-4b", "qwen3-coder-30b", "deepseek-r1-qwen3-8b", "unsloth/Qwen3-8B-GGUF:Q4_K_M")
CLOUD_MODELS = ("deepseek-chat", "deepseek-reasoner")
LOCAL = ("sam-desktop", "embedding")


def fleet_yaml(machines: SimulationThread, listen: str) -> str:
    return f"""\
version: 1
default_provider: sam-desktop
providers:
  sam-desktop:
    url: {machines.url("sam-desktop")}
    sidecar: {machines.sidecar_url("sam-desktop")}
  embedding: {machines.url("embedding")}
  deepseek:
    url: {machines.url("deepseek")}
    class: cloud
    api_key_env: CLOUD_KEY
    models: [{", ".join(CLOUD_MODELS)}]
aliases: {{old-chat: deepseek/deepseek-chat}}
namespaces: [llama-swap]
roles: {{default: sam-desktop/qwen3-coder-30b}}
surfaces: {{boochat: , boocoder: , arena: }}
gateway: {{listen: "{listen}"}}
inventory: {{interval: 0.2, timeout: 1, grace: 1}}
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    models = tuple(SimulatedModel(model, ttl=600, loaded=model == "qwen3-4b") for model in SHARED)
    cloud = tuple(SimulatedModel(model) for model in (*CLOUD_MODELS, *SHARED))
    specs = (
        ServerSpec("sam-desktop", models=models, sidecar=True, max_loaded=len(SHARED)),
        ServerSpec("embedding", models=models, max_loaded=len(SHARED)),
        ServerSpec("deepseek", kind="cloud", models=cloud, api_key="cloud-secret"),
    )
    folder: Path = tmp_path_factory.mktemp("identity")
    with running_stack(folder, specs, fleet_yaml, {"CLOUD_KEY": "cloud-secret"}, online=LOCAL) as stack:
        yield stack


@pytest.fixture(autouse=True)
def forget(stack: Stack) -> None:
    for name in (*LOCAL, "deepseek"):
        stack.machines.reset(name)


def post_all(stack: Stack, requests: list[tuple[str, bytes]]) -> list[tuple[int, str]]:
    """Send chat requests, 16 at a time; the status of each and who answered."""

    async def send_all() -> list[tuple[int, str]]:
        gateway = Upstream(stack.url)
        limit = asyncio.Semaphore(16)

        async def send(surface: str, body: bytes) -> tuple[int, str]:
            async with limit:
                target = f"{surface}/v1/chat/completions".encode()
                answer = await gateway.send(b"POST", target, [(b"content-type", b"application/json")], body)
                await answer.read(1_000_000)
            return answer.status, dict(answer.headers).get(b"x-fleet-provider", b"").decode()

        try:
            return await asyncio.gather(*(send(*request) for request in requests))
        finally:
            await gateway.close()

    return asyncio.run(send_all())


def test_a_thousand_requests_each_reach_the_provider_they_name_with_all_other_bytes_unchanged(
    stack: Stack,
) -> None:
    chance = random.Random(1)
    asked = [(chance.choice(LOCAL), chance.choice(SHARED), number) for number in range(1000)]
    tail = ',"n":1,  "stop" : ["\\u00e9","é"],"number":%d,"seed":1e3,"messages":[{"content":"hi"}]}'

    bodies = [
        ('{"model":' + json.dumps(f"{machine}/{model}") + tail % number).encode()
        for machine, model, number in asked
    ]
    answers = post_all(stack, [("/arena", body) for body in bodies])
    for (machine, _, _), (status, provider) in zip(asked, answers, strict=True):
        assert (status, provider) == (200, machine)
    for machine in LOCAL:
        reached = {record.json["number"]: record.body for record in stack.machines.inference(machine)}
        expected = {
            number: ('{"model":' + json.dumps(model) + tail % number).encode()
            for name, model, number in asked
            if name == machine
        }
        assert reached.keys() == expected.keys()
        for number, body in expected.items():
            model, _, rest = body.partition(b',"n":1')
            got_model, _, got_rest = reached[number].partition(b',"n":1')
            assert json.loads(got_model + b"}") == json.loads(model + b"}")
            assert got_rest.replace(b" ", b"") == rest.replace(b" ", b"")
    assert stack.machines.inference("deepseek") == []


def hostile_names(count: int) -> list[str]:
    chance = random.Random(2)
    heads = [
        "deepseek-",
        "gpt-",
        "claude-",
        "gemini-",
        "openai/",
        "anthropic/",
        "DeepSeek/",
        "deepseek-r1-",
        "",
    ]
    bodies = ["chat", "4o", "qwen3-8b", "reasoner", "deepseek-chat", "v4", "sonnet", "deepseek/deepseek-chat"]
    prefixes = [
        "embedding/",
        "sam-desktop/",
        "",
        "llama-swap/",
        "llama-swap/embedding/",
        "Deepseek/",
        "deepseek/",
        "\u0501eepseek/",
        " deepseek/",
        "deepseek//",
        "deep\u200bseek/",
        "DEEPSEEK/",
    ]
    tails = ["", ":latest", "-GGUF", " ", "/", "\u00e9", "@v2", "#", "?model=deepseek-chat", "\\deepseek"]
    exact = {f"deepseek/{model}" for model in CLOUD_MODELS} | {"old-chat"}
    names: set[str] = set()
    while len(names) < count:
        name = chance.choice(prefixes) + chance.choice(heads) + chance.choice(bodies) + chance.choice(tails)
        if chance.random() < 0.3:
            name += str(chance.randrange(10_000))
        if name.removeprefix("llama-swap/") not in exact:
            names.add(name)
    return sorted(names)


def test_five_thousand_names_that_look_like_a_clouds_never_reach_the_cloud(stack: Stack) -> None:
    surfaces = ("", "/boochat", "/boocoder", "/arena")
    requests = [
        (surfaces[number % 4], json.dumps({"model": name, "messages": []}).encode())
        for number, name in enumerate(hostile_names(5000))
    ]
    answers = post_all(stack, requests)
    assert stack.machines.inference("deepseek") == []
    assert {status for status, _ in answers} == {200, 404}
    assert {provider for status, provider in answers if status == 200} == set(LOCAL)


@pytest.mark.parametrize("name", ["deepseek/deepseek-chat", "old-chat", "llama-swap/deepseek/deepseek-chat"])
def test_only_a_configured_id_reaches_the_cloud_and_with_the_clouds_own_key(stack: Stack, name: str) -> None:
    assert stack.chat(name).status_code == 200
    (record,) = stack.machines.inference("deepseek")
    assert record.json["model"] == "deepseek-chat"
    assert record.request.header("authorization") == "Bearer cloud-secret"


def test_the_cloud_key_reaches_no_other_provider(stack: Stack) -> None:
    for model in ("sam-desktop/qwen3-8b", "embedding/qwen3-8b", "qwen3-8b"):
        stack.client.post(
            "/v1/chat/completions",
            json={"model": model, "messages": []},
            headers={"authorization": "Bearer of-the-client", "x-api-key": "of-the-client", "cookie": "a=b"},
        )
    for machine in LOCAL:
        for record in stack.machines.records(machine):
            raw = repr(record.request.headers) + repr(record.body)
            assert "cloud-secret" not in raw
            assert "of-the-client" not in raw


@pytest.mark.parametrize("surface", ["boochat", "boocoder", "arena"])
@pytest.mark.parametrize(
    ("name", "machine", "model"),
    [
        ("qwen3-8b", "sam-desktop", "qwen3-8b"),
        ("llama-swap/qwen3-8b", "sam-desktop", "qwen3-8b"),
        ("llama-swap/embedding/qwen3-8b", "embedding", "qwen3-8b"),
        ("embedding/unsloth/Qwen3-8B-GGUF:Q4_K_M", "embedding", "unsloth/Qwen3-8B-GGUF:Q4_K_M"),
        ("model-of-an-old-session", "sam-desktop", "qwen3-coder-30b"),
    ],
)
def test_an_old_name_means_the_same_on_every_surface(
    stack: Stack, surface: str, name: str, machine: str, model: str
) -> None:
    answer = stack.chat(name, surface)
    assert answer.status_code == 200, answer.text
    (record,) = stack.machines.inference(machine)
    assert record.json["model"] == model
    assert answer.headers["x-fleet-provider"] == machine


def test_chat_of_a_provider_with_a_sidecar_always_passes_it_and_nothing_else_does(stack: Stack) -> None:
    stack.chat("sam-desktop/qwen3-8b")
    stack.client.post("/v1/completions", json={"model": "sam-desktop/qwen3-8b", "prompt": "hi"})
    stack.client.post("/v1/embeddings", json={"model": "sam-desktop/qwen3-8b", "input": "hi"})
    stack.chat("embedding/qwen3-8b")
    ways = {record.path: record.sidecar for record in stack.machines.inference("sam-desktop")}
    assert ways == {"/v1/chat/completions": True, "/v1/completions": True, "/v1/embeddings": False}
    lists = [
        record
        for record in stack.machines.records("sam-desktop")
        if record.path in ("/v1/models", "/running")
    ]
    assert not any(record.sidecar for record in lists)
    assert not any(record.sidecar for record in stack.machines.records("embedding"))


def await_polls(stack: Stack, machine: str) -> None:
    """Wait for a few more probes by the gateway of a provider."""
    before = len(stack.machines.records(machine))
    eventually(lambda: len(stack.machines.records(machine)) > before + 6)


def test_listing_and_polling_never_load_a_model_nor_keep_one(stack: Stack) -> None:
    for machine in LOCAL:
        await_polls(stack, machine)  # what other tests had loaded has been probed
        stack.machines.reset(machine)
    for _ in range(20):
        for path in ("/v1/models", "/boochat/v1/models", "/providers/embedding/v1/models", "/api/models"):
            assert stack.client.get(path).status_code == 200
        stack.client.get("/api/resolve", params={"model": "embedding/qwen3-8b"})
        stack.client.get("/v1/models/embedding/unsloth/Qwen3-8B-GGUF:Q4_K_M").raise_for_status()
    for machine in LOCAL:
        await_polls(stack, machine)
        counters = stack.machines.counters(machine)
        assert (counters["loads"], counters["ttl_resets"]) == (0, 0)


def test_the_list_of_a_surface_names_each_model_by_its_composite_id(stack: Stack) -> None:
    listed = stack.client.get("/boochat/v1/models").json()["data"]
    ids = [item["id"] for item in listed]
    assert ids == sorted(ids, key=lambda id: ("sam-desktop", "embedding", "deepseek").index(id.split("/")[0]))
    assert {f"{machine}/{model}" for machine in LOCAL for model in SHARED} < set(ids)
    assert {item["owned_by"] for item in listed} == {"sam-desktop", "embedding", "deepseek"}


def test_a_pinned_path_takes_bare_ids_and_a_body_without_model(stack: Stack) -> None:
    path = "/providers/embedding/v1/chat/completions"
    assert stack.client.post(path, json={"model": "qwen3-8b", "messages": []}).status_code == 200
    assert stack.client.post(path, json={"model": "embedding/qwen3-8b", "messages": []}).status_code == 404
    assert stack.client.post(path, json={"messages": []}).status_code == 404, "llama-swap's own answer"
    assert [record.json.get("model") for record in stack.machines.inference("embedding")] == [
        "qwen3-8b",
        None,
    ]


def test_resolve_explains_what_a_name_means(stack: Stack) -> None:
    answer = stack.client.get("/api/resolve", params={"model": "qwen3-8b", "surface": "arena"}).json()
    assert answer.pop("context_source") in ("listed", "running")
    assert answer == {
        "requested": "qwen3-8b",
        "id": "sam-desktop/qwen3-8b",
        "provider": "sam-desktop",
        "model": "qwen3-8b",
        "class": "local",
        "rule": "bare",
        "fallback": False,
        "available": True,
        "via": "sidecar",
        "context": 8192,
    }


def test_arena_sees_local_as_local_and_cloud_as_cloud(stack: Stack) -> None:
    for name, class_, via in (
        ("sam-desktop/deepseek-r1-qwen3-8b", "local", "sidecar"),
        ("embedding/deepseek-r1-qwen3-8b", "local", "direct"),
        ("deepseek/deepseek-chat", "cloud", "direct"),
    ):
        answer = stack.client.get("/api/resolve", params={"model": name, "surface": "arena"}).json()
        assert (answer["class"], answer["via"], answer["available"]) == (class_, via, True)
