"""A key is replaced on two gateways under load, as docs/access.md says: no request fails."""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from fleet_runtime.artifacts.snapshot import load_snapshot
from fleet_runtime.simulator import ServerSpec, SimulatedModel, SimulationThread
from tests.support.fleet_process import fleet_running, run_fleet
from tests.support.ports import free_port
from tests.support.waiting import eventually

CLIENTS = 6
PAUSE_SECONDS = 0.01
"""Between two requests of a client: enough are in flight at any time, and the gateways can build."""

BODY = {"model": "box/m", "messages": [{"role": "user", "content": "hi"}]}


@dataclass
class Gateways:
    """The URLs of two gateways that serve what is built in `folder`; their keys are in files there."""

    folder: Path
    provider: str
    urls: list[str] = field(default_factory=list)

    def build(self, used: str, *keys: str) -> None:
        """Build with these keys, the client's file referring to `used`; return once the gateways serve it."""
        named = "".join(f"    {key}: {{file: keys/{key}}}\n" for key in keys)
        (self.folder / "fleet.yaml").write_text(
            f"version: 1\ndefault_provider: box\nproviders: {{box: {self.provider}}}\n"
            f"surfaces: {{chat: {{client: opencode, key: {used}}}}}\ngateway:\n  keys:\n{named}"
        )
        built = run_fleet("build", cwd=self.folder)
        assert built.returncode == 0, built.stderr
        assert f"keys/{used}}}" in (self.folder / "generated" / "opencode.json").read_text()
        serves, key = load_snapshot(self.folder / "generated").id, self.key(used)
        eventually(lambda: all(snapshot(url, key) == serves for url in self.urls), 20)

    def key(self, name: str) -> str:
        return (self.folder / "keys" / name).read_text()


def snapshot(url: str, key: str) -> str | None:
    """The snapshot that a gateway serves; None if it does not respond, or not to this key."""
    with contextlib.suppress(httpx.TransportError):
        asked = httpx.get(f"{url}/api/fleet", headers={"x-api-key": key}, verify=False, trust_env=False)
        if asked.status_code == 200:
            return str(asked.json()["snapshot"])
    return None


@pytest.fixture
def gateways(tmp_path: Path) -> Iterator[Gateways]:
    """Two gateways with one key, ``laptop``; that of ``laptop-2`` is in its file."""
    (tmp_path / "keys").mkdir()
    for name in ("laptop", "laptop-2"):
        (tmp_path / "keys" / name).write_text(secrets.token_urlsafe(24))
    specs = [ServerSpec("box", models=(SimulatedModel("m"),))]
    with SimulationThread(specs) as machines, contextlib.ExitStack() as stack:
        gateways = Gateways(tmp_path, machines.url("box"))
        gateways.build("laptop", "laptop")
        environ = {"STATE_DIRECTORY": str(tmp_path / "state")}
        for address in (f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"):
            served = fleet_running(
                "serve", "--listen", address, log=tmp_path / "gateways.log", cwd=tmp_path, env=environ
            )
            stack.enter_context(served)
            gateways.urls.append(f"http://{address}")
        gateways.build("laptop", "laptop")
        yield gateways


@dataclass
class Load:
    """Clients, each with a `key` that may change between two requests; `failed` are the responses other than
    200, `done` counts the requests of each."""

    urls: list[str]
    keys: list[str]
    done: list[int]
    failed: list[str] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def run(self, number: int) -> None:
        with httpx.Client(
            base_url=self.urls[number % 2], verify=False, trust_env=False, timeout=30
        ) as client:
            while not self.ended.wait(PAUSE_SECONDS):
                headers = {"authorization": f"Bearer {self.keys[number]}"}
                response = client.post("/chat/v1/chat/completions", json=BODY, headers=headers)
                self.done[number] += 1
                if response.status_code != 200:
                    self.failed.append(response.text)

    def go_on(self) -> None:
        """Return once every client has made some more requests."""
        before = list(self.done)
        eventually(lambda: all(now > then + 3 for now, then in zip(self.done, before, strict=True)), 30)


def test_a_key_is_replaced_without_a_failed_request(gateways: Gateways) -> None:
    old, new = gateways.key("laptop"), gateways.key("laptop-2")
    load = Load(gateways.urls, [old] * CLIENTS, [0] * CLIENTS)
    with ThreadPoolExecutor(CLIENTS) as pool:
        clients = [pool.submit(load.run, number) for number in range(CLIENTS)]
        try:
            load.go_on()
            gateways.build("laptop", "laptop", "laptop-2")
            load.go_on()
            gateways.build("laptop-2", "laptop", "laptop-2")
            for number in range(CLIENTS):
                load.keys[number] = new
                load.go_on()
            gateways.build("laptop-2", "laptop-2")
            load.go_on()
        finally:
            load.ended.set()
    for client in clients:
        client.result()
    assert load.failed == [], f"{len(load.failed)} of {sum(load.done)}"
    for url in gateways.urls:
        assert (snapshot(url, old), snapshot(url, new) is None) == (None, False)
