"""``fleet lock``."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleet_compiler.lock.lockfile import load_lock, save_lock
from fleet_compiler.lock.model import Lock
from fleet_runtime.simulator import ServerSpec, SimulatedModel, SimulationThread
from tests.cli.conftest import Fleet, one, write
from tests.support.projects import lock_of

NAMES = ("desk", "attic")
SHED = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def running() -> Iterator[SimulationThread]:
    models = (SimulatedModel("qwen3-8b", context=16384), SimulatedModel("qwen3-4b"))
    with SimulationThread([ServerSpec(name, models=models) for name in NAMES]) as machines:
        yield machines


@pytest.fixture
def machines(running: SimulationThread) -> SimulationThread:
    """Two providers in their initial state."""
    for name in NAMES:
        running.set(name, offline=False)
        running.reset(name)
    return running


@pytest.fixture
def locked(fleet: Fleet, tmp_path: Path, machines: SimulationThread) -> Path:
    """A fleet of both providers, and its lock."""
    write(
        tmp_path,
        f"""
        version: 1
        default_provider: desk
        providers:
          desk: {machines.url("desk")}
          attic: {machines.url("attic")}
          never: {{url: "http://127.0.0.1:9", poll: false, models: [m]}}
        """,
    )
    assert fleet("lock").code == 0
    return tmp_path / "fleet.lock"


def entries(lock: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(lock.read_text())["providers"]
    return found


def listing(*ids: str) -> str:
    return json.dumps({"data": [{"id": id} for id in ids]})


def test_every_polled_provider_is_locked(locked: Path, machines: SimulationThread) -> None:
    assert sorted(entries(locked)) == ["attic", "desk"]
    model = entries(locked)["desk"]["models"]["qwen3-8b"]
    assert (model["context"], model["context_source"]) == (16384, "listed")


def test_a_second_probe_changes_no_byte(fleet: Fleet, locked: Path) -> None:
    before = locked.stat()
    ran = fleet("lock")
    after = locked.stat()
    assert (ran.code, ran.out) == (0, "fleet.lock is up to date\n")
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_what_appeared_and_vanished_is_reported(
    fleet: Fleet, locked: Path, machines: SimulationThread
) -> None:
    machines.set("desk", list_body=listing("qwen3-4b", "new"))
    ran = fleet("lock", "desk")
    assert ran.code == 0
    assert ran.out.startswith("desk:\n  + new\n  - qwen3-8b\n")
    assert ran.out.endswith("wrote fleet.lock\n")
    assert sorted(entries(locked)["desk"]["models"]) == ["new", "qwen3-4b"]
    assert "attic" not in ran.err


def test_a_check_writes_nothing(fleet: Fleet, locked: Path, machines: SimulationThread) -> None:
    assert fleet("lock", "--check").code == 0
    before = locked.read_bytes()
    machines.set("desk", list_body=listing("new"))
    ran = fleet("lock", "--check")
    assert ran.code == 3
    assert "  + new" in ran.out
    assert ran.err.endswith("error: 'fleet.lock' is out of date: run `fleet lock`\n")
    assert locked.read_bytes() == before


def test_a_silent_provider_keeps_its_entry(fleet: Fleet, locked: Path, machines: SimulationThread) -> None:
    before = locked.read_bytes()
    machines.set("desk", offline=True)
    ran = fleet("lock")
    assert ran.code == 0
    assert "warning: desk: connection refused" in ran.err
    assert locked.read_bytes() == before


def test_a_lock_is_current_only_as_far_as_providers_responded(
    fleet: Fleet, locked: Path, machines: SimulationThread
) -> None:
    machines.set("desk", offline=True)
    for arguments in (["lock"], ["lock", "--check"]):
        ran = fleet(*arguments)
        assert (ran.code, ran.out) == (0, "fleet.lock is up to date, as far as 1 of 2 providers responded\n")


def test_another_address_is_probed_once(fleet: Fleet, locked: Path, machines: SimulationThread) -> None:
    """The entry is kept under the provider's own address, so that it counts."""
    own = machines.url("desk")
    machines.set("attic", list_body=listing("elsewhere"))
    ran = fleet("lock", "desk", "--at", f"{machines.url('attic')}/v1/")
    assert ran.code == 0
    assert entries(locked)["desk"]["url"] == own
    assert machines.url("attic") not in json.dumps(entries(locked)["desk"])
    assert list(entries(locked)["desk"]["models"]) == ["elsewhere"]
    assert fleet("build", "--frozen").code == 0
    assert "desk/elsewhere" in fleet("models").out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dexk"], "no provider 'dexk' in fleet.yaml; did you mean 'desk'"),
        (["never"], "provider 'never' has `poll: false` and is never probed"),
        (["--at", "http://127.0.0.1:9"], "--at needs exactly one NAME"),
        (["desk", "attic", "--at", "http://127.0.0.1:9"], "--at needs exactly one NAME"),
        (["desk", "--at", "127.0.0.1:9"], "'127.0.0.1:9' is not a URL"),
        (["desk", "--url", "http://127.0.0.1:9"], "write --at URL, or --from-gateway URL"),
    ],
)
def test_a_provider_that_cannot_be_probed_is_reported(
    fleet: Fleet, locked: Path, arguments: list[str], message: str
) -> None:
    ran = fleet("lock", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err


def test_locking_loads_no_model_and_lets_one_unload(fleet: Fleet, tmp_path: Path) -> None:
    """A loaded model with a short time to live unloads while the lock is refreshed again and again."""
    specs = [ServerSpec("desk", models=(SimulatedModel("m", ttl=0.5, loaded=True), SimulatedModel("n")))]
    with SimulationThread(specs) as machines:
        write(tmp_path, one(machines.url("desk")))
        state = "loaded"
        until = time.monotonic() + 20
        while state == "loaded" and time.monotonic() < until:
            assert fleet("lock").code == 0
            counters = machines.counters("desk")
            assert (counters["loads"], counters["ttl_resets"]) == (0, 0)
            state = counters["models"]["m"]["state"]
    assert state == "unloaded"


def test_a_running_context_survives_a_refresh_while_the_model_is_offline(
    fleet: Fleet, tmp_path: Path
) -> None:
    """A llama-server says what runs while it runs; the same server restarted says only its bound."""
    model = SimulatedModel("m", context=4096, trained=131072)
    with SimulationThread([ServerSpec("desk", kind="llama-server", models=(model,))]) as machines:
        write(tmp_path, one(machines.url("desk")))
        fleet("lock")
        lock = tmp_path / "fleet.lock"
        assert entries(lock)["desk"]["models"]["m"]["context_source"] == "running"
        item = {"id": "m", "owned_by": "llamacpp", "meta": {"n_ctx_train": 131072}}
        machines.set("desk", list_body=json.dumps({"object": "list", "data": [item]}), scope="other")
        fleet("lock")
        assert entries(lock)["desk"]["models"]["m"]["context"] == 4096


def test_moving_a_provider_that_is_offline_loses_nothing(
    fleet: Fleet, locked: Path, machines: SimulationThread
) -> None:
    """Its models stay in every list, marked in the lock, and the next build probes it at its new url."""
    before = entries(locked)["attic"]["models"]
    config = locked.with_name("fleet.yaml")
    fleet("build")
    served = fleet("models").out
    config.write_text(config.read_text().replace(machines.url("attic"), "http://127.0.0.1:9"))
    ran = fleet("build")
    assert ran.code == 0
    assert "warning[F310]: fleet.lock has provider 'attic' at another url" in ran.err
    why = "'attic' keeps the models of its old url: http://127.0.0.1:9/v1: connection refused; start it"
    assert f"warning: {why}" in ran.err
    assert fleet("models").out == served
    assert (entries(locked)["attic"]["models"], entries(locked)["attic"]["stale"]) == (before, "url changed")
    assert fleet("build", "--check").code == 0
    assert fleet("build", "--locked").code == 0
    config.write_text(config.read_text().replace("http://127.0.0.1:9", machines.url("attic")))
    assert fleet("build").code == 0
    assert "stale" not in entries(locked)["attic"]


def test_renaming_a_provider_that_is_offline_loses_nothing(
    fleet: Fleet, locked: Path, machines: SimulationThread
) -> None:
    before = entries(locked)["attic"]
    config = locked.with_name("fleet.yaml")
    url = machines.url("attic")
    renamed = f"loft: {{url: '{url}', formerly: [attic]}}"
    config.write_text(config.read_text().replace(f"attic: {url}", renamed))
    machines.set("attic", offline=True)
    ran = fleet("build")
    assert (ran.code, ran.err.count("warning")) == (0, 0)
    assert entries(locked)["loft"] == before
    assert "attic" not in entries(locked)


@pytest.mark.parametrize("form", ["short", "long"])
def test_a_rename_without_formerly_is_recognised_with_the_line_to_add(
    fleet: Fleet, locked: Path, machines: SimulationThread, form: str
) -> None:
    before = entries(locked)["attic"]
    config, url = locked.with_name("fleet.yaml"), machines.url("attic")
    new = f"loft: {url}" if form == "short" else f"loft: {{url: '{url}', formerly: [older]}}"
    config.write_text(config.read_text().replace(f"attic: {url}", new))
    machines.set("attic", offline=True)
    line = f'loft: {{url: "{url}", formerly: [attic]}}' if form == "short" else "formerly: [older, attic]"
    for arguments in (["validate"], ["lock", "--check", "desk"], ["build"]):
        ran = fleet(*arguments)
        assert (
            "warning[F309]: provider 'loft' has the url of 'attic', which was removed from fleet.yaml"
            in ran.err
        )
        assert f"if it was renamed, write `{line}`" in ran.err
    assert entries(locked)["loft"] == before


def test_a_renamed_provider_is_no_list_of_vanished_and_new_models(
    fleet: Fleet, locked: Path, machines: SimulationThread
) -> None:
    config, url = locked.with_name("fleet.yaml"), machines.url("attic")
    config.write_text(config.read_text().replace(f"attic: {url}", f"loft: {url}"))
    assert fleet("lock").out == "wrote fleet.lock\n"
    config.write_text(config.read_text().replace(f"loft: {url}", ""))
    assert fleet("lock").out == "loft:\n  - qwen3-4b\n  - qwen3-8b\nwrote fleet.lock\n"


def test_a_silent_provider_is_reported_with_what_to_do(
    fleet: Fleet, locked: Path, machines: SimulationThread
) -> None:
    machines.set("desk", offline=True)
    ran = fleet("lock")
    assert f"`curl -i {machines.url('desk')}/v1/models`" in ran.err


def test_the_result_as_json_has_reasons_as_codes(
    fleet: Fleet, locked: Path, machines: SimulationThread
) -> None:
    listed = [{"id": "qwen3-4b", "context_length": 9}, {"id": "new"}]
    machines.set("desk", list_body=json.dumps({"data": listed}))
    machines.set("attic", offline=True)
    ran = fleet("lock", "--json")
    assert (ran.code, ran.err) == (0, "")
    told = json.loads(ran.out)
    assert (told["status"], told["file"]) == ("written", "fleet.lock")
    desk, attic = told["providers"]
    assert (desk["name"], desk["status"], desk["models"]) == ("desk", "online", 2)
    assert (attic["status"], attic["models"]) == ("offline", None)
    assert attic["reason"] == {"code": "connection_refused", "message": "connection refused"}
    [change] = told["changes"]
    assert (change["provider"], change["appeared"], change["vanished"]) == ("desk", ["new"], ["qwen3-8b"])
    assert [model["model"] for model in change["changed"]] == ["qwen3-4b"]
    assert change["changed"][0]["facts"][0]["field"] == "context"


def test_no_response_is_exit_4_and_changes_nothing(
    fleet: Fleet, locked: Path, machines: SimulationThread
) -> None:
    before = locked.read_bytes()
    for name in NAMES:
        machines.set(name, offline=True)
    for arguments in (["lock"], ["lock", "--check"]):
        ran = fleet(*arguments)
        assert ran.code == 4
        assert ran.err.endswith("error: 0 of 2 providers responded: fleet.lock is unchanged\n")
    assert locked.read_bytes() == before


def test_quiet_shows_no_progress_and_verbose_shows_every_model(
    fleet: Fleet, locked: Path, machines: SimulationThread
) -> None:
    assert fleet("lock", "-q").err == ""
    lines = fleet("lock", "desk", "-v").err.splitlines()
    assert lines[0] == "desk: llama-swap, 2 models"
    assert "  desk/qwen3-8b  16384 tokens (listed)" in lines
    machines.set("desk", offline=True)
    assert fleet("lock", "-q").err.startswith("warning: desk: connection refused\n")


def test_what_another_command_changes_during_a_probe_is_not_lost(
    locked: Path, machines: SimulationThread
) -> None:
    config = locked.with_name("fleet.yaml")
    machines.set("desk", list_body=listing("new"))
    machines.set("attic", list_body=listing("new"))
    holder = os.open(locked.parent, os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_EX)
    command = [sys.executable, "-m", "fleet_compiler", "lock"]
    with subprocess.Popen(command, cwd=locked.parent, stderr=subprocess.PIPE, text=True) as waiting:
        assert waiting.stderr is not None
        assert any(line.startswith("waiting for another fleet command") for line in waiting.stderr)
        entry = f"bench: {{url: '{machines.url('desk')}', formerly: [desk]}}\n  shed: http://127.0.0.1:9"
        config.write_text(
            config.read_text()
            .replace(f"desk: {machines.url('desk')}", entry)
            .replace("default_provider: desk", "default_provider: bench")
        )
        save_lock(locked, Lock(providers={**load_lock(locked).providers, "shed": lock_of(SHED, "qwen3-8b")}))
        os.close(holder)
        assert "warning: 'desk' was changed in fleet.yaml meanwhile" in waiting.stderr.read()
    models = {name: list(entry["models"]) for name, entry in entries(locked).items()}
    assert models == {"attic": ["new"], "bench": ["qwen3-4b", "qwen3-8b"], "shed": ["qwen3-8b"]}


def test_a_lock_that_only_gets_the_present_names_is_not_called_unchanged(
    fleet: Fleet, locked: Path, machines: SimulationThread
) -> None:
    config = locked.with_name("fleet.yaml")
    entry = f"attic: {{url: '{machines.url('attic')}', formerly: [loft]}}"
    config.write_text(config.read_text().replace(f"attic: {machines.url('attic')}", entry))
    locked.write_text(locked.read_text().replace('"attic"', '"loft"'))
    for name in NAMES:
        machines.set(name, offline=True)
    ran = fleet("lock")
    assert (ran.code, ran.out) == (4, "wrote fleet.lock\n")
    assert ran.err.endswith("error: 0 of 2 providers responded\n")
