"""The line of a command that waits, on a real terminal (fleet_runtime.commands.wait_line)."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from fleet_runtime.commands.wait_line import CLEAR

WAITING = """
import sys, threading
from fleet_runtime.commands import wait_line as module
from fleet_runtime.commands.wait_line import wait_line

shown = threading.Event()
write = module.WaitLine._write
def written(line, text):
    write(line, text)
    shown.set()
module.WaitLine._write = written
with wait_line("probing 3 providers") as line:
    if sys.argv[1] == "long":
        assert shown.wait(20)
        line.above(lambda: print("box: 2 models", file=sys.stderr, flush=True))()
print("done", flush=True)
"""


def run_at_terminal(*arguments: str, env: dict[str, str] | None = None) -> str:
    """Return what a program wrote on its standard error, a terminal."""
    ours, theirs = pty.openpty()
    environ = {**os.environ, "TERM": "xterm", "PYTHONUTF8": "1", **(env or {})}
    process = subprocess.Popen(
        [sys.executable, *arguments], stderr=theirs, stdout=subprocess.PIPE, env=environ
    )
    os.close(theirs)
    written = b""
    try:
        while chunk := os.read(ours, 4096):
            written += chunk
    except OSError:  # the terminal's other side is closed
        pass
    out, _ = process.communicate(timeout=20)
    os.close(ours)
    assert out == b"done\n"
    return written.decode()


def test_a_long_wait_shows_a_line_that_gives_way_to_others_and_is_gone_at_the_end() -> None:
    written = run_at_terminal("-c", WAITING, "long")
    assert "probing 3 providers" in written
    assert f"{CLEAR}box: 2 models" in written
    last = written.rpartition("box: 2 models")[2]
    assert "probing" not in last or last.endswith(CLEAR)


@pytest.mark.parametrize(("wait", "term"), [("short", "xterm"), ("short", "dumb")])
def test_a_short_wait_shows_nothing(wait: str, term: str) -> None:
    assert run_at_terminal("-c", WAITING, wait, env={"TERM": term}) == ""


def test_without_a_terminal_nothing_is_shown(tmp_path: Path) -> None:
    slow = "import threading\nfrom fleet_runtime.commands.wait_line import wait_line\n"
    slow += "with wait_line('x'): threading.Event().wait(0.7)"
    ran = subprocess.run([sys.executable, "-c", slow], capture_output=True, cwd=tmp_path)
    assert (ran.returncode, ran.stderr) == (0, b"")
