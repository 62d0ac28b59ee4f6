"""Signals that arrive before the gateway serves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.artifacts import connection, gateway, write_generated
from tests.support.ports import free_port
from tests.support.waiting import eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

SECONDS = 30


def blocked(pid: int, number: signal.Signals) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    mask = next(line.split()[1] for line in status.splitlines() if line.startswith("SigBlk"))
    return bool(int(mask, 16) & 1 << (number - 1))


@contextmanager
def serving(folder: Path, address: str) -> Iterator[subprocess.Popen[str]]:
    """Yield a ``fleet serve`` that has just begun."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "fleet_compiler", "serve"),
            *("--generated", str(folder / "generated"), "--listen", address),
        ],
        env=os.environ | {"STATE_DIRECTORY": str(folder)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        eventually(lambda: blocked(process.pid, signal.SIGHUP), SECONDS)
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_generated(tmp_path / "generated", gateway(connection("a", poll=False)))
    return tmp_path


def test_a_hangup_during_the_start_reloads_once_the_gateway_serves(folder: Path) -> None:
    address = f"127.0.0.1:{free_port()}"

    def reloaded() -> bool:
        try:
            text = httpx.get(f"http://{address}/metrics", verify=False, trust_env=False).text
        except httpx.TransportError:
            return False
        return 'fleet_reloads_total{result="unchanged"} 1.0' in text

    with serving(folder, address) as process:
        process.send_signal(signal.SIGHUP)
        eventually(reloaded, SECONDS)
        assert not blocked(process.pid, signal.SIGHUP)
        assert not blocked(process.pid, signal.SIGTERM)


def test_a_sigterm_during_the_start_is_a_clean_stop(folder: Path) -> None:
    with serving(folder, "127.0.0.1:0") as process:
        process.terminate()
        _, err = process.communicate(timeout=SECONDS)
        assert process.returncode == 0
        assert "SIGTERM: stopping" in err


def test_a_start_that_fails_says_why_although_it_was_stopped(tmp_path: Path) -> None:
    with serving(tmp_path, "127.0.0.1:0") as process:
        process.terminate()
        _, err = process.communicate(timeout=SECONDS)
        assert process.returncode == 1
        assert err.startswith("error: ")


def test_a_program_of_another_command_can_be_ended_by_signals(tmp_path: Path) -> None:
    script = "print(__import__('signal').pthread_sigmask(0, ()))"
    command = [
        *("-c", "import sys; sys.argv[1:] = ['run', 'env', 'serve']; import fleet_compiler.__main__ as m\n"),
    ]
    command[1] += (
        "import fleet_compiler.cli as c, subprocess\n"
        f"c.main = lambda: subprocess.run([sys.executable, '-c', {script!r}])\n"
        "m.main()"
    )
    ran = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=True)
    assert ran.stdout == "set()\n"
