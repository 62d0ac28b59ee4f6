"""Loading and unloading models on each kind of server that supports it, and the effect on other requests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from fleet_runtime.simulator import ServerSpec, SimulatedModel, SimulationThread
from tests.support.stack import Stack, running_stack
from tests.support.waiting import eventually

MODELS = (SimulatedModel("qwen3-8b", aliases=("qwen",)), SimulatedModel("broken", loadable=False))
EMBEDDING = SimulatedModel("nomic-embed:latest", purpose="embedding")
SPECS = (
    ServerSpec("swap", models=(*MODELS, SimulatedModel("qwen3-4b"), SimulatedModel("far", peer="box"))),
    ServerSpec("router", kind="llama-server-router", models=MODELS),
    ServerSpec("ollama", kind="ollama", models=(*MODELS, EMBEDDING)),
    ServerSpec("single", kind="llama-server", models=MODELS[:1]),
    ServerSpec("seldom", kind="ollama", models=MODELS[:1]),
)
ABLE = ("swap", "router", "ollama")


def fleet_yaml(machines: SimulationThread, listen: str) -> str:
    poll = {"seldom": 600.0}
    providers = "".join(
        f"  {spec.name}: {{url: '{machines.url(spec.name)}', poll: {poll.get(spec.name, 0.2)}}}\n"
        for spec in SPECS
    )
    return f"""\
version: 1
default_provider: swap
providers:
{providers}surfaces: {{chat: }}
gateway: {{listen: "{listen}"}}
inventory: {{interval: 0.2, timeout: 1, grace: 0.5}}
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    names = [spec.name for spec in SPECS]
    with running_stack(tmp_path_factory.mktemp("load"), SPECS, fleet_yaml, online=names) as stack:
        yield stack


def act(stack: Stack, command: str, provider: str, model: str, **more: Any) -> httpx.Response:
    body = {"model": model, **more}
    return stack.client.post(f"/api/fleet/{provider}/{command}", json=body, timeout=30)


