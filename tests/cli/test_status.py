"""`fleet status` at a glance (fleet_runtime.commands.status)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import pytest

from fleet_runtime.commands.status import overview
from fleet_runtime.process import free_port
from fleet_runtime.simulator import MachineSpec, SimulatedModel, SimulationThread
from tests.support.stack import Stack, run_fleet, running_stack

NOW = datetime(2026, 11, 21, 20, 0, 0, tzinfo=UTC)


def provider(name: str, **more: Any) -> dict[str, Any]:
    fields = {
        "status": "online",
        "since": "2026-11-21T19:57:00Z",
        "models": 6,
        "loaded": [],
        "loading": [],
        "latency": 0.0042,
        "in_flight": {},
        "waiting": 0,
        "reason": None,
    }
    return {"name": name} | fields | more


def fleet(*providers: dict[str, Any], **more: Any) -> dict[str, Any]:
    quiet: dict[str, Any] = {"refused": None, "needs_restart": [], "store": {"fault": None}}
    return quiet | {"providers": list(providers)} | more


def shown(fleet: dict[str, Any]) -> list[str]:
    return click.unstyle(overview(fleet, NOW)).splitlines()


def test_each_machine_is_one_line() -> None:
    lines = shown(
        fleet(
            provider("sam-desktop", loaded=["qwen3-8b"], in_flight={"qwen3-8b": 2}, waiting=1),
            provider("embedding", status="offline", since="2026-11-20T18:00:00Z", reason="no route"),
        )
    )
    assert lines == [
        "machine      status   since  models  loaded    latency  in flight               last error",
        "sam-desktop  online   3 min  6       qwen3-8b  4 ms     qwen3-8b ×2, 1 waiting  -",
        "embedding    offline  1 d    6       -         -        -                       no route",
    ]


def test_what_else_needs_a_look_is_told_below() -> None:
    told = "\n".join(
        shown(fleet(refused="bad hash", needs_restart=["listen"], store={"fault": "the disk is full"}))
    )
    for part in ("bad hash", "restart: listen", "the disk is full"):
        assert part in told


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    def fleet_yaml(machines: SimulationThread, listen: str) -> str:
        return (
            f'version: 1\ndefault_provider: box\nproviders: {{box: "{machines.url("box")}"}}\n'
            f'surfaces: {{boochat: }}\ngateway: {{listen: "{listen}"}}\n'
        )

    specs = (MachineSpec("box", models=(SimulatedModel("qwen3-8b"),)),)
    folder: Path = tmp_path_factory.mktemp("status")
    with running_stack(folder, specs, fleet_yaml, online=("box",)) as stack:
        yield stack


def test_the_gateway_of_the_nearest_fleet_yaml_is_asked(stack: Stack) -> None:
    table = stack.fleet("status")
    assert table.returncode == 0, table.stderr
    assert "box" in table.stdout
    told = json.loads(stack.fleet("status", "--json").stdout)
    assert [item["status"] for item in told["providers"]] == ["online"]


def test_no_gateway_is_exit_code_4_with_what_to_do(tmp_path: Path) -> None:
    asked = run_fleet("status", "--url", f"http://127.0.0.1:{free_port()}", cwd=tmp_path)
    assert asked.returncode == 4
    assert "fleet serve" in asked.stderr
    assert "Traceback" not in asked.stderr
