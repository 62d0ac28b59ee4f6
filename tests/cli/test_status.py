"""`fleet status` at a glance (fleet_runtime.commands.status)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import httpx
import pytest
from msgspec import structs

from fleet_runtime.api.examples import EXAMPLES
from fleet_runtime.api.shapes import FleetStatus, ProviderReport, StoreState
from fleet_runtime.commands.status import overview
from fleet_runtime.simulator import ServerSpec, SimulatedModel, SimulationThread
from tests.support.fleet_process import fleet_running, run_fleet
from tests.support.ports import free_port
from tests.support.stack import Stack, running_stack
from tests.support.waiting import eventually, listens

NOW = datetime(2026, 11, 21, 20, 0, 0, tzinfo=UTC)


def provider(name: str, **more: Any) -> ProviderReport:
    (example,) = (each for each in EXAMPLES.values() if isinstance(each, ProviderReport))
    fields = {
        "since": "2026-11-21T19:57:00Z",
        "models": 6,
        "loaded": (),
        "latency": 0.0042,
        "in_flight": {},
    }
    return structs.replace(example, name=name, **fields | more)


def fleet(*providers: ProviderReport, **more: Any) -> FleetStatus:
    (example,) = (each for each in EXAMPLES.values() if isinstance(each, FleetStatus))
    return structs.replace(example, providers=providers, **more)


def shown(fleet: FleetStatus) -> list[str]:
    return click.unstyle(overview(fleet, NOW)).splitlines()


def test_each_provider_is_one_line() -> None:
    lines = shown(
        fleet(
            provider("sam-desktop", loaded=("qwen3-8b",), in_flight={"qwen3-8b": 2}, waiting=1),
            provider("embedding", status="offline", since="2026-11-20T18:00:00Z", reason="no route"),
        )
    )
    assert lines == [
        "provider     status   since  models  latency  loaded    in flight               last error",
        "sam-desktop  online   3 min  6       4 ms     qwen3-8b  qwen3-8b ×2, 1 waiting  -",
        "embedding    offline  1 d    6       -        -         -                       no route",
    ]


def test_what_else_is_wrong_is_below() -> None:
    store = StoreState(state="down", since="2026-11-21T20:00:00Z", where="x", reason="the disk is full")
    text = "\n".join(shown(fleet(refused="bad hash", needs_restart=("listen",), store=store)))
    for part in ("bad hash", "restart: listen", "the disk is full"):
        assert part in text


@pytest.mark.parametrize("name", ["online-box", "offline", "failing"])
def test_the_color_is_on_the_status_and_not_on_a_name_like_it(name: str) -> None:
    line = overview(fleet(provider(name, status="degraded")), NOW).splitlines()[1]
    assert line.startswith(name)
    assert f"  {click.style('failing', fg='red')}  " in line


def test_control_characters_of_a_provider_are_shown_as_escapes() -> None:
    text = overview(fleet(provider("box", loaded=("\x1b[2J\u202e",), reason="\x9b31m"), refused="\x07"), NOW)
    assert click.unstyle(text).replace("\n", "").isprintable()
    assert "\\x1b[2J\\u202e" in text


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    def fleet_yaml(machines: SimulationThread, listen: str) -> str:
        return (
            f'version: 1\ndefault_provider: box\nproviders: {{box: "{machines.url("box")}"}}\n'
            f'surfaces: {{boochat: }}\ngateway: {{listen: "{listen}"}}\n'
        )

    specs = (ServerSpec("box", models=(SimulatedModel("qwen3-8b"),)),)
    folder: Path = tmp_path_factory.mktemp("status")
    with running_stack(folder, specs, fleet_yaml, online=("box",)) as stack:
        yield stack


def test_the_gateway_of_the_nearest_fleet_yaml_is_used(stack: Stack) -> None:
    table = stack.fleet("status")
    assert table.returncode == 0, table.stderr
    assert "box" in table.stdout
    told = json.loads(stack.fleet("status", "--json").stdout)
    assert [item["status"] for item in told["providers"]] == ["online"]


def test_of_several_gateways_the_snapshots_are_compared(stack: Stack, tmp_path: Path) -> None:
    same = stack.fleet("status", "--url", stack.url, "--url", f"{stack.url}/")
    assert same.returncode == 0, same.stderr
    assert same.stdout.count("1 of 1 online") == 2
    newer = stack.folder / "fleet.yaml"
    (tmp_path / "fleet.yaml").write_text(newer.read_text().replace("surfaces: {boochat: }", "roles: {}"))
    (tmp_path / "state").mkdir()
    assert run_fleet("build", cwd=tmp_path).returncode == 0
    listen = f"127.0.0.1:{free_port()}"
    env = {"STATE_DIRECTORY": str(tmp_path)}
    with fleet_running("serve", "--listen", listen, log=tmp_path / "log", cwd=tmp_path, env=env):
        eventually(lambda: listens(int(listen.partition(":")[2])), 30)
        urls = ("--url", stack.url, "--url", f"http://{listen}")
        different = stack.fleet("status", *urls)
        assert different.returncode == 1
        assert "different snapshots" in different.stdout
        told = json.loads(stack.fleet("status", "--json", *urls).stdout)
        assert (told["same"], len({each["snapshot"] for each in told["gateways"]})) == (False, 2)
        unknown, id = f"http://{listen}/api/resolve?model=newer/m", told["gateways"][1]["snapshot"]
        eventually(lambda: id[:19] in httpx.get(unknown).text)  # once its provider was probed
        path = httpx.get(f"http://{listen}/providers/newer/v1/models")
        assert path.status_code == 404
        assert id[:19] in path.text
    gone = stack.fleet("status", *urls)
    assert (gone.returncode, "does not respond" in gone.stdout) == (4, True)


def test_a_provider_that_rejects_connections_is_failing_in_its_grace_and_in_every_width(stack: Stack) -> None:
    stack.machines.set("box", offline=True)
    stack.client.post("/api/fleet/box/refresh")
    eventually(lambda: stack.client.get("/api/fleet").json()["providers"][0]["reason"] is not None)
    (row,) = stack.fleet("status").stdout.splitlines()[1:]
    stack.machines.set("box", offline=False)
    stack.client.post("/api/fleet/box/refresh")
    assert row.split()[:2] == ["box", "failing"]
    assert row.endswith("connection refused")


def test_no_gateway_is_exit_code_4_with_what_to_do(tmp_path: Path) -> None:
    asked = run_fleet("status", "--url", f"http://127.0.0.1:{free_port()}", cwd=tmp_path)
    assert asked.returncode == 4
    assert "does not respond (connection refused): start it with `fleet up`" in asked.stderr
