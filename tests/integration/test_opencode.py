"""The real opencode on the generated configuration: every response comes from the named provider."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from tests.integration.conftest import CHAT_MODELS, MACHINES, SLASHED, answered
from tests.integration.opencode import Opencode
from tests.integration.processes import finished
from tests.support.fleet_process import FLEET
from tests.support.stack import Stack

pytestmark = pytest.mark.integration

WAY = {"sam-desktop": "sidecar", "embedding": "direct"}


def of_coder(opencode: Opencode) -> Opencode:
    """The same on the surface that still offers the ids of older sessions."""
    return replace(opencode, config=opencode.config.parent / "coder" / "opencode.json")


def ids() -> list[str]:
    return [f"{machine}/{model}" for machine in MACHINES for model in CHAT_MODELS]


def test_opencode_lists_exactly_the_chat_models_of_its_surface(opencode: Opencode) -> None:
    assert sorted(opencode.models()) == sorted(ids())


@pytest.mark.parametrize("machine", MACHINES)
def test_a_run_reaches_the_provider_that_it_names(opencode: Opencode, stack: Stack, machine: str) -> None:
    """Both serve a model of that name; what the user types is the composite id."""
    run = opencode.run("say hi", f"{machine}/qwen3-8b")
    assert (run.code, run.errors) == (0, [])
    assert run.text.startswith(f"[{machine}] qwen3-8b: ")
    assert answered(stack) == [(machine, "qwen3-8b", WAY[machine])]


@pytest.mark.slow
@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("model", [SLASHED, "deepseek-r1-qwen3-8b"])
def test_ids_that_look_like_something_else_reach_the_provider_that_they_name(
    opencode: Opencode, stack: Stack, machine: str, model: str
) -> None:
    run = opencode.run("say hi", f"{machine}/{model}")
    assert run.text.startswith(f"[{machine}] {model}: ")
    assert answered(stack) == [(machine, model, WAY[machine])]


@pytest.mark.slow
@pytest.mark.parametrize("machine", MACHINES)
def test_a_coding_task_reads_a_file_through_a_tool_call(
    opencode: Opencode, stack: Stack, machine: str
) -> None:
    opencode.work.mkdir(parents=True)
    file = opencode.work / "notes.txt"
    file.write_text("the fleet sails at dawn\n")
    stack.machines.set(machine, call={"name": "read", "arguments": {"filePath": str(file)}})
    run = opencode.run("what do the notes say?", f"{machine}/qwen3-8b")
    assert run.code == 0
    assert [(tool["tool"], tool["state"]["status"]) for tool in run.tools] == [("read", "completed")]
    assert answered(stack) == [(machine, "qwen3-8b", WAY[machine])] * 2
    first, second = (record.json for record in stack.machines.inference(machine))
    assert "read" in [tool["function"]["name"] for tool in first["tools"]]
    assert second["messages"][-1]["role"] == "tool"
    assert "the fleet sails at dawn" in json.dumps(second["messages"][-1]["content"])


@pytest.mark.slow
def test_the_title_of_a_session_is_requested_from_the_task_roles_provider(
    opencode: Opencode, stack: Stack
) -> None:
    """Without `-m` the default role's model answers."""
    run = opencode.run("say hi", titled=False)
    assert run.text.startswith("[sam-desktop] qwen3-8b: ")
    assert sorted(answered(stack)) == [
        ("embedding", "qwen3-4b", "direct"),
        ("sam-desktop", "qwen3-8b", "sidecar"),
    ]
    (title,) = stack.machines.inference("embedding")
    assert "title" in json.dumps(title.json["messages"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "machine", "model"),
    [
        ("llama-swap/qwen3-8b", "sam-desktop", "qwen3-8b"),
        ("llama-swap/embedding/qwen3-8b", "embedding", "qwen3-8b"),
        (f"llama-swap/{SLASHED}", "sam-desktop", SLASHED),
        (f"llama-swap/embedding/{SLASHED}", "embedding", SLASHED),
    ],
)
def test_ids_of_older_sessions_reach_what_they_meant(
    opencode: Opencode, stack: Stack, old: str, machine: str, model: str
) -> None:
    run = of_coder(opencode).run("say hi", old)
    assert run.text.startswith(f"[{machine}] {model}: ")
    assert answered(stack) == [(machine, model, WAY[machine])]


