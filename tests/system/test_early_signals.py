"""Signals that arrive before the gateway serves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from fleet_runtime.child_process import free_port
from tests.support.artifacts import connection, gateway, write_generated
from tests.support.waiting import eventually


def blocks_hangup(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    mask = next(line.split()[1] for line in status.splitlines() if line.startswith("SigBlk"))
    return bool(int(mask, 16) & 1 << (signal.SIGHUP - 1))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_hangup_during_the_start_reloads_once_the_gateway_serves(tmp_path: Path) -> None:
    write_generated(tmp_path / "generated", gateway(connection("a", poll=False)))
    address = f"127.0.0.1:{free_port()}"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "fleet_compiler", "serve"),
            *("--generated", str(tmp_path / "generated"), "--listen", address),
        ],
        env=os.environ | {"STATE_DIRECTORY": str(tmp_path)},
        stderr=subprocess.DEVNULL,
    )

    def reloaded() -> bool:
        try:
            text = httpx.get(f"http://{address}/metrics", trust_env=False).text
        except httpx.TransportError:
            return False
        return 'fleet_reloads_total{result="unchanged"} 1.0' in text

    try:
        eventually(lambda: blocks_hangup(process.pid), 30)
        process.send_signal(signal.SIGHUP)
        eventually(reloaded, 30)
    finally:
        process.kill()
        process.wait()
