"""A thousand machines with twenty models each: built from nothing, listed and watched."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from bench.loop_holds import Holds
from fleet_compiler.lock.lockfile import load_lock
from fleet_runtime.child_process import free_port, running
from tests.support.measure import in_milliseconds
from tests.support.paths import ROOT
from tests.support.stack import run_fleet
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow
MACHINES, MODELS = 1000, 20
REPORTS, READS, ATTEMPTS = 4, 20, 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """fleet.yaml of a fleet whose machines run, and nothing built."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 16_384), hard))
    folder = tmp_path_factory.mktemp("thousand")
    models = [{"id": f"qwen3-{number}b-instruct-GGUF-Q4_K_M"} for number in range(MODELS)]
    specs = [{"name": f"m{n:03}", "models": models, "behaviour": {"record": False}} for n in range(MACHINES)]
    (folder / "machines.json").write_text(json.dumps(specs))
    command = [sys.executable, "-m", "fleet_runtime.simulator", "machines.json"]
    with contextlib.ExitStack() as stack:
        said = folder / "simulator.log"
        stack.enter_context(running(command, said, cwd=folder))
        eventually(lambda: "\n" in said.read_text(), 60)
        machines = json.loads(said.read_text().splitlines()[0])
        lines = "\n".join(f"  {name}: {machine['url']}" for name, machine in machines.items())
        (folder / "fleet.yaml").write_text(
            f"version: 1\ndefault_provider: m000\nproviders:\n{lines}\nsurfaces: {{boochat: }}\n"
            f'gateway: {{listen: "127.0.0.1:{free_port()}"}}\n'
            "inventory: {interval: 60, timeout: 5, grace: 60}\n"
        )
        yield folder
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_thousand_machines_are_listed_by_the_first_build(folder: Path) -> None:
    began = time.monotonic()
    built = run_fleet("build", cwd=folder)
    seconds = time.monotonic() - began
    assert built.returncode == 0, built.stderr[-2000:]
    found = load_lock(folder / "fleet.lock").providers
    assert sum(len(provider.models) for provider in found.values()) == MACHINES * MODELS
    print(f"a cold build of {MACHINES} machines: {seconds:.1f} s")
    assert seconds < 30, "10 s on two processors with nothing else to do"


@pytest.fixture(scope="module")
def gateway(folder: Path) -> Iterator[tuple[httpx.Client, Holds]]:
    """The gateway of that fleet once all machines are online, and what held up its event loop."""
    listen = (folder / "fleet.yaml").read_text().partition('listen: "')[2].partition('"')[0]
    assert (folder / "generated").exists() or run_fleet("build", cwd=folder).returncode == 0
    holds = Holds(folder / "holds")
    command = [sys.executable, "-m", "bench.loop_holds", str(holds.path), "serve"]
    with (
        running(command, folder / "gateway.log", {**os.environ, "PYTHONPATH": str(ROOT)}, folder),
        httpx.Client(base_url=f"http://{listen}", trust_env=False, timeout=60) as client,
    ):

        def all_online() -> bool:
            with contextlib.suppress(httpx.TransportError):
                providers = client.get("/api/fleet").json()["providers"]
                return all(provider["status"] == "online" for provider in providers)
            return False

        eventually(all_online, 120)
        yield client, holds


@pytest.mark.parametrize("path", ["/metrics", "/api/fleet", "/api/findings", "/api/picker", "/api/models"])
def test_a_report_of_a_thousand_machines_never_holds_up_other_requests_for_20_ms(
    gateway: tuple[httpx.Client, Holds], path: str
) -> None:
    """A report is made at most once a second, so several are waited for; probes go on meanwhile."""
    client, holds = gateway
    longest = []
    for _ in range(ATTEMPTS):
        began = time.monotonic()
        seen: set[bytes] = set()
        while len(seen) < REPORTS and time.monotonic() < began + 10:
            client.post("/api/fleet/m001/refresh")
            response = client.get(path)
            assert response.status_code == 200
            seen.add(response.content)
        longest.append(holds.longest(began))
        if longest[-1] < 0.02:
            break
    print(f"{path}: {', '.join(f'{held * 1000:.1f} ms' for held in longest)}")
    assert min(longest) < 0.02


def test_the_picker_of_twenty_thousand_models_is_small_and_quick(
    gateway: tuple[httpx.Client, Holds],
) -> None:
    client, _ = gateway
    seconds, wire = [], 0
    for _ in range(READS):
        began = time.perf_counter()
        with client.stream("GET", "/api/picker", params={"surface": "boochat"}) as response:
            wire = sum(map(len, response.iter_raw()))
        seconds.append(time.perf_counter() - began)
        assert response.headers["content-encoding"] == "gzip"
    print(f"picker: {wire} bytes on the wire, {in_milliseconds(seconds)}")
    assert wire < 200_000
    assert min(seconds) < 0.01
