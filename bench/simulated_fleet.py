"""Many simulated providers, a fleet.yaml for them, and a gateway that records the stalls of its event
loop."""

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

from bench.loop_stalls import LoopStalls
from fleet_runtime.child_process import free_port, running

ROOT: Final = Path(__file__).parent.parent
DESCRIPTORS: Final = 16_384
FLEET: Final = (sys.executable, "-m", "fleet_compiler")


@dataclass(frozen=True, slots=True)
class SimulatedFleet:
    """`folder` has fleet.yaml; `controls` are the URLs of the providers' control API."""

    folder: Path
    listen: str
    controls: list[str]


@contextlib.contextmanager
def simulated_fleet(folder: Path, providers: int, models: int, inventory: str) -> Iterator[SimulatedFleet]:
    """Run `providers` providers with `models` models each, in one separate process; nothing is built.

    `inventory` is the value of that key in fleet.yaml. The limit of open files is raised for the duration, if
    permitted.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, DESCRIPTORS), hard))
    listed = [{"id": f"qwen3-{number}b-instruct-GGUF-Q4_K_M"} for number in range(models)]
    specs = [
        {"name": f"m{number:03}", "models": listed, "behaviour": {"record": False}}
        for number in range(providers)
    ]
    folder.mkdir(exist_ok=True)
    (folder / "providers.json").write_text(json.dumps(specs))
    log = folder / "simulator.log"
    command = [sys.executable, "-m", "fleet_runtime.simulator", "providers.json"]
    try:
        with running(command, log, cwd=folder):
            wait_until(lambda: "\n" in log.read_text(), 60)
            found = json.loads(log.read_text().splitlines()[0])
            lines = "\n".join(f"  {name}: {provider['url']}" for name, provider in found.items())
            listen = f"127.0.0.1:{free_port()}"
            (folder / "fleet.yaml").write_text(
                f"version: 1\ndefault_provider: m000\nproviders:\n{lines}\nsurfaces: {{boochat: }}\n"
                f'gateway: {{listen: "{listen}"}}\ninventory: {inventory}\n'
            )
            yield SimulatedFleet(folder, listen, [provider["control_url"] for provider in found.values()])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def build(fleet: SimulatedFleet) -> None:
    """Run `fleet build`. RuntimeError with its output if it fails."""
    built = subprocess.run([*FLEET, "build"], cwd=fleet.folder, capture_output=True, text=True, check=False)
    if built.returncode != 0:
        raise RuntimeError(built.stderr[-2000:])


@dataclass(frozen=True, slots=True)
class RunningGateway:
    """A gateway with a monitored event loop; all providers are online."""

    client: httpx.Client
    stalls: LoopStalls
    pid: int


@contextlib.contextmanager
def gateway(fleet: SimulatedFleet) -> Iterator[RunningGateway]:
    """Run the gateway on the built files; yield it when all providers are online."""
    stalls = LoopStalls(fleet.folder / "stalls")
    command = [sys.executable, "-m", "bench.loop_stalls", str(stalls.path), "serve"]
    state = str(fleet.folder / "state")
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "STATE_DIRECTORY": state}
    with (
        running(command, fleet.folder / "gateway.log", environ, fleet.folder) as process,
        httpx.Client(base_url=f"http://{fleet.listen}", trust_env=False, timeout=60) as client,
    ):

        def all_online() -> bool:
            with contextlib.suppress(httpx.TransportError):
                providers = client.get("/api/fleet").json()["providers"]
                return all(provider["status"] == "online" for provider in providers)
            return False

        wait_until(all_online, 120)
        yield RunningGateway(client, stalls, process.pid)


def wait_until(condition: Callable[[], bool], seconds: float) -> None:
    """Return when `condition` is true. RuntimeError if it is not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"still not true after {seconds:g} s")
        time.sleep(0.01)
