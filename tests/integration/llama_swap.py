"""A real llama-swap on loopback, with responders of ours as its model processes."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from fleet_runtime.child_process import running
from tests.integration.processes import answers
from tests.support.paths import ROOT
from tests.support.ports import free_port
from tests.support.waiting import eventually


@dataclass(frozen=True, slots=True)
class Swapped:
    """A model as llama-swap's configuration names it; `context` is what its process has, `ttl` seconds."""

    id: str
    ttl: int = 0
    load_seconds: float = 0.0
    context: int = 8192
    purpose: str = "chat"
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LlamaSwap:
    """A running one. `processes` are the control planes of the models' processes, while they run."""

    name: str
    folder: Path
    url: str
    key: str | None
    processes: dict[str, str]

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        return httpx.request(
            method, f"{self.url}{path}", headers=headers, trust_env=False, timeout=60, **options
        )

    def states(self) -> dict[str, str]:
        """Each model that is not stopped, and its state."""
        return {entry["model"]: entry["state"] for entry in self.ask("GET", "/running").json()["running"]}

    def starts(self) -> list[str]:
        """The models whose processes were started, in order."""
        file = self.folder / "starts"
        return file.read_text(encoding="utf-8").splitlines() if file.exists() else []

    def requests(self, model: str) -> list[dict[str, Any]]:
        """What the model's process was asked, if it runs, health checks left out."""
        seen = httpx.get(f"{self.processes[model]}/_sim/requests", trust_env=False).json()["requests"]
        return [request for request in seen if request["target"] != "/health"]

    def behave(self, model: str, **behaviour: Any) -> None:
        self._control(model, "behaviour", behaviour)

    def release(self, model: str, pieces: int) -> None:
        """Let so many parts of a held response go; the next one is then waiting."""
        self._control(model, "release", {"chunks": pieces})
        eventually(lambda: bool(self._control(model, "release", {})["waiting"]))

    def await_requests(self, model: str, count: int) -> None:
        query = {"inference": "true", "at_least": str(count), "seconds": "20"}
        httpx.get(
            f"{self.processes[model]}/_sim/requests", params=query, trust_env=False, timeout=30
        ).raise_for_status()

    def await_state(self, model: str, state: str | None, seconds: float = 20) -> None:
        """Return once `/running` says so of `model`; None: it is not there."""
        eventually(lambda: self.states().get(model) == state, seconds)

    def _control(self, model: str, action: str, told: dict[str, Any]) -> Any:
        url = f"{self.processes[model]}/_sim/{action}"
        return httpx.post(url, json=told, trust_env=False).raise_for_status().json()


@contextmanager
def llama_swap(
    binary: Path,
    folder: Path,
    name: str,
    models: Sequence[Swapped],
    *,
    key: str | None = None,
    port: int = 0,
    **settings: Any,
) -> Iterator[LlamaSwap]:
    """`settings` are further ones of llama-swap's configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    described: dict[str, Any] = {}
    processes: dict[str, str] = {}
    for number, model in enumerate(models):
        ours, control = free_port(), free_port()
        processes[model.id] = f"http://127.0.0.1:{control}"
        responder = {
            "machine": name,
            "model": model.id,
            "port": ours,
            "control_port": control,
            "starts": "starts",
            "load_seconds": model.load_seconds,
            "context": model.context,
            "purpose": model.purpose,
        }
        (folder / f"model-{number}.json").write_text(json.dumps(responder), encoding="utf-8")
        described[model.id] = {
            "cmd": f"python -m tests.integration.responder model-{number}.json",
            "proxy": f"http://127.0.0.1:{ours}",
            "ttl": model.ttl,
            **model.settings,
        }
    config = {"healthCheckTimeout": 120, "models": described, **settings}
    if key is not None:
        config["apiKeys"] = [key]
    (folder / "config.yaml").write_text(json.dumps(config, indent=1), encoding="utf-8")
    listen = f"127.0.0.1:{port or free_port()}"
    command = [str(binary), "-config", str(folder / "config.yaml"), "-listen", listen]
    swap = LlamaSwap(name, folder, f"http://{listen}", key, processes)
    path = os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin"])
    env = {"PATH": path, "PYTHONPATH": str(ROOT), "HOME": str(folder)}
    with running(command, folder / "llama-swap.log", env, folder):
        eventually(lambda: answers(f"{swap.url}/health"))
        yield swap
