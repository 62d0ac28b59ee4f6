"""Providers that sleep: real magic packets and commands start simulated providers."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from fleet_runtime.simulator import ServerSpec, SimulatedModel, SimulationThread
from tests.support.black_hole import black_hole
from tests.support.fleet_process import run_fleet
from tests.support.network_cards import NetworkCards
from tests.support.stack import Stack, running_stack
from tests.support.waiting import eventually

MODEL = SimulatedModel("qwen3-8b")
PROMPT_SECONDS = 3.0
"""A connection that began before the provider listens would take longer: it is tried after 1, 3 and 7 s."""
MACS = {"nas": "02:00:00:00:00:01", "attic": "02:00:00:00:00:02", "dead": "02:00:00:00:00:03"}
MACS |= {"slow": "02:00:00:00:00:04"}
NAMES = (*MACS, "scripted")
SCRIPT = """\
#!/bin/sh
{ echo "$0 $*"; env; } > "$(dirname "$0")/ran.txt"
exec sleep 600
"""


@pytest.fixture(scope="module")
def network() -> Iterator[NetworkCards]:
    network = NetworkCards(MACS, dead=["dead", "slow"])
    yield network
    network.close()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, network: NetworkCards) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("wake")
    (folder / "wake.sh").write_text(SCRIPT, encoding="utf-8")
    (folder / "wake.sh").chmod(0o755)
    cards = {name: network.wake(name) for name in MACS}

    def fleet_yaml(machines: SimulationThread, listen: str) -> str:
        network.machines = machines
        return f"""\
version: 1
default_provider: nas
providers:
  nas: {{url: "{machines.url("nas")}", wake: {{{cards["nas"]}}}}}
  attic: {{url: "{machines.url("attic")}", wake: {{{cards["attic"]}, roles: true}}}}
  dead: {{url: "{machines.url("dead")}", wake: {{{cards["dead"]}, timeout: 0.5}}}}
  slow: {{url: "{machines.url("slow")}", wake: {{{cards["slow"]}}}}}
  scripted: {{url: "{machines.url("scripted")}", wake: {{command: wake.sh, timeout: 1}}}}
aliases: {{old: nas/qwen3-8b}}
roles: {{default: [nas/qwen3-8b, attic/qwen3-8b]}}
surfaces: {{chat: , code: {{providers: [attic]}}}}
gateway: {{listen: "{listen}", keys: {{all: {{env: ALL}}, chat: {{env: CHAT, surfaces: [code]}}}}}}
inventory: {{interval: 0.2, timeout: 1, grace: 1.5}}
"""

    specs = [ServerSpec(name, models=(MODEL,)) for name in NAMES]
    env = {"ALL": "key-of-all", "CHAT": "key-of-chat", "OTHER_SECRET": "secret"}
    with running_stack(folder, specs, fleet_yaml, env) as stack:
        stack.client.headers["authorization"] = "Bearer key-of-all"
        for name in NAMES:
            eventually(lambda name=name: stack.status(name) == "online")  # type: ignore[misc]
        yield stack


def fall_asleep(stack: Stack, *names: str) -> None:
    for name in names:
        stack.machines.set(name, offline=True)
    for name in names:
        eventually(lambda name=name: stack.status(name) == "offline")  # type: ignore[misc]


def chat(stack: Stack, id: str, surface: str = "/chat", **headers: str) -> httpx.Response:
    body = {"model": id, "messages": [{"role": "user", "content": "hi"}]}
    return stack.client.post(f"{surface}/v1/chat/completions", json=body, headers=headers)


def error(response: httpx.Response) -> tuple[int, str, str]:
    return response.status_code, response.json()["error"]["code"], response.json()["error"]["message"]


def test_only_inference_for_a_named_model_wakes_and_all_requests_join_one_wake(
    stack: Stack, network: NetworkCards
) -> None:
    fall_asleep(stack, "nas")
    before = dict(network.packets)
    for path in ("/chat/v1/models", "/api/models", "/api/picker", "/api/resolve?model=old", "/api/roles"):
        stack.client.get(path).raise_for_status()
    stack.client.put("/api/favorites/nas/qwen3-8b").raise_for_status()
    stack.client.post("/api/fleet/nas/refresh").raise_for_status()
    stack.client.get("/health").raise_for_status()
    for path in ("/v1/messages/count_tokens", "/tokenize"):
        body = {"model": "nas/qwen3-8b", "messages": [], "content": "x"}
        assert stack.client.post(path, json=body).status_code == 503
    assert chat(stack, "@default").headers["x-fleet-provider"] == "attic"
    assert chat(stack, "nas/nothing").status_code == 503
    assert network.packets == before
    lines: list[str] = []
    with (
        ThreadPoolExecutor(51) as threads,
        stack.client.stream("GET", "/api/events", timeout=20) as events,
    ):
        ids = ("nas/qwen3-8b", "old", "qwen3-8b")
        asking = [threads.submit(chat, stack, ids[number % 3]) for number in range(50)]
        answers = [each.result(20) for each in asking]
        for line in events.iter_lines():
            lines.append(line)
            if '"provider":"nas","status":"online"' in line:
                break
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.headers["x-fleet-provider"] for answer in answers} == {"nas"}
    assert network.packets["nas"] > before["nas"]
    assert seconds_to_response(stack, "nas", network.started["nas"]) <= PROMPT_SECONDS
    assert sum('"provider":"nas","status":"waking"' in line for line in lines) == 1
    assert 'fleet_wakes_total{provider="nas",result="responded"} 1.0' in stack.client.get("/metrics").text


def test_a_provider_that_cannot_be_reached_in_its_grace_is_woken(stack: Stack, network: NetworkCards) -> None:
    packets = network.packets["attic"]
    stack.machines.set("attic", offline=True)
    answer = chat(stack, "attic/qwen3-8b")
    assert answer.status_code == 200
    assert network.packets["attic"] > packets
    assert seconds_to_response(stack, "attic", network.started["attic"]) <= PROMPT_SECONDS


def seconds_to_response(stack: Stack, provider: str, started: float) -> float:
    """Return how long after its start at `started` (unix seconds) the first response of a provider came, by
    the gateway's clock."""
    query = {"provider": provider, "limit": "1000", "end_reason": "ok"}
    rows = stack.client.get("/api/activity", params=query).json()["requests"]
    came = (datetime.fromisoformat(row["started_at"]).timestamp() + row["first_byte"] for row in rows)
    return min(float(at) - started for at in came if at >= started)


