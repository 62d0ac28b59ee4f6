"""Ollama's API of a running gateway, on providers that are not Ollama."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from fleet_runtime.simulator import ServerSpec, SimulatedModel, SimulationThread
from tests.support.stack import Stack, running_stack
from tests.support.waiting import eventually

MODELS = (
    SimulatedModel("qwen", context=4096, loaded=True),
    SimulatedModel("org/slashed:8b", vision=True),
    SimulatedModel("embed", purpose="embedding"),
    SimulatedModel("rank", purpose="rerank"),
)
HI = [{"role": "user", "content": "hi"}]


def fleet_yaml(simulated: SimulationThread, listen: str) -> str:
    facts = "embed: {purpose: embedding}, rank: {purpose: rerank}"
    return f"""\
version: 1
default_provider: box
providers:
  box: {{url: "{simulated.url("box")}", sidecar: "{simulated.sidecar_url("box")}", models: {{{facts}}}}}
  nas: {{url: "{simulated.url("nas")}", max_concurrency: 1, models: {{{facts}}}}}
  off: {{url: http://127.0.0.1:9, models: [m], poll: false}}
roles: {{default: [off/m, nas/qwen]}}
surfaces: {{chat: , narrow: {{providers: [nas]}}}}
gateway: {{listen: "{listen}", keys: {{all: {{env: KEY_ALL}}, narrow: {{env: KEY_NARROW, surfaces:
[narrow]}}}}}}
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    specs = [
        ServerSpec("box", kind="llama-swap", models=MODELS, sidecar=True),
        ServerSpec("nas", kind="vllm", models=MODELS),
    ]
    keys = {"KEY_ALL": "all-secret", "KEY_NARROW": "narrow-secret"}
    folder = tmp_path_factory.mktemp("ollama")
    with running_stack(folder, specs, fleet_yaml, env=keys) as stack:
        stack.client.headers["authorization"] = "Bearer all-secret"
        eventually(lambda: stack.status("box") == stack.status("nas") == "online")
        yield stack


@pytest.fixture
def stack(running: Stack) -> Stack:
    for name in ("box", "nas"):
        running.machines.reset(name)
    eventually(lambda: len(tags(running, "chat")) >= 6)
    return running


def tags(stack: Stack, surface: str) -> list[dict[str, Any]]:
    models: list[dict[str, Any]] = stack.client.get(f"/{surface}/ollama/api/tags").json()["models"]
    return models


def post(stack: Stack, operation: str, **body: Any) -> httpx.Response:
    return stack.client.post(f"/chat/ollama/api/{operation}", json=body)


def lines(response: httpx.Response) -> list[dict[str, Any]]:
    return [json.loads(line) for line in response.text.splitlines()]


def test_it_says_that_it_runs_and_lists_what_can_be_used(stack: Stack) -> None:
    for path in ("/chat/ollama", "/chat/ollama/", "/ollama/", "/providers/nas/ollama"):
        assert stack.client.get(path).text == "Ollama is running"
        assert stack.client.head(path).status_code == 200
    listed = tags(stack, "chat")
    names = [model["name"] for model in listed]
    assert names == [
        "box/org/slashed:8b",
        "box/qwen",
        "nas/org/slashed:8b",
        "nas/qwen",
        "off/m",
        "box/embed",
        "nas/embed",
    ]
    assert all(len(model["digest"]) == 64 and model["size"] == 0 for model in listed)
    assert {model["name"] for model in tags(stack, "narrow")} == {
        "nas/org/slashed:8b",
        "nas/qwen",
        "nas/embed",
    }
    pinned = stack.client.get("/providers/nas/ollama/api/tags").json()["models"]
    assert [model["name"] for model in pinned] == ["org/slashed:8b", "qwen", "embed"]
    loaded = stack.client.get("/chat/ollama/api/ps").json()["models"]
    assert "box/qwen" in [model["name"] for model in loaded]
    assert stack.client.get("/chat/ollama/api/version").json()["version"]


def test_a_model_is_shown_with_what_is_known(stack: Stack) -> None:
    shown = post(stack, "show", model="nas/qwen:latest").json()
    assert shown["model_info"]["general.architecture"] == "fleet"
    assert shown["model_info"]["fleet.context_length"] == 4096
    assert shown["capabilities"][0] == "completion"
    assert post(stack, "show", name="nas/embed").json()["capabilities"] == ["embedding"]
    missing = post(stack, "show", model="nas/none")
    assert (missing.status_code, list(missing.json())) == (404, ["error"])


@pytest.mark.parametrize("model", ["box/qwen", "nas/qwen", "nas/qwen:latest", "box/org/slashed:8b"])
@pytest.mark.parametrize("stream", [True, False])
def test_a_chat_reaches_the_provider_that_its_id_names(stack: Stack, model: str, stream: bool) -> None:
    response = post(
        stack, "chat", model=model, messages=HI, stream=stream, keep_alive=0, options={"num_ctx": 9}
    )
    got = lines(response)
    provider, _, name = model.removesuffix(":latest").partition("/")
    assert "".join(line["message"]["content"] for line in got) == f"[{provider}] {name}: hi"
    assert [line["done"] for line in got][-1] is True
    assert {line["model"] for line in got} == {model}
    assert response.headers["x-fleet-provider"] == provider
    assert response.headers["content-type"].startswith(
        "application/x-ndjson" if stream else "application/json"
    )
    (record,) = stack.machines.inference(provider)
    assert (record.json["model"], record.sidecar) == (name, provider == "box")
    assert not {"keep_alive", "options", "num_ctx"} & record.json.keys()
    assert stack.machines.inference("nas" if provider == "box" else "box") == []


def test_prompts_embeddings_and_roles(stack: Stack) -> None:
    assert (
        post(stack, "generate", model="nas/qwen", prompt="hi", stream=False).json()["response"]
        == "[nas] qwen: hi"
    )
    many = post(stack, "embed", model="nas/embed", input=["a", "b"]).json()
    assert len(many["embeddings"]) == 2
    assert len(post(stack, "embeddings", model="nas/embed", prompt="a").json()["embedding"]) > 0
    role = post(stack, "chat", model="@default", messages=HI, stream=False)
    assert role.json()["message"]["content"] == "[nas] qwen: hi"


def test_nothing_is_sent_to_load_a_model(stack: Stack) -> None:
    for body in ({"keep_alive": -1}, {"prompt": ""}):
        loaded = post(stack, "generate", model="nas/qwen", **body).json()
        assert (loaded["done"], loaded["done_reason"], loaded["response"]) == (True, "load", "")
    assert post(stack, "chat", model="nas/qwen", messages=[], keep_alive=0).json()["done_reason"] == "unload"
    assert post(stack, "generate", model="nas/none").status_code == 404
    assert stack.machines.inference("nas") == []


@pytest.mark.parametrize("drop", ["fin", "rst"])
def test_a_stream_that_a_provider_cuts_does_not_end_as_if_complete(stack: Stack, drop: str) -> None:
    stack.machines.set("nas", scope="inference", chunks=50, drop_at_byte=2500, drop=drop)
    body = {"model": "nas/qwen", "messages": HI}
    got: list[dict[str, Any]] = []
    with stack.client.stream("POST", "/chat/ollama/api/chat", json=body) as response:
        parts = response.iter_lines()
        with pytest.raises(httpx.RemoteProtocolError):
            got.extend(map(json.loads, parts))
    assert len(got) > 2
    assert not any(line.get("done") for line in got)
    assert list(got[-1]) == ["error"]


def test_errors_have_ollamas_shape_and_the_gateways_status(stack: Stack) -> None:
    off = post(stack, "chat", model="off/m", messages=HI)
    assert (off.status_code, off.headers["x-should-retry"]) == (503, "false")
    assert "off" in off.json()["error"]
    assert post(stack, "chat", model="nas/qwen", messages="x").status_code == 400
    assert stack.client.post("/chat/ollama/api/chat", content=b"{").status_code == 400
    for operation in ("pull", "push", "create", "copy", "blobs/sha256:0"):
        assert post(stack, operation, model="m").status_code == 501
    assert stack.client.request("DELETE", "/chat/ollama/api/delete", json={}).status_code == 501
    assert stack.client.get("/chat/ollama/api/chat").status_code == 405
    assert post(stack, "tags").status_code == 405
    assert post(stack, "nothing").status_code == 404
    assert stack.client.post("/chat/ollama/api/show", content=b"x" * 33_000_000).status_code == 413


def test_a_limited_key_opens_its_surface_only(stack: Stack) -> None:
    narrow = {"authorization": "Bearer narrow-secret"}
    for path, status in (("/narrow", 200), ("/chat", 403), ("", 403), ("/providers/nas", 403)):
        assert stack.client.get(f"{path}/ollama/api/tags", headers=narrow).status_code == status
    wrong = stack.client.get("/chat/ollama/api/tags", headers={"authorization": "Bearer x"})
    assert (wrong.status_code, wrong.headers["x-should-retry"]) == (401, "false")


@pytest.mark.parametrize("base", ["", "/chat", "/providers/nas"])
def test_errors_before_an_operation_is_known_have_ollamas_shape_too(stack: Stack, base: str) -> None:
    api = f"{base}/ollama/api"
    no_key = {"authorization": "Bearer x"}
    for status, response in (
        (401, stack.client.post(f"{api}/chat", json={}, headers=no_key)),
        (401, stack.client.get(f"{base}/ollama", headers=no_key)),
        (403, stack.client.get(f"{api}/tags", headers={"authorization": "Bearer narrow-secret"})),
        (403, stack.client.get(f"{api}/tags", headers={"origin": "http://elsewhere.example"})),
        (403, stack.client.get(f"{api}/tags", headers={"host": "elsewhere.example"})),
        (404, stack.client.get(f"{api}/nothing")),
        (404, stack.client.get(f"{base}/ollama/v1/nothing")),
        (405, stack.client.get(f"{api}/chat")),
        (501, stack.client.post(f"{api}/pull", json={"model": "m"})),
    ):
        assert response.status_code == status
        assert list(response.json()) == ["error"]
        assert isinstance(response.json()["error"], str)


def test_openais_api_below_it_is_a_404_that_says_where_that_is(stack: Stack) -> None:
    missing = stack.client.post("/chat/ollama/v1/chat/completions", json={})
    assert (missing.status_code, "'/chat/v1'" in missing.json()["error"]) == (404, True)


def test_the_same_errors_keep_openais_and_anthropics_shape_elsewhere(stack: Stack) -> None:
    wrong = {"authorization": "Bearer x"}
    openai = stack.client.post("/chat/v1/chat/completions", json={}, headers=wrong).json()
    assert openai["error"]["code"] == "unauthorized"
    anthropic = stack.client.post("/chat/v1/messages", json={}, headers=wrong).json()
    assert (anthropic["type"], anthropic["error"]["type"]) == ("error", "authentication_error")


def test_its_requests_are_counted_and_logged_once(stack: Stack) -> None:
    post(stack, "chat", model="nas/qwen", messages=HI, stream=False)
    wanted = {"end_reason": "ok", "provider": "nas", "surface": "chat"}
    families = text_string_to_metric_families(stack.client.get("/metrics").text)
    requests = [
        sample for each in families for sample in each.samples if sample.name == "fleet_requests_total"
    ]
    assert [sample.labels for sample in requests if sample.labels == wanted] == [wanted]
    eventually(lambda: "/chat/ollama/api/chat" in stack.log)
