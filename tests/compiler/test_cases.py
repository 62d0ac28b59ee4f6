"""Every file of tests/cases: valid ones load without output, invalid ones print exactly the text next to
them.

``UPDATE_CASES=1 pytest tests/compiler/test_cases.py`` writes the expected texts again.
"""

import os
from pathlib import Path

import pytest

from fleet_compiler.diagnostics.errors import ConfigError
from fleet_compiler.diagnostics.report import render
from fleet_compiler.document.read import decode
from fleet_compiler.load import load_source
from tests.support.paths import CASES

INVALID = sorted((CASES / "invalid").glob("*.yaml"))
VALID = sorted((CASES / "valid").glob("*.yaml"))


def findings(path: Path) -> str:
    """What people see of the file."""
    try:
        loaded = load_source(decode("fleet.yaml", path.read_bytes()))
    except ConfigError as error:
        return render(error.diagnostics, error.sources) + "\n"
    return render(loaded.warnings, [loaded.source]) + "\n" if loaded.warnings else ""


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.stem)
def test_invalid_file_says_what_is_wrong(path: Path) -> None:
    expected = path.with_suffix(".txt")
    shown = findings(path)
    if os.environ.get("UPDATE_CASES"):
        expected.write_bytes(shown.encode())
    assert shown == expected.read_bytes().decode()
    assert shown.startswith(("error[F", "warning[F"))


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.stem)
def test_valid_file_is_accepted_without_a_warning(path: Path) -> None:
    assert findings(path) == ""


def test_there_are_enough_cases_and_no_expected_text_without_one() -> None:
    assert len(INVALID) >= 120
    assert len(VALID) >= 25
    assert {path.stem for path in (CASES / "invalid").glob("*.txt")} == {path.stem for path in INVALID}
