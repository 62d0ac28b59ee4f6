"""Providers that come, go, stall and are added while the gateway serves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet_runtime.simulator import ServerSpec, SimulatedModel, SimulationThread
from tests.support.stack import Stack, running_stack
from tests.support.waiting import eventually

MODELS = (SimulatedModel("qwen3-8b"), SimulatedModel("qwen3-4b"))


def fleet_yaml(machines: SimulationThread, listen: str) -> str:
    return f"""\
version: 1
default_provider: sam-desktop
providers:
  sam-desktop: {{url: "{machines.url("sam-desktop")}", sidecar: "{machines.sidecar_url("sam-desktop")}"}}
  embedding: {machines.url("embedding")}
  unset: {{url: "{machines.url("embedding")}", api_key_env: FLEET_TEST_UNSET_KEY}}
roles: {{task: [embedding/qwen3-4b, sam-desktop/qwen3-4b]}}
surfaces: {{boochat: , boocoder: , arena: }}
gateway: {{listen: "{listen}"}}
inventory: {{interval: 0.1, timeout: 1, grace: 0.5}}
"""


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    specs = (
        ServerSpec("sam-desktop", models=MODELS, sidecar=True),
        ServerSpec("embedding", models=MODELS),
        ServerSpec("third-box", kind="llama-server", models=(SimulatedModel("glm-4.6-air"),)),
    )
    with running_stack(tmp_path, specs, fleet_yaml, online=("sam-desktop", "embedding")) as stack:
        yield stack


def test_a_stream_arrives_chunk_by_chunk_and_a_client_that_leaves_ends_it_at_the_provider(
    stack: Stack,
) -> None:
    stack.machines.set("embedding", hold=True)
    body = {"model": "embedding/qwen3-8b", "messages": [{"role": "user", "content": "hi"}], "stream": True}
    stack.machines.release("embedding", 1)
    with stack.client.stream("POST", "/arena/v1/chat/completions", json=body) as answer:
        pieces = answer.iter_raw()
        assert b"assistant" in next(pieces), "the first chunk is here, the second not even sent"
        (running,) = stack.machines.inference("embedding")
        assert running.ended is None
    stack.machines.until("embedding", lambda machine: machine.inference[0].ended == "client_gone")


def test_a_provider_that_sleeps_leaves_the_lists_and_comes_back_and_its_id_is_never_rerouted(
    stack: Stack,
) -> None:
    stack.machines.set("embedding", offline=True)
    answer = stack.chat("embedding/qwen3-8b")
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "provider_unreachable"
    assert "embedding" in answer.json()["error"]["message"]
    eventually(lambda: stack.status("embedding") == "offline")
    ids = [item["id"] for item in stack.client.get("/v1/models").json()["data"]]
    assert not any(id.startswith("embedding/") for id in ids)
    role = stack.chat("@task")
    assert (role.status_code, role.headers["x-fleet-provider"]) == (200, "sam-desktop")
    assert role.headers["x-fleet-fallback"]
    assert stack.chat("embedding/qwen3-8b").status_code == 503
    stack.machines.set("embedding", offline=False)
    eventually(lambda: stack.status("embedding") == "online")
    assert stack.chat("embedding/qwen3-8b").status_code == 200
    assert stack.chat("@task").headers["x-fleet-provider"] == "embedding"


def test_a_renamed_provider_keeps_its_series_and_the_changes_of_its_status(stack: Stack) -> None:
    assert stack.chat("embedding/qwen3-8b").status_code == 200

    def shown(provider: str) -> tuple[int, list[str]]:
        series = stack.client.get(f"/api/fleet/{provider}/series", params={"model": "qwen3-8b"}).json()
        history = stack.client.get(f"/api/fleet/{provider}/history").json()["changes"]
        return sum(point["requests"] for point in series["points"]), [
            change["provider"] for change in history
        ]

    assert shown("embedding")[0] == 1
    eventually(lambda: "embedding" in shown("embedding")[1])
    assert stack.fleet("rename", "embedding", "loft").returncode == 0
    eventually(lambda: "loft" in {p["name"] for p in stack.client.get("/api/fleet").json()["providers"]})
    requests, changes = shown("loft")
    assert requests == 1
    assert "embedding" in changes


def test_a_role_does_not_wait_for_the_grace_of_a_provider_that_just_died(stack: Stack) -> None:
    assert stack.chat("@task").headers["x-fleet-provider"] == "embedding"
    stack.machines.set("embedding", offline=True)
    for _ in range(5):
        answer = stack.chat("@task")
        assert (answer.status_code, answer.headers["x-fleet-provider"]) == (200, "sam-desktop")
        assert answer.headers["x-fleet-fallback"] == "@task"
    assert len(stack.machines.inference("sam-desktop")) == 5


def test_a_dead_sidecar_is_an_error_and_never_bypassed(stack: Stack) -> None:
    stack.machines.set("sam-desktop", sidecar_offline=True)
    answer = stack.chat("sam-desktop/qwen3-8b")
    assert answer.status_code == 503
    assert "sidecar" in answer.json()["error"]["message"]
    assert stack.machines.inference("sam-desktop") == []
    eventually(lambda: stack.status("sam-desktop") == "degraded")
    resolved = stack.client.get("/api/resolve", params={"model": "sam-desktop/qwen3-8b"}).json()
    assert (resolved["available"], resolved["reason"]) == (False, "sidecar_unreachable")


def test_a_provider_whose_key_is_unset_is_disabled_and_says_which_variable(stack: Stack) -> None:
    assert stack.status("unset") == "disabled"
    answer = stack.chat("unset/qwen3-8b")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "provider_disabled")
    assert "FLEET_TEST_UNSET_KEY" in stack.client.get("/api/models").text


def test_one_line_and_a_build_add_a_provider_to_every_surface_at_once(stack: Stack) -> None:
    file = stack.folder / "fleet.yaml"
    line = f"  third-box: {stack.machines.url('third-box')}\nroles:"
    file.write_text(file.read_text().replace("roles:", line))
    built = stack.fleet("build")
    assert built.returncode == 0, built.stderr
    assert "third-box" in built.stdout
    eventually(lambda: "third-box" in stack.client.get("/api/models").text)
    for surface in ("boochat", "boocoder", "arena"):
        answer = stack.chat("third-box/glm-4.6-air", surface)
        assert (answer.status_code, answer.headers["x-fleet-provider"]) == (200, "third-box")


def test_the_gateway_says_it_is_alive_and_ready_and_stops_cleanly(stack: Stack) -> None:
    assert stack.client.get("/health").json() == {"status": "ok"}
    assert stack.client.get("/ready").json()["snapshot"].startswith("sha256:")
    stack.process.terminate()
    assert stack.process.wait(10) == 0


def test_a_loading_model_is_shown_at_once_although_the_provider_is_probed_rarely(tmp_path: Path) -> None:
    specs = (
        ServerSpec("sam-desktop", models=MODELS, sidecar=True),
        ServerSpec("embedding", models=MODELS),
        ServerSpec(
            "router", kind="llama-server-router", models=(SimulatedModel("glm"), SimulatedModel("phi"))
        ),
    )

    def rarely(machines: SimulationThread, listen: str) -> str:
        text = fleet_yaml(machines, listen).replace("interval: 0.1", "interval: 60")
        return text.replace("  unset:", f"  router: {machines.url('router')}\n  unset:")

    with running_stack(tmp_path, specs, rarely, online=("embedding", "router")) as stack:
        for model in ("embedding/qwen3-8b", "router/glm"):
            assert state_of(stack, model) == "unloaded"
            assert stack.chat(model).status_code == 200
            eventually(lambda model=model: state_of(stack, model) == "loaded", 1.0)  # type: ignore[misc]


def state_of(stack: Stack, model: str) -> str:
    return str(stack.client.get(f"/api/models/{model}").json()["state"])
