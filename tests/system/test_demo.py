"""`fleet demo`, as somebody who has just cloned the repository runs it."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fleet_process import FLEET, run_fleet


@pytest.fixture(autouse=True)
def one_at_a_time(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Two demos that begin together would find the same port free."""
    with (tmp_path_factory.getbasetemp().parent / "demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def test_the_tour_shows_everything_and_ends_well(tmp_path: Path) -> None:
    shown = run_fleet("demo", "--tour", cwd=tmp_path)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.endswith("Every step worked as described.\n")
    assert "requests that reached the cloud meanwhile: 0" in shown.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_demo_responds_until_ctrl_c_and_leaves_nothing_behind(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*FLEET, "demo"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONUNBUFFERED": "1", "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    shown = ""
    while "Ctrl-C stops everything" not in shown:
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        shown += line
    gateway = re.search(r"Gateway:\n  (\S+)", shown)
    assert gateway
    asked = run_fleet("ask", "--url", gateway[1], "sam-desktop/qwen3-8b", "say hi", cwd=tmp_path)
    assert asked.returncode == 0
    assert "say hi" in asked.stdout
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (0, "\nstopped\n")
    assert list(tmp_path.iterdir()) == []
