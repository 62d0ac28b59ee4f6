"""Every layout of layouts/ under every change: the lines that change are exactly those next to it.

``UPDATE_LAYOUTS=1 pytest tests/compiler/edit/test_layouts.py`` writes them again; read the diff.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from fleet_compiler.diagnostics.errors import ConfigError, UsageError
from fleet_compiler.edit.changes import Change
from fleet_compiler.edit.edit import edit_fleet
from fleet_compiler.edit.providers import add_provider, move_provider, remove_provider, rename_provider
from fleet_compiler.load import Loaded

LAYOUTS = sorted((Path(__file__).parent / "layouts").glob("*.yaml"))

CHANGES: dict[str, Callable[[Loaded], list[Change]]] = {
    "add shed http://192.168.1.30:8080": lambda fleet: add_provider(
        fleet, "shed", "http://192.168.1.30:8080"
    ),
    "move box http://10.0.0.2:8080": lambda fleet: move_provider(fleet, "box", "http://10.0.0.2:8080"),
    "move attic http://10.0.0.3:8080": lambda fleet: move_provider(fleet, "attic", "http://10.0.0.3:8080"),
    "rename box cube": lambda fleet: rename_provider(fleet, "box", "cube"),
    "rename attic loft": lambda fleet: rename_provider(fleet, "attic", "loft"),
    "remove box --fix": lambda fleet: remove_provider(fleet, "box", fix=True),
    "remove attic --fix": lambda fleet: remove_provider(fleet, "attic", fix=True),
}


def lines(data: bytes) -> list[str]:
    """The lines of a file, line ends visible."""
    return [repr(line)[1:-1] for line in data.decode().split("\n")]


def changed_lines(before: bytes, after: bytes) -> str:
    found = difflib.unified_diff(lines(before), lines(after), n=0, lineterm="")
    return "".join(f"  {line}\n" for line in found if not line.startswith(("---", "+++", "@@")))


def outcome(data: bytes, change: Callable[[Loaded], list[Change]]) -> str:
    try:
        return changed_lines(data, edit_fleet("fleet.yaml", data, change).data)
    except ConfigError as error:
        return "".join(
            f"  {each.code} {each.span.line}:{each.span.column} {each.message}; {each.help}\n"
            for each in error.diagnostics
            if each.span and each.severity == "error"
        )
    except UsageError as error:
        return f"  {error}\n"


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda path: path.stem)
def test_a_change_touches_exactly_the_lines_that_it_must(layout: Path) -> None:
    data = layout.read_bytes()
    found = "".join(f"{name}\n{outcome(data, change)}" for name, change in CHANGES.items())
    expected = layout.with_suffix(".txt")
    if os.environ.get("UPDATE_LAYOUTS"):
        expected.write_text(found, encoding="utf-8")
    assert found == expected.read_text(encoding="utf-8")


def test_there_are_enough_layouts_and_no_expected_text_without_one() -> None:
    assert len(LAYOUTS) >= 60
    texts = (Path(__file__).parent / "layouts").glob("*.txt")
    assert {path.stem for path in texts} == {path.stem for path in LAYOUTS}
