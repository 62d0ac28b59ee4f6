"""Where fleet cannot run it says so on one line, also to a Python that could not parse the rest of it."""

from __future__ import annotations

import ast
import sys

import pytest

from fleet_compiler.__main__ import main
from tests.support.paths import ROOT


@pytest.mark.parametrize("name", ["__init__.py", "__main__.py"])
def test_what_an_old_python_reads_first_can_be_parsed_by_it(name: str) -> None:
    source = (ROOT / "compiler" / "fleet_compiler" / name).read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 7))


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("version_info", (3, 9, 2), "fleet needs Python 3.11 or newer, and this is 3.9: install it with "),
        ("platform", "win32", "fleet runs on Linux and macOS; on Windows it runs in WSL: "),
    ],
)
def test_where_fleet_cannot_run_is_one_line(
    name: str, value: object, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, name, value)
    with pytest.raises(SystemExit) as ended:
        main()
    monkeypatch.undo()
    assert str(ended.value.code).startswith(f"error: {said}")
