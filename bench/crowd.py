"""Many simulated machines, a fleet.yaml for them, and the gateway that watches its own event loop."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from bench.loop_holds import Holds
from fleet_runtime.child_process import free_port, running

ROOT: Final = Path(__file__).parent.parent
DESCRIPTORS: Final = 16_384
FLEET: Final = (sys.executable, "-m", "fleet_compiler")


@dataclass(frozen=True, slots=True)
class Crowd:
    """`folder` holds fleet.yaml; `controls` are the URLs at which the machines are controlled."""

    folder: Path
    listen: str
    controls: list[str]


@contextlib.contextmanager
def crowd(folder: Path, machines: int, models: int, inventory: str) -> Iterator[Crowd]:
    """Run `machines` in a process of their own, each with as many `models`; nothing is built.

    `inventory` is the value of that key in fleet.yaml. The limit of open files is raised meanwhile, if it may
    be.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, DESCRIPTORS), hard))
    listed = [{"id": f"qwen3-{number}b-instruct-GGUF-Q4_K_M"} for number in range(models)]
    specs = [
        {"name": f"m{number:03}", "models": listed, "behaviour": {"record": False}}
        for number in range(machines)
    ]
    folder.mkdir(exist_ok=True)
    (folder / "machines.json").write_text(json.dumps(specs))
    log = folder / "simulator.log"
    command = [sys.executable, "-m", "fleet_runtime.simulator", "machines.json"]
    try:
        with running(command, log, cwd=folder):
            wait_until(lambda: "\n" in log.read_text(), 60)
            found = json.loads(log.read_text().splitlines()[0])
            lines = "\n".join(f"  {name}: {machine['url']}" for name, machine in found.items())
            listen = f"127.0.0.1:{free_port()}"
            (folder / "fleet.yaml").write_text(
                f"version: 1\ndefault_provider: m000\nproviders:\n{lines}\nsurfaces: {{boochat: }}\n"
                f'gateway: {{listen: "{listen}"}}\ninventory: {inventory}\n'
            )
            yield Crowd(folder, listen, [machine["control_url"] for machine in found.values()])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def build(crowd: Crowd) -> None:
    """Run `fleet build`; RuntimeError with what it said if it fails."""
    built = subprocess.run([*FLEET, "build"], cwd=crowd.folder, capture_output=True, text=True, check=False)
    if built.returncode != 0:
        raise RuntimeError(built.stderr[-2000:])


@dataclass(frozen=True, slots=True)
class Watched:
    """A gateway whose loop is watched, all machines online."""

    client: httpx.Client
    holds: Holds
    pid: int


@contextlib.contextmanager
def gateway(crowd: Crowd) -> Iterator[Watched]:
    """Run the gateway on what was built."""
    holds = Holds(crowd.folder / "holds")
    command = [sys.executable, "-m", "bench.loop_holds", str(holds.path), "serve"]
    state = str(crowd.folder / "state")
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "STATE_DIRECTORY": state}
    with (
        running(command, crowd.folder / "gateway.log", environ, crowd.folder) as process,
        httpx.Client(base_url=f"http://{crowd.listen}", trust_env=False, timeout=60) as client,
    ):

        def all_online() -> bool:
            with contextlib.suppress(httpx.TransportError):
                providers = client.get("/api/fleet").json()["providers"]
                return all(provider["status"] == "online" for provider in providers)
            return False

        wait_until(all_online, 120)
        yield Watched(client, holds, process.pid)


def wait_until(condition: Callable[[], bool], seconds: float) -> None:
    """Return once `condition` holds; RuntimeError if it does not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"did not come true within {seconds:g} s")
        time.sleep(0.01)
