"""``fleet up``, and what it and ``fleet serve`` print to paste."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from fleet_runtime.artifacts.snapshot import load_snapshot
from fleet_runtime.commands.first_request import first_request
from fleet_runtime.simulator import ServerSpec, SimulatedModel, SimulationThread
from tests.cli.conftest import ONE_MACHINE, Fleet, one, write
from tests.support.ports import free_port
from tests.support.up import SECONDS, running
from tests.support.waiting import eventually, listens


@pytest.fixture(scope="module")
def machines() -> Iterator[SimulationThread]:
    with SimulationThread([ServerSpec("desk", models=(SimulatedModel("qwen3-8b"),))]) as running:
        yield running


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_line_that_up_prints_is_a_request_that_works(tmp_path: Path, machines: SimulationThread) -> None:
    write(tmp_path, one(machines.url("desk")))
    with running(tmp_path) as up:
        assert up.port
        line = up.out.partition("try it    ")[2].splitlines()[0]
        ran = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True)
    assert json.loads(ran.stdout)["choices"][0]["message"]["content"] == "[desk] qwen3-8b: hi"


def test_up_builds_before_it_serves_and_again_after_a_change(
    tmp_path: Path, machines: SimulationThread
) -> None:
    write(tmp_path, one(machines.url("desk")))
    with running(tmp_path) as up:
        assert listens(up.port)
        assert up.out.startswith("+ desk: 1 model, on no surface\nwrote 4 files to generated/\n")
        write(tmp_path, one(machines.url("desk")) + "surfaces: {chat: }\n")
        eventually(lambda: "now serving snapshot" in up.err, SECONDS)


def test_a_change_that_does_not_build_is_shown_and_the_gateway_keeps_serving(
    tmp_path: Path, machines: SimulationThread
) -> None:
    write(tmp_path, one(machines.url("desk")))
    with running(tmp_path) as up:
        port = up.port
        write(tmp_path, "version: 2\n")
        eventually(lambda: " --> fleet.yaml:1:10\n" in up.err, SECONDS)
        assert listens(port)


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(signal.SIGINT, id="SIGINT"),
        pytest.param(signal.SIGTERM, id="SIGTERM", marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, id="SIGHUP"),
    ],
)
def test_a_signal_stops_both_and_the_gateway_gets_it_once(
    tmp_path: Path, machines: SimulationThread, number: signal.Signals
) -> None:
    write(tmp_path, one(machines.url("desk")))
    with running(tmp_path) as up:
        port = up.port
        assert up.stop(number) == 0
        assert up.err.count(": stopping\n") == 1
        assert not listens(port)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_a_gateway_that_has_just_begun(
    tmp_path: Path, machines: SimulationThread, number: signal.Signals
) -> None:
    write(tmp_path, one(machines.url("desk")))
    with running(tmp_path) as up:
        pid = up.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children")
        eventually(lambda: children.read_text() != "", SECONDS)
        assert up.stop(number) == 0
        assert "error" not in up.err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_during_the_first_build_is_a_clean_stop(tmp_path: Path, number: signal.Signals) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        write(tmp_path, one(f"http://127.0.0.1:{silent.getsockname()[1]}"))
        with running(tmp_path) as up:
            with silent.accept()[0]:
                assert up.stop(number) == 0
            assert (up.out, up.err.count("error"), up.err.count("Traceback")) == ("", 0, 0)


def test_up_continues_after_the_end_of_a_terminal_that_nohup_ignores(
    tmp_path: Path, machines: SimulationThread
) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        write(tmp_path, one(machines.url("desk")))
        with running(tmp_path) as up:
            up.process.send_signal(signal.SIGHUP)
            port = up.port
            up.process.send_signal(signal.SIGHUP)
            write(tmp_path, one(machines.url("desk")) + "surfaces: {chat: }\n")
            eventually(lambda: "now serving snapshot" in up.err, SECONDS)
            assert listens(port)
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.skipif(sys.platform != "linux", reason="needs prctl")
def test_the_gateway_ends_when_up_is_killed(tmp_path: Path, machines: SimulationThread) -> None:
    write(tmp_path, one(machines.url("desk")))
    with running(tmp_path) as up:
        port = up.port
        up.stop(signal.SIGKILL)
        eventually(lambda: not listens(port), SECONDS)


def test_up_ends_with_the_code_of_a_gateway_that_cannot_listen(
    tmp_path: Path, machines: SimulationThread
) -> None:
    write(tmp_path, one(machines.url("desk")))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with running(tmp_path, listen=f"127.0.0.1:{taken.getsockname()[1]}") as up:
            assert up.process.wait(SECONDS) == 1
        assert "error: cannot listen on 127.0.0.1:" in up.err
        if sys.platform == "linux":
            assert f"(process {os.getpid()}) already listens there; stop it, or choose another port" in up.err


def test_an_invalid_file_is_not_served(fleet: Fleet, tmp_path: Path) -> None:
    write(tmp_path, "version: 2\n")
    ran = fleet("up")
    assert (ran.code, ran.out) == (1, "")
    assert " --> fleet.yaml:1:10\n" in ran.err


URL = "http://127.0.0.1:8400"


def printed(fleet: Fleet, folder: Path, yaml: str) -> list[str]:
    """What a gateway of that fleet.yaml prints."""
    write(folder, yaml)
    assert fleet("build").code == 0
    return first_request(load_snapshot(folder / "generated"), URL)


def model_of(lines: list[str]) -> str:
    """The model of the printed request."""
    body: Mapping[str, str] = json.loads(lines[2].partition("--json '")[2].removesuffix("'"))
    return body["model"]


def test_the_printed_lines_name_every_base_url_and_the_model_of_the_role_default(
    fleet: Fleet, tmp_path: Path
) -> None:
    assert printed(
        fleet, tmp_path, ONE_MACHINE.replace("default: desk/qwen3-8b", "default: desk/qwen3-4b")
    ) == [
        f"base URL  {URL}/v1 (and /chat/v1 and /code/v1)",
        f"console   {URL}/",
        f"try it    curl -s {URL}/v1/chat/completions --json "
        """'{"model": "desk/qwen3-4b", "messages": [{"role": "user", "content": "hi"}]}'""",
        "clients   `fleet run opencode`",
        "connect   `fleet connect` shows what to enter in any other client",
    ]


def test_without_a_role_the_model_is_a_chat_model_of_the_default_provider(
    fleet: Fleet, tmp_path: Path
) -> None:
    yaml = """
        version: 1
        default_provider: desk
        providers:
          attic: {url: "http://127.0.0.1:8", poll: false, models: [a]}
          desk: {url: "http://127.0.0.1:9", poll: false, models: {e: {purpose: embedding}, z: {}}}
    """
    assert model_of(printed(fleet, tmp_path, yaml)) == "desk/z"


def test_without_a_model_the_remedy_is_printed(fleet: Fleet, tmp_path: Path) -> None:
    assert printed(fleet, tmp_path, one("http://127.0.0.1:9")) == [
        f"base URL  {URL}/v1",
        f"console   {URL}/",
        "no provider lists a model yet: run `fleet lock`",
    ]


def test_with_keys_the_request_has_a_place_for_one(fleet: Fleet, tmp_path: Path) -> None:
    yaml = ONE_MACHINE + "gateway: {keys: {laptop: {env: LAPTOP_KEY}}}\n"
    lines = printed(fleet, tmp_path, yaml)
    assert f'{URL}/v1/chat/completions -H "authorization: Bearer $FLEET_KEY" --json ' in lines[2]


def test_a_gateway_whose_output_and_log_are_full_ends_well(fleet: Fleet, project: Path) -> None:
    assert fleet("build").code == 0
    port = free_port()
    command = [sys.executable, "-m", "fleet_compiler", "serve", "--listen", f"127.0.0.1:{port}"]
    with Path("/dev/full").open("wb") as full:
        process = subprocess.Popen(command, cwd=project, stdout=full, stderr=full)
    eventually(lambda: listens(port), SECONDS)
    process.terminate()
    assert process.wait(SECONDS) == 0


def test_a_standard_output_that_is_full_does_not_stop_a_gateway(fleet: Fleet, project: Path) -> None:
    assert fleet("build").code == 0
    command = [sys.executable, "-m", "fleet_compiler", "serve", "--listen", "127.0.0.1:0"]
    with Path("/dev/full").open("wb") as full:
        process = subprocess.Popen(command, cwd=project, stdout=full, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    found = (re.search(r"serving (http://\S+),", line) for line in iter(process.stderr.readline, ""))
    url = next(match[1] for match in found if match is not None)
    assert httpx.get(f"{url}/health", trust_env=False).status_code == 200
    process.terminate()
    _, err = process.communicate()
    assert (process.returncode, "error" in err) == (0, False)
