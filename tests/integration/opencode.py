"""opencode as a person runs it, in a home of its own, offline: only its configuration comes from here."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fleet_runtime.child_process import running
from tests.integration.processes import answers, finished
from tests.support.ports import free_port
from tests.support.waiting import eventually

RUN_SECONDS = 150.0


@dataclass(frozen=True, slots=True)
class Run:
    """One ``opencode run --format json``: its events, in order, and how long it took."""

    code: int
    events: list[dict[str, Any]]
    stderr: str
    seconds: float

    @property
    def text(self) -> str:
        return "".join(event["part"]["text"] for event in self.events if event["type"] == "text")

    @property
    def tools(self) -> list[dict[str, Any]]:
        return [event["part"] for event in self.events if event["type"] == "tool_use"]

    @property
    def errors(self) -> list[dict[str, Any]]:
        return [event["error"] for event in self.events if event["type"] == "error"]


@dataclass(frozen=True, slots=True)
class Opencode:
    """`config` is all it knows; `folder` becomes its home and its working folder. Whatever it asks of
    another address than loopback goes to `proxy`."""

    binary: Path
    config: Path
    folder: Path
    proxy: str

    @property
    def work(self) -> Path:
        return self.folder / "work"

    def environment(self) -> dict[str, str]:
        """Made from nothing: a key of a cloud in the environment would switch that cloud on."""
        home = self.folder / "home"
        folders = {
            f"XDG_{kind}_HOME": str(home / kind.lower()) for kind in ("CONFIG", "DATA", "STATE", "CACHE")
        }
        return {
            "PATH": "/usr/bin:/bin",
            "HOME": str(home),
            **folders,
            "OPENCODE_CONFIG": str(self.config),
            "OPENCODE_DISABLE_PROJECT_CONFIG": "1",
            "OPENCODE_DISABLE_MODELS_FETCH": "1",
            "OPENCODE_DISABLE_AUTOUPDATE": "1",
            "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
            "OPENCODE_DISABLE_DEFAULT_PLUGINS": "1",
            "HTTP_PROXY": self.proxy,
            "HTTPS_PROXY": self.proxy,
            "NO_PROXY": "127.0.0.1,localhost",
        }

    def command(self, *arguments: str, seconds: float = RUN_SECONDS) -> subprocess.CompletedProcess[str]:
        self._make_folders()
        return finished([str(self.binary), *arguments], self.work, self.environment(), seconds)

    def models(self) -> list[str]:
        listed = self.command("models")
        assert listed.returncode == 0, listed.stderr
        return listed.stdout.split("\n")[:-1]

    def run(
        self, prompt: str, model: str | None = None, *, titled: bool = True, seconds: float = RUN_SECONDS
    ) -> Run:
        """One prompt; `titled` gives the session its title, so that no model is asked for one."""
        title = ("--title", "t") if titled else ()
        chosen = ("-m", model) if model else ()
        began = time.monotonic()
        done = self.command("run", *title, "--format", "json", *chosen, prompt, seconds=seconds)
        events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        return Run(done.returncode, events, done.stderr, time.monotonic() - began)

    @contextmanager
    def server(self) -> Iterator[str]:
        """``opencode serve``; its URL."""
        self._make_folders()
        port = free_port()
        command = [str(self.binary), "serve", "--hostname", "127.0.0.1", "--port", str(port)]
        url = f"http://127.0.0.1:{port}"
        with running(command, self.folder / "serve.log", self.environment(), self.work):
            eventually(lambda: answers(f"{url}/global/health"), 60)
            yield url

    def _make_folders(self) -> None:
        for folder in (self.work, self.folder / "home"):
            folder.mkdir(parents=True, exist_ok=True)
