"""``fleet activity``, ``top``, ``ps``, ``load`` and ``unload`` at a running gateway."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator

import click
import pytest

from fleet_runtime.simulator import ServerSpec, SimulatedModel, SimulationThread
from tests.support.fleet_process import FLEET
from tests.support.stack import Stack, running_stack
from tests.support.waiting import eventually

MODELS = (SimulatedModel("qwen3-8b"),)
SPECS = (
    ServerSpec("desk", kind="ollama", models=(*MODELS, SimulatedModel("qwen3-4b"))),
    ServerSpec("single", kind="llama-server", models=MODELS),
)


def fleet_yaml(machines: SimulationThread, listen: str) -> str:
    return f"""\
version: 1
default_provider: desk
providers: {{desk: "{machines.url("desk")}", single: "{machines.url("single")}"}}
roles: {{default: desk/qwen3-8b}}
surfaces: {{chat: }}
gateway: {{listen: "{listen}", captures: {{body: 200}}}}
inventory: {{interval: 0.2, timeout: 1, grace: 0.5}}
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("activity")
    with running_stack(folder, SPECS, fleet_yaml, online=("desk", "single")) as stack:
        yield stack


def words(output: str) -> list[list[str]]:
    return [line.split() for line in click.unstyle(output).splitlines()]


def first_words(output: str, number: int) -> list[list[str]]:
    return [line[:number] for line in words(output)]


def test_a_model_is_loaded_shown_and_unloaded(stack: Stack) -> None:
    ran = stack.fleet("load", "@default")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("desk/qwen3-8b is loaded (")
    assert ["qwen3-8b", "loaded", "desk"] in first_words(stack.fleet("ps").stdout, 3)
    assert json.loads(stack.fleet("unload", "--json", "desk/qwen3-8b").stdout)["state"] == "unloaded"
    assert ["qwen3-8b", "loaded", "single"] in first_words(stack.fleet("ps").stdout, 3)
    single = stack.fleet("unload", "single/qwen3-8b")
    assert (single.returncode, single.stdout) == (1, "")
    assert "has no command" in single.stderr
    assert stack.fleet("load", "desk/nothing").returncode == 1


def test_the_name_of_a_provider_unloads_all_its_models(stack: Stack) -> None:
    for model in ("qwen3-8b", "qwen3-4b"):
        assert stack.fleet("load", f"desk/{model}").returncode == 0
    lines = stack.fleet("unload", "desk").stdout.splitlines()
    assert [line.partition(" (")[0] for line in lines] == [
        "desk/qwen3-4b is unloaded",
        "desk/qwen3-8b is unloaded",
    ]
    assert stack.fleet("unload", "desk").stdout == "no model is loaded on desk\n"
    assert json.loads(stack.fleet("unload", "--json", "desk/").stdout) == []
    asked = stack.fleet("load", "desk")
    assert asked.returncode == 1
    assert "did you mean 'desk/qwen3-4b', 'desk/qwen3-8b'" in asked.stderr


def test_requests_are_listed_with_their_tokens(stack: Stack) -> None:
    stack.chat("single/qwen3-8b", "chat").raise_for_status()
    stack.chat("desk/nothing", "chat")
    head, failed, done = words(stack.fleet("activity", "--surface", "chat", "--limit", "2").stdout)
    assert head[:4] == ["time", "end", "surface", "model"]
    assert failed[1:5] == ["refused", "(model_not_found)", "chat", "desk/nothing"]
    assert done[1:5] == ["ok", "chat", "single/qwen3-8b", "loaded"]
    rows = json.loads(stack.fleet("activity", "--json", "--provider", "single").stdout)["requests"]
    assert (int(done[-3]), done[-1]) == (rows[0]["tokens_out"], rows[0]["id"])
    assert rows[0]["tokens_out"] > 0
    assert stack.fleet("activity", "--model", "never").stdout == "no requests match\n"
    assert stack.fleet("activity", "--end-reason", "fine").returncode == 2


