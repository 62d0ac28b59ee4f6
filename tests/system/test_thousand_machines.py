"""A thousand machines with twenty models each: built from nothing, listed and watched."""

from __future__ import annotations

import contextlib
import gzip
import json
import resource
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from fleet_compiler.lock.lockfile import load_lock
from fleet_runtime.child_process import free_port, running
from tests.support.measure import in_milliseconds
from tests.support.stack import FLEET, run_fleet
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow
MACHINES, MODELS = 1000, 20
SCRAPES = 10


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


def test_reports_of_a_thousand_machines_do_not_hold_up_the_gateway(folder: Path) -> None:
    text = (folder / "fleet.yaml").read_text()
    listen = text.partition('listen: "')[2].partition('"')[0]
    url = f"http://{listen}"
    with (
        running([*FLEET, "serve"], folder / "gateway.log", cwd=folder),
        httpx.Client(base_url=url, trust_env=False, timeout=60) as client,
        httpx.Client(base_url=url, trust_env=False, timeout=60) as scraper,
        ThreadPoolExecutor(1) as thread,
    ):

        def all_online() -> bool:
            with contextlib.suppress(httpx.TransportError):
                providers = client.get("/api/fleet").json()["providers"]
                return all(provider["status"] == "online" for provider in providers)
            return False

        eventually(all_online, 60)
        picker = client.get("/api/picker?surface=boochat", headers={"accept-encoding": "identity"}).content
        wire = len(gzip.compress(picker, 3))
        held = []
        for path in ("/metrics", "/api/fleet"):
            for _ in range(SCRAPES):
                scrape = thread.submit(scraper.get, path)
                while not scrape.done():
                    began = time.perf_counter()
                    client.get("/health")
                    held.append(time.perf_counter() - began)
                assert scrape.result().status_code == 200
        print(f"picker {wire} bytes on the wire; longest wait {in_milliseconds(held)}")
        assert wire < 250_000
        assert sorted(held)[len(held) // 2] < 0.02
