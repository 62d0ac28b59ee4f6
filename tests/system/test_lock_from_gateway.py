"""``fleet lock --from-gateway``: what a gateway saw running becomes part of fleet.lock."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleet_runtime.simulator import ServerSpec, SimulatedModel, SimulationThread
from tests.support.fleet_process import run_fleet
from tests.support.stack import Stack, running_stack
from tests.support.waiting import eventually

KEY = {"LOCK_TEST_KEY": "the-gateways-key"}


def fleet_yaml(machines: SimulationThread, listen: str) -> str:
    return f"""\
version: 1
default_provider: desk
providers:
  desk: {machines.url("desk")}
  attic: {machines.url("attic")}
gateway: {{listen: "{listen}", keys: {{me: {{env: LOCK_TEST_KEY}}}}}}
inventory: {{interval: 0.1, timeout: 1, grace: 1}}
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Two providers that list a context, and run with a smaller one."""
    models = (SimulatedModel("qwen3-8b", context=4096), SimulatedModel("qwen3-4b", context=4096))
    item = {"object": "model", "owned_by": "llama-swap", "context_length": 40960}
    listed = json.dumps({"data": [{"id": model.id, **item} for model in models]})
    folder = tmp_path_factory.mktemp("from-gateway")
    with running_stack(
        folder, [ServerSpec(name, models=models) for name in ("desk", "attic")], fleet_yaml, KEY
    ) as stack:
        stack.client.headers["authorization"] = f"Bearer {KEY['LOCK_TEST_KEY']}"
        for name in ("desk", "attic"):
            stack.machines.set(name, list_body=listed)
            eventually(lambda name=name: known(stack, name).get("context") == 40960)  # type: ignore[misc]
        assert lock(stack).returncode == 0
        for name in ("desk", "attic"):
            chat = {"model": f"{name}/qwen3-8b", "messages": [{"role": "user", "content": "hi"}]}
            stack.client.post("/v1/chat/completions", json=chat).raise_for_status()
            eventually(lambda name=name: known(stack, name).get("context_source") == "running")  # type: ignore[misc]
        yield stack


def known(stack: Stack, machine: str) -> dict[str, Any]:
    """What the gateway knows of the model that is going to be used; an error before its first probe."""
    found: dict[str, Any] = stack.client.get(f"/api/models/{machine}/qwen3-8b").json()
    return found


def lock(stack: Stack, *arguments: str, key: str | None = None) -> Any:
    return run_fleet("lock", *arguments, cwd=stack.folder, env={} if key is None else {"FLEET_KEY": key})


def contexts(folder: Path) -> dict[str, tuple[int, str]]:
    """Context and source of every model of fleet.lock, by composite id."""
    providers = json.loads((folder / "fleet.lock").read_text())["providers"]
    return {
        f"{name}/{id}": (model["context"], model["context_source"])
        for name, entry in providers.items()
        for id, model in entry["models"].items()
    }


def test_contexts_that_a_gateway_saw_running_are_taken_over_without_a_probe(
    stack: Stack,
) -> None:
    before = contexts(stack.folder)
    assert set(before.values()) == {(40960, "listed")}
    key = KEY["LOCK_TEST_KEY"]
    named = lock(stack, "attic", "--from-gateway", stack.url, key=key)
    assert named.returncode == 0, named.stderr
    assert contexts(stack.folder) == before | {"attic/qwen3-8b": (4096, "running")}
    checked = lock(stack, "--check", "--from-gateway", stack.url, key=key)
    assert checked.returncode == 3
    assert "desk" in checked.stdout
    assert contexts(stack.folder)["desk/qwen3-8b"] == (40960, "listed")
    for _ in range(2):
        assert lock(stack, "--from-gateway", f"{stack.url}/v1/", key=key).returncode == 0
    running = {f"{name}/qwen3-8b": (4096, "running") for name in ("desk", "attic")}
    assert contexts(stack.folder) == before | running
    assert run_fleet("build", "--frozen", cwd=stack.folder).returncode == 0


def test_a_gateway_that_does_not_know_the_provider_by_its_address_is_not_believed(
    stack: Stack, tmp_path: Path
) -> None:
    text = (
        (stack.folder / "fleet.yaml").read_text().replace("desk: http://127.0.0.1", "desk: http://localhost")
    )
    (tmp_path / "fleet.yaml").write_text(text)
    assert run_fleet("lock", cwd=tmp_path).returncode == 0
    listed = contexts(tmp_path)["desk/qwen3-8b"]
    ran = run_fleet(
        "lock", "--from-gateway", stack.url, cwd=tmp_path, env={"FLEET_KEY": KEY["LOCK_TEST_KEY"]}
    )
    assert ran.returncode == 0, ran.stderr
    assert contexts(tmp_path)["desk/qwen3-8b"] == listed
    assert contexts(tmp_path)["attic/qwen3-8b"] == (4096, "running")


@pytest.mark.parametrize(
    ("arguments", "key", "code", "message"),
    [
        (["--from-gateway", "GATEWAY"], None, 4, "this gateway requires a key"),
        (["--from-gateway", "GATEWAY"], "wrong", 4, "set FLEET_KEY"),
        (["--from-gateway", "MACHINE"], None, 4, "is not a gateway"),
        (["--from-gateway", "http://127.0.0.1:9"], None, 4, "does not respond (connection refused)"),
        (["--from-gateway", "no url"], None, 2, "cannot probe"),
        (
            ["desk", "--at", "http://127.0.0.1:9", "--from-gateway", "GATEWAY"],
            None,
            2,
            "cannot be used together",
        ),
    ],
)
def test_contexts_that_cannot_be_used_are_reported(
    stack: Stack, arguments: list[str], key: str | None, code: int, message: str
) -> None:
    places = {"GATEWAY": stack.url, "MACHINE": stack.machines.url("desk")}
    before = contexts(stack.folder)
    ran = lock(stack, *(places.get(argument, argument) for argument in arguments), key=key)
    assert (ran.returncode, ran.stdout) == (code, "")
    assert message in ran.stderr
    assert contexts(stack.folder) == before


def test_the_environment_says_where_the_gateway_and_the_fleet_are(stack: Stack, tmp_path: Path) -> None:
    """From a folder that has nothing to do with either."""
    assert run_fleet("build", cwd=stack.folder).returncode == 0
    key = {"FLEET_KEY": KEY["LOCK_TEST_KEY"]}
    lost = run_fleet("status", cwd=tmp_path, env=key)
    assert lost.returncode == 2
    for place in ({"FLEET_URL": stack.url}, {"FLEET_CONFIG": str(stack.folder / "fleet.yaml")}):
        ran = run_fleet("status", cwd=tmp_path, env=key | place)
        assert ran.returncode == 0, ran.stderr
        assert "attic" in ran.stdout
    ran = run_fleet("build", "--check", cwd=tmp_path, env={"FLEET_CONFIG": str(stack.folder / "fleet.yaml")})
    assert ran.returncode == 0, ran.stderr
