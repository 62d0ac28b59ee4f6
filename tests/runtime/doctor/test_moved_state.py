"""The favorites of a fleet whose folder was moved: the doctor's command brings them along."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from fleet_runtime.catalog.favorites import AddFavorite, FavoritesChange
from fleet_runtime.store.location import claim_state
from fleet_runtime.store.sqlite import Database
from tests.runtime.doctor.conftest import Computer
from tests.support.fleet_process import run_fleet

FLEET = """\
version: 1
default_provider: desk
providers: {desk: {url: "http://127.0.0.1:9", models: [m]}}
gateway: {listen: "127.0.0.1:9"}
"""


def save(path: Path, *ids: str) -> list[str]:
    """Add favorites as a gateway does; return all that there are."""
    database = Database(path)
    database.open()
    database.edit([FavoritesChange({}, AddFavorite(id, 1.0)) for id in ids])
    database.close()
    return [item.id for item in database.favorites.items]


def test_the_state_of_a_moved_folder_is_offered_with_a_command_that_brings_it_along(
    computer: Computer, tmp_path: Path
) -> None:
    folder = tmp_path / "here" / "lab"
    folder.mkdir(parents=True)
    (folder / "fleet.yaml").write_text(FLEET)
    assert run_fleet("build", cwd=folder).returncode == 0
    state = claim_state(None, folder, {})
    save(state, "desk/m")
    assert computer.diagnose(folder).of("this folder") == []

    (tmp_path / "there").mkdir()
    moved = folder.rename(tmp_path / "there" / "lab")
    save(claim_state(None, moved, {}))
    found = computer.diagnose(moved)
    assert found.of("this folder") == [
        ("warning", f"has no favorites; '{folder}', which no longer exists, had 1 favorite")
    ]
    (remedy,) = (each["remedy"] for each in found.findings if each["where"] == "this folder")
    (command,) = re.findall(r"`(mv .*)`", remedy)
    subprocess.run(command, shell=True, check=True)
    assert save(claim_state(None, moved, {})) == ["desk/m"]
    assert computer.diagnose(moved).of("this folder") == []
