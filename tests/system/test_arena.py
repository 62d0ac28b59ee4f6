"""The arena: which provider is local and which a cloud, and two models side by side."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from fleet_runtime.demo.fleet import (
    CLOUD_KEY,
    CLOUD_KEY_VARIABLE,
    NEWCOMER,
    SHARED_MODELS,
    demo_fleet_yaml,
    demo_servers,
)
from tests.support.stack import Stack, running_stack

MACHINES = {
    "sam-desktop": ("local", "sidecar"),
    "embedding": ("local", "direct"),
    "big-cloud": ("cloud", "direct"),
}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The providers of `fleet demo`, but the one that it adds later."""
    specs = [spec for spec in demo_servers() if spec.name != NEWCOMER]
    folder: Path = tmp_path_factory.mktemp("arena")
    env = {CLOUD_KEY_VARIABLE: CLOUD_KEY}
    with running_stack(folder, specs, demo_fleet_yaml, env, online=("sam-desktop", "embedding")) as stack:
        yield stack


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("model", SHARED_MODELS)
def test_every_model_has_its_providers_class_and_route_whatever_its_name(
    demo: Stack, machine: str, model: str
) -> None:
    asked = {"model": f"{machine}/{model}", "surface": "arena"}
    answer = demo.client.get("/api/resolve", params=asked).json()
    assert (answer["class"], answer["via"]) == MACHINES[machine]
    assert (answer["id"], answer["rule"], answer["available"]) == (f"{machine}/{model}", "provider", True)
    local = answer["class"] == "local"
    assert (answer["context"] == 131072) is not local, "a local model has no cloud model's window"


def test_two_streams_run_side_by_side_to_their_ends_one_through_the_sidecar(demo: Stack) -> None:
    both_run = threading.Barrier(2, timeout=30)

    def run(machine: str) -> tuple[str, list[str]]:
        body = {
            "model": f"{machine}/gpt-oss-20b",
            "messages": [{"role": "user", "content": "hi"}],
            "stream": True,
        }
        with (
            httpx.Client(base_url=demo.url, timeout=30, verify=False, trust_env=False) as client,
            client.stream("POST", "/arena/v1/chat/completions", json=body) as answer,
        ):
            assert answer.status_code == 200
            lines = (line for line in answer.iter_lines() if line)
            first = next(lines)
            both_run.wait()
            return answer.headers["x-fleet-via"], [first, *lines]

    with ThreadPoolExecutor(2) as pool:
        for machine, (via, lines) in zip(
            ("sam-desktop", "embedding"), pool.map(run, ("sam-desktop", "embedding")), strict=True
        ):
            assert via == MACHINES[machine][1]
            assert lines[-1] == "data: [DONE]"
            ends = [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]
            assert any(choice.get("finish_reason") for end in ends for choice in end["choices"])
