"""A complete fleet on 127.0.0.1: simulated providers, and real `fleet build` and `fleet serve`."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from fleet_runtime.simulator import ServerSpec, SimulationThread
from tests.support.fleet_process import FleetProcess, fleet_running, run_fleet
from tests.support.ports import free_port
from tests.support.waiting import eventually

START_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Stack:
    """`folder` holds fleet.yaml and generated/; `client` asks the gateway, which is `process`."""

    folder: Path
    machines: SimulationThread
    process: FleetProcess
    client: httpx.Client

    @property
    def url(self) -> str:
        return str(self.client.base_url).rstrip("/")

    @property
    def log(self) -> str:
        return (self.folder / "gateway.log").read_text(errors="replace")

    def fleet(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return run_fleet(*arguments, cwd=self.folder)

    def status(self, provider: str) -> str:
        """The gateway's status of a provider."""
        providers = self.client.get("/api/models").json()["providers"]
        return str(next(item["status"] for item in providers if item["name"] == provider))

    def chat(self, model: str, surface: str = "boochat", **more: object) -> httpx.Response:
        body = {"model": model, "messages": [{"role": "user", "content": "hi"}], **more}
        return self.client.post(f"/{surface}/v1/chat/completions", json=body)


@contextlib.contextmanager
def running_stack(
    folder: Path,
    specs: Iterable[ServerSpec],
    fleet_yaml: Callable[[SimulationThread, str], str],
    env: Mapping[str, str] | None = None,
    online: Iterable[str] = (),
    host: str = "127.0.0.1",
) -> Iterator[Stack]:
    """Start everything, `fleet_yaml` being told the providers and where to listen; wait for the providers
    `online` to have been seen."""
    with SimulationThread(specs) as machines:
        listen = f"{host}:{free_port()}"
        (folder / "fleet.yaml").write_text(fleet_yaml(machines, listen), encoding="utf-8")
        built = run_fleet("build", cwd=folder, env=env)
        assert built.returncode == 0, built.stderr
        with serving(folder, machines, listen, env) as stack:
            for name in online:
                eventually(lambda name=name: stack.status(name) == "online")  # type: ignore[misc]
            yield stack


@contextlib.contextmanager
def serving(
    folder: Path, machines: SimulationThread, listen: str, env: Mapping[str, str] | None = None
) -> Iterator[Stack]:
    """`fleet serve` on a built folder, stopped at the end."""
    env = {"STATE_DIRECTORY": str(folder / "state"), **(env or {})}
    with (
        fleet_running("serve", log=folder / "gateway.log", cwd=folder, env=env) as process,
        httpx.Client(base_url=f"http://{listen}", timeout=30, verify=False, trust_env=False) as client,
    ):
        stack = Stack(folder, machines, process, client)
        eventually(lambda: _answers(stack), START_SECONDS)
        yield stack


def _answers(stack: Stack) -> bool:
    assert stack.process.poll() is None, stack.log
    with contextlib.suppress(httpx.TransportError):
        return stack.client.get("/health").status_code == 200
    return False
