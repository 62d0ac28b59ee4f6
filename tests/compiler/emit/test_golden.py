"""Everything that is generated, for seven fleets."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from fleet_compiler.assets import SCHEMAS
from fleet_compiler.emit.editor_schema import SCHEMA
from tests.support.golden import FLEETS, NAMES, compiled


@pytest.mark.parametrize("name", NAMES)
def test_generated_files_of_a_fleet(name: str, snapshot: SnapshotAssertion) -> None:
    """The schema for editors is told as its difference from schema/fleet.schema.json."""
    files = {path: content.decode() for path, content in compiled(FLEETS / name).files.items()}
    files[SCHEMA] = _difference_from_shipped(files[SCHEMA])
    manifest = files.pop("manifest.json")
    assert all(f'"{path}": ' in manifest for path in files)
    for path, text in sorted(files.items()):
        assert text == snapshot(name=path)


@pytest.mark.parametrize("name", NAMES)
def test_the_warnings_of_a_fleet(name: str, snapshot: SnapshotAssertion) -> None:
    """What is doubtful in the example fleets, and nothing else."""
    warnings = compiled(FLEETS / name).warnings
    assert [f"{each.code} {each.span and each.span.line} {each.message}" for each in warnings] == snapshot


def _difference_from_shipped(text: str) -> str:
    shipped = Path(SCHEMAS / SCHEMA).read_text(encoding="utf-8").splitlines()
    lines = difflib.unified_diff(shipped, text.splitlines(), n=0, lineterm="")
    return "\n".join(line for line in lines if line.startswith(("+", "-")))
