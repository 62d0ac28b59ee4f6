"""Start processes on one core, and read their CPU time and memory from /proc (Linux)."""

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
    """Return `command` with a prefix that pins it to one core."""
    return ["taskset", "--cpu-list", str(core), *command]


def wait_for_response(process: subprocess.Popen[bytes], port: int, request: bytes, seconds: float) -> None:
    """Send `request` until its status is 200. RuntimeError if the process ends or `seconds` pass."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(
                f"'{process.args!r}' exited with {process.returncode} before its first response"
            )
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as connection:
            connection.sendall(request)
            if connection.recv(65_536).split(b" ", 2)[1:2] == [b"200"]:
                return
        time.sleep(0.005)
    raise RuntimeError(f"'{process.args!r}' did not respond within {seconds:g} s")


@dataclass(frozen=True, slots=True)
class Usage:
    """Seconds: `cpu` is the CPU time of a process and its children, `waited` the time in which their main
    threads were runnable but another process had the core."""

    cpu: float
    waited: float

    def since(self, before: Usage) -> Usage:
        return Usage(self.cpu - before.cpu, self.waited - before.waited)


def usage(pid: int) -> Usage:
    """Return the usage of a process and its running children so far."""
    family = _process_tree(pid)
    waited = (int(Path(f"/proc/{member}/schedstat").read_text().split()[1]) for member in family)
    return Usage(sum(_ticks(member) for member in family) / TICKS, sum(waited) / 1e9)


def wake_ups(pid: int) -> int:
    """Count the voluntary context switches of all threads of a process and its children so far."""
    threads = (thread for member in _process_tree(pid) for thread in Path(f"/proc/{member}/task").iterdir())
    return sum(_status(thread, "voluntary_ctxt_switches") for thread in threads)


def memory(pid: int) -> int:
    """Return the resident memory of a process and its children in bytes."""
    return sum(_status(Path(f"/proc/{member}"), "VmRSS") for member in _process_tree(pid)) * 1024


def reset_peak_memory(pid: int) -> None:
    for member in _process_tree(pid):
        Path(f"/proc/{member}/clear_refs").write_text("5")


def peak_memory(pid: int) -> int:
    """Return the peak resident memory of a process and its children since `reset_peak_memory`, in bytes."""
    return sum(_status(Path(f"/proc/{member}"), "VmHWM") for member in _process_tree(pid)) * 1024


def _process_tree(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(descendant for child in children for descendant in _process_tree(int(child)))]


def _ticks(pid: int) -> int:
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(after_name[11]) + int(after_name[12])


def _status(folder: Path, field: str) -> int:
    for line in (folder / "status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0])
    raise RuntimeError(f"'{folder}/status' has no '{field}'")
