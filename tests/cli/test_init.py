"""``fleet init``."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from fleet_compiler.load import load_fleet
from fleet_runtime.simulator import ServerSpec, SimulatedModel, SimulationThread
from tests.cli.conftest import Fleet
from tests.support.relay import Relay, relay

PEER = f"127.77.{os.getpid() >> 8 & 255}.{os.getpid() & 255}"
"""The peer's address: another one in each process, because its port is fixed."""

MODELS = (SimulatedModel("qwen3-8b"), SimulatedModel("qwen3-4b"))


@pytest.fixture(scope="module")
def machines() -> Iterator[SimulationThread]:
    specs = [ServerSpec("box", models=MODELS), ServerSpec("attic", kind="ollama", models=MODELS[:1])]
    with SimulationThread(specs) as running:
        yield running


def address(machines: SimulationThread, name: str) -> str:
    return urlsplit(machines.url(name)).netloc


def test_the_smallest_fleet_is_valid_and_says_what_to_do_next(fleet: Fleet, tmp_path: Path) -> None:
    ran = fleet("init")
    assert (ran.code, ran.out) == (0, "wrote fleet.yaml\n")
    assert ran.err == "next: write the address of your server into it, then `fleet up`\n"
    text = (tmp_path / "fleet.yaml").read_text()
    assert text.startswith("# yaml-language-server: $schema=generated/fleet.schema.json\n")
    assert "  local: http://127.0.0.1:8080      # the address of your server\n" in text
    assert fleet("validate", "--strict").code == 0


def test_the_commented_lines_are_valid_too(fleet: Fleet, tmp_path: Path) -> None:
    fleet("init")
    path = tmp_path / "fleet.yaml"
    path.write_text(path.read_text().replace("# roles:", "roles:").replace("#   task:", "  task:"))
    assert fleet("validate").code == 0
    assert load_fleet(path).fleet.roles == {"task": ("local/MODEL",)}