def test_a_provider_that_swallows_connections_is_used_as_soon_as_it_listens(
    stack: Stack, network: NetworkCards
) -> None:
    """A connection to a computer that is off takes seconds to fail, and outlives its start."""
    port = urlsplit(stack.machines.url("slow")).port
    assert port is not None
    stack.machines.set("slow", offline=True)
    with ThreadPoolExecutor(1) as threads:
        with black_hole(port):
            eventually(lambda: stack.status("slow") == "offline")
            asking = threads.submit(chat, stack, "slow/qwen3-8b")
            eventually(lambda: network.packets["slow"] == 3)  # the third is sent after three seconds
        started = time.time()
        stack.machines.set("slow", offline=False)
        assert asking.result(20).status_code == 200
    assert seconds_to_response(stack, "slow", started) <= PROMPT_SECONDS


def test_a_role_wakes_only_where_it_may_and_a_limited_key_only_within_its_surface(
    stack: Stack, network: NetworkCards
) -> None:
    fall_asleep(stack, "nas", "attic")
    before = dict(network.packets)
    limited = {"authorization": "Bearer key-of-chat"}
    assert chat(stack, "nas/qwen3-8b", "/code", **limited).status_code == 403
    assert chat(stack, "nas/qwen3-8b", "/chat", **limited).status_code == 403
    assert stack.client.post("/api/fleet/attic/wake", headers=limited).status_code == 403
    assert network.packets == before
    assert chat(stack, "attic/qwen3-8b", "/code", **limited).status_code == 200
    fall_asleep(stack, "attic")
    assert chat(stack, "@default").headers["x-fleet-provider"] == "attic"
    assert network.packets["attic"] >= before["attic"] + 2
    assert network.packets["nas"] == before["nas"]
    ran = run_fleet("wake", "nas", cwd=stack.folder, env={"FLEET_KEY": "key-of-all"})
    assert (ran.returncode, ran.stdout[:15]) == (0, "nas is online (")


def test_a_failed_wake_says_so_and_the_next_waits(stack: Stack, network: NetworkCards) -> None:
    fall_asleep(stack, "dead")
    started = time.monotonic()
    status, code, message = error(chat(stack, "dead/qwen3-8b"))
    assert (status, code) == (503, "provider_unreachable")
    assert "it was woken but did not respond within 0.5 s" in message
    assert 0.5 <= time.monotonic() - started < 5
    packets = network.packets["dead"]
    status, code, message = error(chat(stack, "dead/qwen3-8b"))
    assert (status, code) == (503, "provider_unreachable")
    assert "the next attempt is possible in" in message
    assert network.packets["dead"] == packets
    status, code, message = error(stack.client.post("/api/fleet/dead/wake"))
    assert (status, code) == (503, "provider_unreachable")
    assert network.packets["dead"] > packets
    assert stack.status("dead") == "offline"
    assert 'fleet_wakes_total{provider="dead",result="failed"} 2.0' in stack.client.get("/metrics").text
    assert stack.client.post("/api/fleet/nobody/wake").status_code == 404


def test_a_command_gets_the_name_alone_and_nothing_of_it_is_left(stack: Stack) -> None:
    fall_asleep(stack, "scripted")
    assert error(chat(stack, "scripted/qwen3-8b"))[:2] == (503, "provider_unreachable")
    ran = (stack.folder / "ran.txt").read_text(encoding="utf-8").splitlines()
    assert ran[0] == f"{stack.folder / 'wake.sh'} scripted"
    names = {line.partition("=")[0] for line in ran[1:]}
    assert names <= {"PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "PWD", "OLDPWD", "SHLVL", "_"}
    assert not any("secret" in line for line in ran)
    assert left_of(stack.folder) == []


def left_of(folder: Path) -> list[Any]:
    """Return the processes whose working directory is `folder`, without the gateway."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if process.joinpath("cwd").readlink() == folder:
                found.append(process.joinpath("cmdline").read_bytes())
        except OSError:
            continue
    return [command for command in found if b"serve" not in command and str(os.getpid()).encode() != command]
