"""The year of a fleet, by its commands alone: no comment, no fact of fleet.lock and no saved id is lost."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from fleet_compiler.lock.lockfile import load_lock
from fleet_runtime.artifacts.snapshot import load_snapshot
from fleet_runtime.child_process import running as child_running
from fleet_runtime.simulator import ServerSpec, SimulatedModel, SimulationThread
from tests.support.ports import free_port
from tests.support.previous_state import previous_state
from tests.support.up import running
from tests.support.waiting import eventually

SPECS = (
    ServerSpec("first", models=(SimulatedModel("qwen3-8b"), SimulatedModel("qwen3-4b"))),
    ServerSpec("second", kind="ollama", models=(SimulatedModel("gemma"),)),
    ServerSpec("third", kind="vllm", models=(SimulatedModel("phi"),)),
    ServerSpec("new-home", models=(SimulatedModel("qwen3-8b"), SimulatedModel("qwen3-4b"))),
)


@pytest.fixture
def servers() -> Iterator[SimulationThread]:
    with SimulationThread(SPECS) as running_servers:
        yield running_servers


class Year:
    """A folder with a fleet that a gateway serves, and the person who has it."""

    def __init__(self, folder: Path, gateway: str) -> None:
        self.folder = folder
        self.client = httpx.Client(base_url=gateway, verify=False, trust_env=False)
        self.comments = comments(folder)

    def fleet(self, *arguments: str) -> None:
        fleet(self.folder, *arguments)

    def resolves(self, saved: str, now: str) -> None:
        """Wait until the gateway resolves the id `saved` to `now`, as the fleet of this moment has it."""

        def is_resolved() -> bool:
            return bool(self.client.get("/api/resolve", params={"model": saved}).json()["id"] == now)

        eventually(is_resolved)

    def favorites(self) -> list[str]:
        found = self.client.get("/api/favorites").json()["favorites"]
        return [favorite["id"] for favorite in found]

    def models(self, provider: str) -> set[str]:
        return set(load_lock(self.folder / "fleet.lock").providers[provider].models)


def fleet(folder: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "fleet_compiler", *arguments]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def comments(folder: Path) -> list[str]:
    return re.findall(r"#.*", (folder / "fleet.yaml").read_text())


def annotate(folder: Path) -> None:
    """Write comments into fleet.yaml, and what a person adds: roles and an old name of a model."""
    path = folder / "fleet.yaml"
    lines = path.read_text().splitlines()
    noted = [
        line if not line or line.startswith("#") else f"{line} # line {n}" for n, line in enumerate(lines)
    ]
    noted.append("roles: {default: [local-llama-swap/qwen3-8b, local-ollama/gemma]}   # the best first")
    noted.append("aliases:   # old names")
    noted.append("  favourite: local-llama-swap/qwen3-4b   # of the first month")
    path.write_text("\n".join(noted) + "\n")


@pytest.mark.slow
def test_the_year_of_a_fleet(
    tmp_path: Path, servers: SimulationThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    folder = tmp_path / "fleet"
    folder.mkdir()
    servers.set("new-home", offline=True)
    fleet(folder, "init", "--scan", *(urlsplit(servers.url(name)).netloc for name in ("first", "second")))
    annotate(folder)
    with running(folder) as up:
        year = Year(folder, f"http://127.0.0.1:{up.port}")

        year.resolves("local-llama-swap/qwen3-8b", "local-llama-swap/qwen3-8b")
        for id in ("local-llama-swap/qwen3-8b", "local-ollama/gemma"):
            assert year.client.put(f"/api/favorites/{id}").status_code == 200

        year.fleet("rename", "local-llama-swap", "box")
        year.fleet("rename", "local-ollama", "attic")
        year.resolves("local-ollama/gemma", "attic/gemma")
        assert year.favorites() == ["box/qwen3-8b", "attic/gemma"]

        year.fleet("add", "shed", servers.url("third"), "--yes")
        year.resolves("shed/phi", "shed/phi")

        servers.set("first", offline=True)
        year.fleet("move", "box", servers.url("new-home"))
        year.fleet("rename", "box", "living-room")
        assert year.models("living-room") == {"qwen3-8b", "qwen3-4b"}
        for saved in ("local-llama-swap/qwen3-4b", "box/qwen3-4b", "favourite"):
            year.resolves(saved, "living-room/qwen3-4b")
        assert year.favorites() == ["living-room/qwen3-8b", "attic/gemma"]

        servers.set("new-home", offline=False)
        year.fleet("lock", "living-room")
        assert load_lock(folder / "fleet.lock").providers["living-room"].stale is None

        year.fleet("remove", "shed")
        year.resolves("@default", "living-room/qwen3-8b")
        assert year.favorites() == ["living-room/qwen3-8b", "attic/gemma"]
        assert year.comments == comments(folder)
        assert year.models("attic") == {"gemma"}
        year.client.close()


def release(folder: Path, day: str, url: str, listen: str, models: str) -> None:
    """Build one release of a configuration, in a folder for itself."""
    folder = folder / "releases" / day
    folder.mkdir(parents=True)
    box = f'box: {{url: "{url}", models: [{models}]}}'
    (folder / "fleet.yaml").write_text(
        f'version: 1\ndefault_provider: box\nproviders: {{{box}}}\ngateway: {{listen: "{listen}"}}\n',
        encoding="utf-8",
    )
    fleet(folder, "build")


def test_a_release_that_is_rolled_back_keeps_every_favorite(
    tmp_path: Path, servers: SimulationThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As docs/deploy.md says: releases next to each other, a link that is swapped, and restarts."""
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    listen = f"127.0.0.1:{free_port()}"
    old, new = "2026-11-20", "2026-11-21"
    for day, models in ((old, "qwen3-8b"), (new, "qwen3-8b, qwen3-4b")):
        release(tmp_path, day, servers.url("first"), listen, models)
    with previous_state(tmp_path / "releases" / old / ".fleet" / "state.db") as of_an_earlier_version:
        of_an_earlier_version.add("box/qwen3-8b", 1.0)
    saved = ["box/qwen3-8b"]
    command = [sys.executable, "-m", "fleet_compiler", "serve", "--generated", "current/generated"]

    def serves(day: str) -> bool:
        with contextlib.suppress(httpx.TransportError):
            built = load_snapshot(tmp_path / "releases" / day / "generated").id
            return bool(client.get("/ready").json()["snapshot"] == built)
        return False

    for days in ((old, new, old), (new, old), (new,)):
        with (
            httpx.Client(base_url=f"http://{listen}", verify=False, trust_env=False) as client,
            contextlib.ExitStack() as life,
        ):
            for day in days:
                subprocess.run(["ln", "-sfn", f"releases/{day}", "current"], cwd=tmp_path, check=True)
                if day is days[0]:
                    life.enter_context(child_running(command, tmp_path / "log", os.environ, tmp_path))
                eventually(lambda day=day: serves(day), 30)  # type: ignore[misc]
                saved.append(f"box/m{len(saved)}")
                assert client.put(f"/api/favorites/{saved[-1]}").status_code == 200
                found = client.get("/api/favorites").json()["favorites"]
                assert [favorite["id"] for favorite in found] == saved
