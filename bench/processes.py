"""Processes that are measured: pinned to a core, waited for, and read from /proc (Linux)."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def pinned(core: int, command: Sequence[str]) -> list[str]:
    """`command`, to run on one core only."""
    return ["taskset", "--cpu-list", str(core), *command]


def wait_for_answer(process: subprocess.Popen[bytes], port: int, request: bytes, seconds: float) -> None:
    """Return once `request` is answered with 200; RuntimeError if the process ends or `seconds` pass."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"'{process.args!r}' ended with {process.returncode} before it answered")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as connection:
            connection.sendall(request)
            if connection.recv(65_536).split(b" ", 2)[1:2] == [b"200"]:
                return
        time.sleep(0.005)
    raise RuntimeError(f"'{process.args!r}' did not answer within {seconds:g} s")


@dataclass(frozen=True, slots=True)
class Usage:
    """Seconds that a process and its children ran on a core, and that their main threads were ready to and
    had to wait for it, because something else ran there."""

    cpu: float
    waited: float

    def since(self, before: Usage) -> Usage:
        return Usage(self.cpu - before.cpu, self.waited - before.waited)


def usage(pid: int) -> Usage:
    """What a process and its living children have used."""
    family = _family(pid)
    waited = (int(Path(f"/proc/{member}/schedstat").read_text().split()[1]) for member in family)
    return Usage(sum(_ticks(member) for member in family) / TICKS, sum(waited) / 1e9)


def wake_ups(pid: int) -> int:
    """How often the threads of a process and its children have gone to sleep so far."""
    threads = (thread for member in _family(pid) for thread in Path(f"/proc/{member}/task").iterdir())
    return sum(_status(thread, "voluntary_ctxt_switches") for thread in threads)


def memory(pid: int) -> int:
    """Bytes that a process and its children have resident."""
    return sum(_status(Path(f"/proc/{member}"), "VmRSS") for member in _family(pid)) * 1024


def reset_peak_memory(pid: int) -> None:
    for member in _family(pid):
        Path(f"/proc/{member}/clear_refs").write_text("5")


def peak_memory(pid: int) -> int:
    """Bytes that a process and its children had resident at most since `reset_peak_memory`."""
    return sum(_status(Path(f"/proc/{member}"), "VmHWM") for member in _family(pid)) * 1024


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(descendant for child in children for descendant in _family(int(child)))]


def _ticks(pid: int) -> int:
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(after_name[11]) + int(after_name[12])


def _status(folder: Path, field: str) -> int:
    for line in (folder / "status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0])
    raise RuntimeError(f"'{folder}/status' has no '{field}'")
