"""docs/doctor.md says what the command does."""

from __future__ import annotations

import json
import re
from typing import get_args

from fleet_runtime.commands.doctor import TITLES
from fleet_runtime.doctor.gateway_checks import MAX_SKEW_SECONDS, Area, DoctorFinding, Severity
from tests.support.paths import DOCS

TEXT = (DOCS / "doctor.md").read_text(encoding="utf-8")


def test_every_severity_and_area_is_named() -> None:
    assert all(f"| `{severity}` |" in TEXT for severity in get_args(Severity))
    assert list(TITLES) == list(get_args(Area))
    assert all(f"`{area}`" in TEXT and f"**{title}**" in TEXT for area, title in TITLES.items())


def test_the_clock_s_tolerance_is_reported() -> None:
    assert f"more than {MAX_SKEW_SECONDS:g} s off" in TEXT


def test_the_example_has_the_keys_of_a_finding() -> None:
    found = re.search(r"```json\n(.*?)```", TEXT, re.DOTALL)
    assert found is not None
    [finding] = json.loads(found[1])["findings"]
    assert DoctorFinding(**finding).severity == "warning"