def test_a_captured_request_is_shown_in_full_and_as_a_command(stack: Stack) -> None:
    assert "captures are on: the last 50 requests are kept in memory, prompts included" in (
        stack.fleet("status").stdout
    )
    id = stack.chat("single/qwen3-8b", "chat").headers["x-request-id"]
    lines = stack.fleet("activity", "--capture", id).stdout.splitlines()
    titles = [line for line in lines if line.startswith("--- ")]
    assert titles == [
        f"--- {way}" for way in ("from the client", "to the provider", "from the provider", "to the client")
    ]
    assert lines[1] == "POST /chat/v1/chat/completions HTTP/1.1"
    assert '{"model":"single/qwen3-8b","messages":[{"role":"user","content":"hi"}]}' in lines
    assert lines[-1].startswith("(the beginning of ")
    capture = json.loads(stack.fleet("activity", "--capture", id, "--json").stdout)
    command = stack.fleet("activity", "--curl", capture["id"]).stdout
    assert command == capture["curl"] + "\n"
    assert json.loads(subprocess.run(["sh", "-c", command], capture_output=True, check=True).stdout)[
        "choices"
    ]
    long = stack.chat("single/qwen3-8b", "chat", user="x" * 200).headers["x-request-id"]
    none = stack.fleet("activity", "--curl", long)
    assert (none.returncode, none.stdout) == (1, "")
    assert "raise `gateway.captures.body`" in none.stderr
    unknown = stack.fleet("activity", "--capture", "never")
    assert unknown.returncode == 1
    assert "no capture of a request 'never'" in unknown.stderr


@pytest.mark.parametrize(
    "command", [["activity", "-f", "--json"], ["top", "--surface", "chat"]], ids=" ".join
)
def test_follow_continues_until_it_is_interrupted(stack: Stack, command: list[str]) -> None:
    environ = {**os.environ, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [*FLEET, *command], cwd=stack.folder, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    before = stack.client.get("/api/activity").json()["requests"]
    stack.chat("single/qwen3-8b", "chat").raise_for_status()
    eventually(lambda: len(stack.client.get("/api/activity").json()["requests"]) > len(before))
    assert any(b"single/qwen3-8b" in line for line in iter(process.stdout.readline, b""))
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=10)
    assert (process.returncode, errors.count(b"Traceback")) == (130, 0)


def test_follow_begins_with_the_requested_number(stack: Stack) -> None:
    stack.chat("single/qwen3-8b", "chat").raise_for_status()
    environ = {**os.environ, "PYTHONUNBUFFERED": "1"}
    command = [*FLEET, "activity", "-f", "--limit", "0"]
    process = subprocess.Popen(
        command, cwd=stack.folder, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stderr.readline() == "waiting for requests to end; Ctrl-C stops\n"
    stack.chat("single/qwen3-8b", "chat").raise_for_status()
    assert process.stdout.readline().split()[0] == "time"
    assert "single/qwen3-8b" in process.stdout.readline()
    stack.chat("desk/nothing", "chat")
    assert "desk/nothing" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=10)
    assert (process.returncode, rest) == (130, "")


def test_speed_is_measured_on_purpose_and_shown(stack: Stack) -> None:
    stack.fleet("unload", "desk/qwen3-8b")
    ran = stack.fleet("bench", "qwen3-8b", "--runs", "1", "--prompt-tokens", "8")
    assert (ran.returncode, ran.stderr) == (0, "will be loaded first: 'desk/qwen3-8b'\n")
    head, desk, single = words(ran.stdout)
    assert head == ["model", "cold", "warm", "tokens/s", "runs"]
    assert (desk[0], desk[2], single[0], single[1]) == ("desk/qwen3-8b", "ms", "single/qwen3-8b", "-")
    measured = json.loads(stack.fleet("bench", "--json", "single/qwen3-8b", "--runs", "1").stdout)
    assert (measured[0]["runs"], measured[0]["error"]) == (1, None)
    assert measured[0]["tokens_per_second"] > 0
    shown = words(stack.fleet("speed", "qwen3-8b").stdout)
    assert [row[:2] for row in shown] == [["model", "provider"], ["qwen3-8b", "desk"], ["qwen3-8b", "single"]]
    nothing = stack.fleet("bench", "never")
    assert (nothing.returncode, nothing.stdout) == (1, "")
    assert "no provider has a model 'never'" in nothing.stderr
