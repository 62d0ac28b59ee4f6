"""The demo's processes: simulated servers in this process, compiler and gateway as child processes."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from fleet_runtime.child_process import free_port, running
from fleet_runtime.demo.fleet import CLOUD_KEY, CLOUD_KEY_VARIABLE, demo_fleet_yaml, demo_servers
from fleet_runtime.simulator import SimulationThread

PREFERRED_PORT = 8400
START_SECONDS = 20.0


class DemoError(Exception):
    """A part of the demo did not start or failed; the message names it."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A running demo: its folder (with fleet.yaml and generated/), its servers and its gateway's URL."""

    folder: Path
    servers: SimulationThread
    url: str

    @property
    def fleet_yaml(self) -> Path:
        return self.folder / "fleet.yaml"

    @property
    def build_command(self) -> str:
        """The build command as it would be typed."""
        return self.command("build", "-f", str(self.fleet_yaml))

    def command(self, *arguments: str) -> str:
        """Return a command of fleet as it would be typed."""
        return shlex.join([_fleet_name(), *arguments])

    def build(self) -> str:
        """Run the compiler and return its standard output."""
        done = subprocess.run(  # noqa: S603
            [*_fleet(), "build", "-f", str(self.fleet_yaml)], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise DemoError(f"`{self.build_command}` failed:\n{done.stderr}")
        return done.stdout


@contextlib.contextmanager
def set_stage() -> Iterator[Stage]:
    """Start everything in a temporary folder, and always remove it at the end."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fleet-demo-")))
        servers = stack.enter_context(SimulationThread(demo_servers()))
        listen = f"127.0.0.1:{free_port(PREFERRED_PORT)}"
        stage = Stage(folder, servers, f"http://{listen}")
        stage.fleet_yaml.write_text(demo_fleet_yaml(servers, listen), encoding="utf-8")
        stage.build()
        stack.enter_context(_gateway(stage))
        yield stage


@contextlib.contextmanager
def _gateway(stage: Stage) -> Iterator[None]:
    log = stage.folder / "gateway.log"
    command = [*_fleet(), "serve", "--generated", str(stage.folder / "generated")]
    env = os.environ | {CLOUD_KEY_VARIABLE: CLOUD_KEY, "STATE_DIRECTORY": str(stage.folder / "state")}
    with running(command, log, env, own_session=True) as process:  # Ctrl-C reaches the demo alone
        _await_ready(stage, process, log)
        yield


def _await_ready(stage: Stage, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the gateway responds and has probed every provider once."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise DemoError(f"the gateway did not start:\n{log.read_text(errors='replace')}")
        with contextlib.suppress(httpx.TransportError):
            catalog = httpx.get(f"{stage.url}/api/models", trust_env=False).json()
            local = [provider for provider in catalog["providers"] if provider["class"] == "local"]
            if all(provider["status"] == "online" for provider in local):
                return
        time.sleep(0.05)
    raise DemoError(f"the gateway was not ready within {START_SECONDS:g} s")


def _fleet() -> list[str]:
    return [sys.executable, "-m", "fleet_compiler"]


def _fleet_name() -> str:
    beside = Path(sys.executable).with_name("fleet")
    return "fleet" if shutil.which("fleet") or not beside.exists() else str(beside)
