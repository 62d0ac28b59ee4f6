"""docs/faults.md numbers its faults without a gap, and the tests that it names exist."""

from __future__ import annotations

import re

from tests.support.paths import DOCS, ROOT

TEXT = (DOCS / "faults.md").read_text(encoding="utf-8")


def test_the_numbers_have_no_gap() -> None:
    numbers = [int(number) for number in re.findall(r"^(\d+)\. ", TEXT, re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1))


def test_every_test_that_is_named_exists() -> None:
    named = set(re.findall(r"`(tests/[\w/.]+)`", TEXT))
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []
