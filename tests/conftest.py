"""Fixtures that every test may use."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# no deadline: how long an example takes says how busy the computer is; `make slow` uses the thorough one
settings.register_profile("quick", deadline=None, max_examples=50)
settings.register_profile("thorough", deadline=None, max_examples=200)
settings.load_profile(os.environ.get("FLEET_EXAMPLES", "quick"))

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a shell's background job, and inherited
    signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # ignored under nohup, and inherited too


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """Run two workers per processor, because tests also wait: for probes, timeouts and processes."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None
    usable = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return 2 * usable


@pytest.fixture(autouse=True, scope="session")
def no_user_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test sees this computer's default of `fleet use` or its fleets' states, or adds any."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture
def anyio_backend() -> str:
    """Asynchronous tests run on asyncio, as the gateway does."""
    return "asyncio"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for 256 KiB."""
    mount = shutil.which("mount")
    point = tmp_path / "disk"
    point.mkdir()
    command = [mount or "mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(point)]
    if mount is None or os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("needs the right to mount a tmpfs")
    yield point
    subprocess.run(["umount", str(point)], check=True)


@pytest.fixture
def make_read_only(request: pytest.FixtureRequest) -> Iterator[tuple[Path, Callable[[], None]]]:
    """A folder, and what makes it and all in it read-only: for root by its mount, else by its mode."""
    if os.geteuid() == 0:
        disk: Path = request.getfixturevalue("small_disk")
        yield disk, lambda: _remount(disk)
        return
    folder: Path = request.getfixturevalue("tmp_path") / "folder"
    folder.mkdir()
    yield folder, lambda: _chmod(folder, 0o500)
    _chmod(folder, 0o700)


def _remount(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)


def _chmod(folder: Path, mode: int) -> None:
    for each in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
        each.chmod(mode)
