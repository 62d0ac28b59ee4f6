"""The registry of diagnostics: every code is used, explained, and its examples are what they claim to be."""

import re

import pytest

from fleet_compiler.diagnostics.codes import codes, complete_example
from fleet_compiler.diagnostics.errors import ConfigError
from fleet_compiler.diagnostics.source import Source
from fleet_compiler.load import load_source
from tests.support.paths import ROOT

SOURCES = sorted((ROOT / "compiler").rglob("*.py"))
ILLUSTRATED = [code for code, known in codes().items() if known.wrong is not None]
MENDED = [code for code, known in codes().items() if known.right is not None]


def codes_of(text: str) -> list[str]:
    try:
        return [warning.code for warning in load_source(Source("fleet.yaml", text)).warnings]
    except ConfigError as error:
        return [diagnostic.code for diagnostic in error.diagnostics]


@pytest.mark.parametrize("code", ILLUSTRATED)
def test_wrong_example_shows_just_that_diagnostic(code: str) -> None:
    assert set(codes_of(complete_example(codes()[code].wrong or ""))) == {code}


@pytest.mark.parametrize("code", MENDED)
def test_right_example_is_clean(code: str) -> None:
    assert codes_of(complete_example(codes()[code].right or "")) == []


def test_every_code_of_the_source_is_registered_and_every_registered_one_is_used() -> None:
    used = {
        code
        for path in SOURCES
        if path.name != "codes.py"
        for code in re.findall(r'"(F[0-9]{3})"', path.read_text(encoding="utf-8"))
    }
    assert used == codes().keys()


def test_codes_are_listed_in_order() -> None:
    assert list(codes()) == sorted(codes())