@pytest.mark.parametrize("arguments", [(), ("--scan", "127.0.0.1:9")])
def test_an_existing_file_is_never_touched(fleet: Fleet, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    path = tmp_path / "fleet.yaml"
    path.write_text("mine")
    ran = fleet("init", *arguments)
    assert (ran.code, path.read_text()) == (2, "mine")
    assert ran.err == ("error: 'fleet.yaml' already exists: `fleet add NAME URL` adds a provider to it\n")


def test_a_link_to_nowhere_is_an_existing_file(fleet: Fleet, tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").symlink_to("elsewhere")
    assert fleet("init").code == 2
    assert not (tmp_path / "elsewhere").exists()


def test_the_file_can_have_another_place(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet("init", "-f", "home/fleet.yaml")
    monkeypatch.setenv("FLEET_CONFIG", str(tmp_path / "named.yaml"))
    fleet("init")
    assert (tmp_path / "home" / "fleet.yaml").read_text() == (tmp_path / "named.yaml").read_text()


def test_a_scan_writes_a_line_for_each_server_that_responds(
    fleet: Fleet, tmp_path: Path, machines: SimulationThread
) -> None:
    box, attic = address(machines, "box"), address(machines, "attic")
    ran = fleet("init", "--scan", box, f"http://{attic}/v1/", "127.0.0.1:9")
    assert (ran.code, ran.out) == (0, "wrote fleet.yaml with 2 providers\n")
    assert sorted(ran.err.splitlines()) == sorted([
        f"http://{box}: llama-swap, 2 models",
        f"http://{attic}: ollama, 1 model",
        "next: `fleet up`",
    ])  # fmt: skip
    text = (tmp_path / "fleet.yaml").read_text()
    assert "default_provider: local-llama-swap  # the provider of bare model ids\n" in text
    assert f"  local-llama-swap: http://{box}  # llama-swap, 2 models\n" in text
    assert f"  local-ollama: http://{attic}      # ollama, 1 model\n" in text
    assert fleet("build").code == 0
    assert len(load_fleet(tmp_path / "fleet.yaml").fleet.providers) == 2


def test_a_server_that_requires_a_key_gets_a_variable_for_it_and_is_not_the_default(
    fleet: Fleet, tmp_path: Path, machines: SimulationThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SimulationThread([ServerSpec("cellar", kind="vllm", models=MODELS, api_key="sesame")]) as keyed:
        cellar = address(keyed, "cellar")
        port = cellar.partition(":")[2]
        ran = fleet("init", "--scan", cellar, address(machines, "box"))
        assert (
            f"warning: 'local-{port}' requires an API key: `export LOCAL_{port}_API_KEY=…` before `fleet up`"
        ) in ran.err
        text = (tmp_path / "fleet.yaml").read_text()
        assert "default_provider: local-llama-swap " in text
        assert f"  local-{port}: {{url: http://{cellar}, api_key_env: LOCAL_{port}_API_KEY}}" in text
        monkeypatch.setenv(f"LOCAL_{port}_API_KEY", "sesame")
        assert f"+ local-{port}: 2 models" in fleet("build").out


def test_a_scan_that_finds_nothing_writes_nothing(fleet: Fleet, tmp_path: Path) -> None:
    ran = fleet("init", "--scan", "127.0.0.1:9")
    assert (ran.code, list(tmp_path.iterdir())) == (4, [])
    assert ran.err.endswith("error: no server responded; nothing was written\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--scan",), "--scan needs a HOST"),
        (("box",), "hosts go with --scan: fleet init --scan box"),
        (("--scan", "ftp://box"), "'ftp://box' is not a host"),
        (("--scan", "https://box"), "'https://box' cannot be scanned, only http://HOST:PORT can: "),
    ],
)
def test_wrong_usage_is_reported(fleet: Fleet, arguments: tuple[str, ...], message: str) -> None:
    ran = fleet("init", *arguments)
    assert ran.code == 2
    assert ran.err.startswith(f"error: {message}")


@pytest.fixture
def peer(machines: SimulationThread) -> Iterator[Relay]:
    """A host of the tailnet with a llama-swap on its usual port."""
    host, port = address(machines, "box").split(":")
    with relay(PEER, (host, int(port)), port=8080) as server:
        yield server


@pytest.fixture
def tailscale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, peer: Relay) -> Path:
    """A stand-in for the program, on PATH."""
    status = {
        "BackendState": "Running",
        "Self": {"HostName": "laptop", "DNSName": "laptop.tail1.ts.net.", "OS": "linux"},
        "Peer": {
            "nodekey:01": {
                "HostName": "box",
                "DNSName": "sam-desktop.tail1.ts.net.",
                "OS": "linux",
                "TailscaleIPs": [PEER],
                "Online": True,
            },
            "nodekey:02": {
                "HostName": "off",
                "DNSName": "off.tail1.ts.net.",
                "OS": "linux",
                "TailscaleIPs": ["127.0.0.78"],
                "Online": False,
            },
        },
    }
    program = tmp_path / "bin" / "tailscale"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n[ \"$*\" = 'status --json' ] && cat <<'END'\n{json.dumps(status)}\nEND\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return program


def test_the_hosts_of_a_tailnet_are_shown_and_probed(fleet: Fleet, tmp_path: Path, tailscale: Path) -> None:
    ran = fleet("init", "--tailnet", "--yes")
    assert ran.code == 0
    assert ran.err.startswith(
        f"  127.0.0.1        laptop\n  {PEER:<15}  sam-desktop\n  (1 host more offline)\n"
    )
    providers = load_fleet(tmp_path / "fleet.yaml").fleet.providers
    assert providers["sam-desktop"].url == f"http://{PEER}:8080"


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 130)])
def test_hosts_of_a_tailnet_are_probed_only_after_a_yes(
    tmp_path: Path, tailscale: Path, peer: Relay, answer: str, code: int
) -> None:
    ours, theirs = pty.openpty()
    os.write(ours, answer.encode())
    program = [sys.executable, "-m", "fleet_compiler", "init", "--tailnet"]
    ran = subprocess.run(program, cwd=tmp_path, stdin=theirs, capture_output=True, text=True, check=False)
    os.close(ours)
    os.close(theirs)
    assert "probe the ports 8080, 11434, 8000 and 1234 of 2 hosts? [Y/n]" in ran.stderr
    assert (ran.returncode, peer.connections > 0) == (code, code == 0)
    assert (tmp_path / "fleet.yaml").exists() is (code == 0)


def test_without_a_terminal_a_tailnet_wants_yes(tmp_path: Path, tailscale: Path, peer: Relay) -> None:
    program = [sys.executable, "-m", "fleet_compiler", "init", "--tailnet"]
    ran = subprocess.run(
        program, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, peer.connections) == (2, 0)
    assert ran.stderr.endswith("error: cannot ask without a terminal: add --yes\n")


def test_a_missing_tailscale_is_reported(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    ran = fleet("init", "--tailnet", "--yes")
    assert (ran.code, ran.err) == (
        2,
        "error: `tailscale` is not on PATH: install it, or name the hosts with --scan\n",
    )


def test_a_folder_is_not_a_file_to_add_to(fleet: Fleet, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    ran = fleet("init", "-f", "home")
    assert (ran.code, ran.err) == (
        2,
        "error: 'home' is a folder: name the file to write, like home/fleet.yaml\n",
    )
