"""One command at a time writes next to a fleet.yaml."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

from fleet_compiler.process_lock import hold_process_lock
from fleet_compiler.project import locate_project

HOLD = """
import sys
from pathlib import Path
from fleet_compiler.process_lock import hold_process_lock
with hold_process_lock([Path(sys.argv[1])], lambda: None):
    print("held", flush=True)
    sys.stdin.read()
"""


def unexpected() -> None:
    raise AssertionError("nobody else holds the folder")


def test_a_free_folder_is_had_at_once_and_nothing_is_left_in_it(tmp_path: Path) -> None:
    for _ in range(2):
        with hold_process_lock([tmp_path], unexpected):
            pass
    assert list(tmp_path.iterdir()) == []


def test_the_next_one_says_that_it_waits_and_then_has_its_turn(tmp_path: Path) -> None:
    """The first one ends only after the second has said so."""
    waiting, order = threading.Event(), []

    def second() -> None:
        with hold_process_lock([tmp_path], waiting.set):
            order.append("second")

    thread = threading.Thread(target=second)
    with hold_process_lock([tmp_path], unexpected):
        thread.start()
        assert waiting.wait(10)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


def test_a_killed_process_gives_its_turn_back(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        holder.kill()
    with hold_process_lock([tmp_path], unexpected):
        pass


def test_a_fleet_and_a_link_to_it_wait_for_each_other(tmp_path: Path) -> None:
    """Both write into the folder of the file, whichever of the two a command names."""
    (tmp_path / "real").mkdir()
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "fleet.yaml").symlink_to(tmp_path / "real" / "fleet.yaml")
    waiting = threading.Event()

    def through_the_link() -> None:
        folders = locate_project(tmp_path / "linked" / "fleet.yaml").written_folders
        with hold_process_lock(folders, waiting.set):
            pass

    thread = threading.Thread(target=through_the_link)
    with hold_process_lock(locate_project(tmp_path / "real" / "fleet.yaml").written_folders, unexpected):
        thread.start()
        assert waiting.wait(10)
    thread.join(10)
    assert not thread.is_alive()
