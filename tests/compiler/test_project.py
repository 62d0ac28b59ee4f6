"""Where the files of a fleet are."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet_compiler.project import lock_path


@pytest.mark.parametrize(
    ("config", "lock"),
    [
        ("fleet.yaml", "fleet.lock"),
        ("a/fleet.yml", "a/fleet.lock"),
        ("/srv/home.test.yaml", "/srv/home.test.lock"),
        ("fleet", "fleet.lock"),
        ("fleet.lock", "fleet.lock.lock"),
        (".", "fleet.lock"),
        ("/", "/fleet.lock"),
    ],
)
def test_the_lock_is_next_to_its_fleet_and_has_its_name(config: str, lock: str) -> None:
    assert lock_path(Path(config)) == Path(lock)