@pytest.mark.slow
def test_ids_of_older_sessions_are_listed_next_to_the_others(opencode: Opencode) -> None:
    old = [f"llama-swap/{name}" for name in (*CHAT_MODELS, *ids())]
    assert sorted(of_coder(opencode).models()) == sorted([*ids(), *old])


@pytest.mark.slow
def test_the_generated_files_are_what_opencodes_own_schema_allows(opencode: Opencode) -> None:
    with opencode.server() as url:
        described = httpx.get(f"{url}/doc", trust_env=False, timeout=60).json()
        resolved = httpx.get(f"{url}/config/providers", trust_env=False, timeout=60).json()
    schema = {"$ref": "#/components/schemas/Config", "components": described["components"]}
    validator = Draft202012Validator(schema)
    for file in (opencode.config, of_coder(opencode).config):
        told: Any = json.loads(file.read_bytes())
        assert [error.message for error in validator.iter_errors(told)] == []
        assert not validator.is_valid({**told, "unknown_key": 1})
    models = {
        model["api"]["id"] for provider in resolved["providers"] for model in provider["models"].values()
    }
    assert models == set(ids())


@pytest.mark.slow
def test_a_provider_that_is_off_is_named_in_an_error_that_comes_soon(
    opencode: Opencode, stack: Stack
) -> None:
    """opencode asks six times whatever it is told, by itself over more than a minute."""
    stack.machines.set("embedding", offline=True)
    run = opencode.run("say hi", "embedding/qwen3-8b")
    assert run.code == 1
    (error,) = run.errors
    assert "'embedding'" in error["data"]["message"]
    assert error["data"]["statusCode"] == 503
    assert run.seconds < 30
    assert answered(stack) == []


@pytest.mark.slow
def test_a_cold_load_of_90_seconds_is_one_request_that_waits(opencode: Opencode, stack: Stack) -> None:
    stack.machines.set("embedding", load_seconds=90)
    run = opencode.run("say hi", "embedding/qwen3-8b", seconds=200)
    assert (run.code, run.errors) == (0, [])
    assert run.text.startswith("[embedding] qwen3-8b: ")
    assert run.seconds > 90
    assert answered(stack) == [("embedding", "qwen3-8b", "direct")]


@pytest.mark.slow
def test_fleet_run_starts_opencode_and_leaves_the_users_own_files_alone(
    opencode: Opencode, stack: Stack
) -> None:
    """Their opencode.json counts next to the generated one; opencode itself would add a missing $schema."""
    theirs = opencode.folder / "home" / "config" / "opencode" / "opencode.json"
    theirs.parent.mkdir(parents=True)
    opencode.work.mkdir()
    mine: dict[str, Any] = {"options": {}, "models": {"m": {}}}
    schema = "https://opencode.ai/config.json"
    text = json.dumps({"$schema": schema, "provider": {"mine": mine}, "username": "sam"})
    generated = opencode.config.read_bytes()
    theirs.write_text(text)
    environment = {
        **{name: value for name, value in opencode.environment().items() if name != "OPENCODE_CONFIG"},
        "PATH": f"{opencode.binary.parent}{os.pathsep}/usr/bin:/bin",
    }
    command = [*FLEET, "run", "--surface", "opencode", "opencode", "models"]
    done = finished(command, stack.folder, environment, 120)
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.split()) == sorted(ids())
    assert done.stderr == ""
    assert theirs.read_text() == text
    assert opencode.config.read_bytes() == generated


def test_fleet_env_prints_what_opencode_needs(stack: Stack) -> None:
    printed = stack.fleet("env", "--surface", "opencode", "opencode").stdout
    assert f"export OPENCODE_CONFIG={stack.folder}/generated/opencode.json\n" in printed
