"""Where the state file is, and what happens to the one of an earlier place."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from fleet_runtime.catalog.favorites import AddFavorite, FavoritesChange
from fleet_runtime.store.location import abandoned_states, claim_state, state_path
from fleet_runtime.store.sqlite import Database
from tests.support.previous_state import previous_state


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's state folder."""
    folder = tmp_path / "home" / "state"
    folder.mkdir(parents=True)
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder of a fleet.yaml."""
    folder = tmp_path / "lab"
    folder.mkdir()
    (folder / "fleet.yaml").touch()
    return folder


def ids(path: Path) -> list[str]:
    database = Database(path)
    database.open()
    try:
        assert not database.fault
        return [item.id for item in database.favorites.items]
    finally:
        database.close()


def add(path: Path, id: str) -> str:
    """Add a favorite; return the list's run."""
    database = Database(path)
    database.open()
    database.edit([FavoritesChange({}, AddFavorite(id, 1.0))])
    database.close()
    return database.favorites.run


def test_the_setting_comes_before_systemd_and_both_before_the_users_folder(root: Path, home: Path) -> None:
    systemd = {"STATE_DIRECTORY": "/var/lib/fleet:/var/lib/other"}
    assert state_path("here.db", root, systemd) == root / "here.db"
    assert state_path("/srv/here.db", root, systemd) == Path("/srv/here.db")
    assert state_path(None, root, systemd) == Path("/var/lib/fleet/state.db")
    (found,) = {state_path(None, each, {}) for each in (root, root / "x" / "..")}
    assert found.parent.parent == home / "fleet"
    assert found.parent.name.startswith("lab-")


def test_releases_behind_one_link_have_one_state_and_two_folders_have_two(
    root: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    current = root / "current"
    found = set()
    for release in ("1", "2"):
        (root / release).mkdir()
        current.unlink(missing_ok=True)
        current.symlink_to(release)
        found.add(state_path(None, current, {}))
        monkeypatch.chdir(current)  # as `cd current && fleet serve`: the shell knows the link
        found.add(state_path(None, Path(), {"PWD": str(current)}))
        found.add(state_path(None, Path(), {"PWD": "/somewhere/else"}))
    names = sorted(path.parent.name.rpartition("-")[0] for path in found)
    assert names == ["1", "2", "current"]


def test_an_earlier_state_is_copied_once_and_left_in_place(
    root: Path, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    earlier = root / ".fleet" / "state.db"
    with previous_state(earlier) as open_elsewhere:
        open_elsewhere.add("a/1", 1.0)
        path = claim_state(None, root, {})
        assert ids(path) == ["a/1"]
    assert str(earlier) in caplog.text
    assert str(path) in caplog.text
    add(path, "a/2")
    with previous_state(earlier) as unchanged:
        assert unchanged.favorites == ["a/1"]
    caplog.clear()
    assert ids(claim_state(None, root, {})) == ["a/1", "a/2"]
    assert caplog.text == ""


def test_a_copy_is_a_list(root: Path, home: Path, tmp_path: Path) -> None:
    run = add(root / ".fleet" / "state.db", "a/1")
    given = {"STATE_DIRECTORY": str(tmp_path / "given")}
    assert add(claim_state(None, root, given), "a/1") != run


def test_a_damaged_earlier_state_is_copied_too_and_rescued(root: Path, home: Path) -> None:
    earlier = root / ".fleet" / "state.db"
    add(earlier, "a/1")
    data = earlier.read_bytes()
    earlier.write_bytes(b"\xff" * 100 + data[100:])
    database = Database(claim_state(None, root, {}))
    database.open()
    assert [item.id for item in database.favorites.items] == ["a/1"]
    assert "was damaged" in (database.fault or "")
    database.close()


def test_a_state_that_fleet_yaml_names_takes_nothing_over(root: Path, home: Path) -> None:
    add(root / ".fleet" / "state.db", "a/1")
    assert not claim_state("own.db", root, {}).exists()


def test_without_a_home_to_write_to_the_state_is_next_to_fleet_yaml_and_not_in_git(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file" / "below"))
    path = claim_state(None, root, {})
    assert path == root / ".fleet" / "state.db"
    add(path, "a/1")
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    status = subprocess.run(
        ["git", "status", "--short"], cwd=root, capture_output=True, text=True, check=True
    )
    assert status.stdout == "?? fleet.yaml\n"
    (root / ".fleet" / ".gitignore").write_text("mine\n")
    claim_state(None, root, {})
    assert (root / ".fleet" / ".gitignore").read_text() == "mine\n"


def test_the_states_of_folders_that_are_gone_are_found(root: Path, home: Path) -> None:
    add(claim_state(None, root, {}), "a/1")
    assert list(abandoned_states()) == []
    moved = root.rename(root.with_name("moved"))
    (found,) = abandoned_states()
    assert (found.folder, ids(found.path)) == (root, ["a/1"])
    claim_state(None, moved, {})
    assert [other.folder for other in abandoned_states()] == [root]


def test_a_state_of_two_gateways_that_start_together_is_claimed_by_one(root: Path, home: Path) -> None:
    add(root / ".fleet" / "state.db", "a/1")
    code = "import sys; from pathlib import Path; from fleet_runtime.store.location import claim_state;"
    code += "print(claim_state(None, Path(sys.argv[1]), {}))"
    command = [sys.executable, "-c", code, str(root)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    paths = {process.communicate()[0].strip() for process in both}
    (path,) = map(Path, paths)
    assert ids(path) == ["a/1"]
    assert sorted(file.name for file in path.parent.iterdir()) == ["folder", "state.db"]
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