def code(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


@pytest.mark.parametrize("provider", ABLE)
def test_a_model_is_loaded_and_unloaded(stack: Stack, provider: str) -> None:
    loads = stack.machines.counters(provider)["loads"]
    loaded = act(stack, "load", provider, "qwen3-8b").json()
    assert loaded == {"provider": provider, "model": "qwen3-8b", "state": "loaded", "running": []}
    assert act(stack, "load", provider, "qwen3-8b").json()["state"] == "loaded"
    assert stack.machines.counters(provider)["loads"] == loads + 1
    assert stack.client.get(f"/api/models/{provider}/qwen3-8b").json()["state"] == "loaded"
    assert act(stack, "unload", provider, "qwen3-8b").json()["state"] == "unloaded"
    assert act(stack, "unload", provider, "qwen3-8b").json()["state"] == "unloaded"
    assert stack.client.get(f"/api/models/{provider}/qwen3-8b").json()["state"] == "unloaded"


def test_a_state_that_is_out_of_date_is_not_believed(stack: Stack) -> None:
    """The provider is probed every ten minutes, and others load and unload its models meanwhile."""
    url = stack.machines.url("seldom")
    for command, keep_alive in (("unload", -1), ("load", 0)):
        httpx.post(
            f"{url}/api/generate", json={"model": "qwen3-8b", "keep_alive": keep_alive}
        ).raise_for_status()
        assert act(stack, command, "seldom", "qwen3-8b").json()["state"] == f"{command}ed"
        assert bool(httpx.get(f"{url}/api/ps").json()["models"]) is (command == "load")


def test_a_model_for_embeddings_and_other_names_are_taken_too(stack: Stack) -> None:
    assert act(stack, "load", "ollama", "nomic-embed").json()["model"] == "nomic-embed:latest"
    assert act(stack, "unload", "ollama", "ollama/nomic-embed:latest").json()["state"] == "unloaded"
    assert act(stack, "load", "swap", "qwen").json()["model"] == "qwen3-8b"
    assert act(stack, "unload", "swap", "swap/qwen3-8b").json()["state"] == "unloaded"


@pytest.mark.parametrize("provider", ABLE)
def test_a_failed_load_says_what_the_server_said(stack: Stack, provider: str) -> None:
    failed = act(stack, "load", provider, "broken")
    assert code(failed) == (502, "upstream_error")
    assert f"provider '{provider}'" in failed.json()["error"]["message"]


def test_the_report_says_which_providers_take_commands(stack: Stack) -> None:
    providers = stack.client.get("/api/fleet").json()["providers"]
    assert {each["name"]: each["commands"] for each in providers} == {
        **dict.fromkeys((*ABLE, "seldom"), True),
        "single": False,
    }


def test_what_cannot_be_done_says_why(stack: Stack) -> None:
    assert code(act(stack, "load", "single", "qwen3-8b")) == (409, "not_supported")
    for command in ("load", "unload"):
        assert code(act(stack, command, "swap", "far")) == (409, "not_supported")
    unknown = act(stack, "load", "swap", "qwen3-8")
    assert code(unknown) == (404, "model_not_found")
    assert "did you mean 'swap/qwen3-8b'" in unknown.json()["error"]["message"]
    assert code(act(stack, "load", "nobody", "qwen3-8b")) == (404, "not_found")
    assert code(stack.client.post("/api/fleet/swap/load", json={"name": "x"})) == (400, "invalid_request")
    stack.machines.set("router", offline=True)
    eventually(lambda: stack.status("router") == "offline")
    assert code(act(stack, "load", "router", "qwen3-8b")) == (503, "provider_unreachable")
    stack.machines.set("router", offline=False)
    eventually(lambda: stack.status("router") == "online")


def test_a_page_of_another_site_cannot_act(stack: Stack) -> None:
    path, body = "/api/fleet/swap/load", json.dumps({"model": "qwen3-8b"}).encode()
    loads = stack.machines.counters("swap")["loads"]
    foreign = {"origin": "http://evil.example", "content-type": "application/json"}
    plain = {"origin": stack.url, "content-type": "text/plain"}
    assert code(stack.client.post(path, content=body, headers=foreign)) == (403, "forbidden_origin")
    assert code(stack.client.post(path, content=body, headers=plain)) == (415, "json_required")
    assert code(stack.client.post("/api/reload", headers={"origin": stack.url})) == (415, "json_required")
    assert stack.machines.counters("swap")["loads"] == loads
    assert stack.client.post("/api/reload").status_code == 200


def test_running_requests_are_in_the_way_until_it_is_forced(stack: Stack) -> None:
    stack.machines.set("swap", hold=True)
    with ThreadPoolExecutor(1) as threads:
        asking = threads.submit(stack.chat, "swap/qwen3-8b", "chat", stream=True)
        waiting = "/api/activity?provider=swap"
        eventually(
            lambda: [row["phase"] for row in stack.client.get(waiting).json()["running"]] == ["waiting"]
        )
        eventually(lambda: stack.client.get("/api/models/swap/qwen3-8b").json()["state"] == "loaded")
        (row,) = stack.client.get(waiting).json()["running"]
        for refused in (act(stack, "unload", "swap", "qwen3-8b"), act(stack, "load", "swap", "qwen3-4b")):
            assert code(refused) == (409, "requests_running")
            assert f"'{row['id']}'" in refused.json()["error"]["message"]
            assert "`force`" in refused.json()["error"]["message"]
        ran = stack.fleet("unload", "swap/qwen3-8b")
        assert (ran.returncode, ran.stdout) == (1, "")
        assert f"'{row['id']}'" in ran.stderr
        assert act(stack, "unload", "swap", "qwen3-4b").status_code == 200
        forced = act(stack, "unload", "swap", "qwen3-8b", force=True).json()
        assert (forced["state"], [each["id"] for each in forced["running"]]) == ("unloaded", [row["id"]])
        stack.machines.set("swap", hold=False)
        assert asking.result(10).status_code >= 500


def test_no_probe_loads_a_model_again_that_is_being_unloaded(stack: Stack) -> None:
    """A probe reads of a model that has just been loaded what would load it."""
    for _ in range(8):
        body = {"model": "swap/qwen3-4b", "messages": [{"role": "user", "content": "hi"}]}
        stack.client.post("/chat/v1/chat/completions", json=body).raise_for_status()
        seen = len(stack.machines.records("swap"))
        assert act(stack, "unload", "swap", "qwen3-4b").json()["state"] == "unloaded"
        paths = [record.request.path for record in stack.machines.records("swap")[seen:]]
        if "/api/models/unload/qwen3-4b" in paths:
            assert "/upstream/qwen3-4b/props" not in paths[paths.index("/api/models/unload/qwen3-4b") :]
