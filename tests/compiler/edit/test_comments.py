"""Comments in one column stay in it when their lines change (fleet_compiler.edit.comments)."""

from __future__ import annotations

import pytest

from fleet_compiler.edit.changes import RenameKey, SetValue
from fleet_compiler.edit.edit import edit

ALIGNED = b"""\
version: 1
default_provider: attic            # bare ids
providers:
  attic: http://192.168.1.21:8080  # llama-swap
  loft: http://192.168.1.22:8080   # ollama
  x: http://192.168.1.23:8080 # alone
"""


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("at", b"  at: http://192.168.1.21:8080     # llama-swap\n"),
        ("cellar", b"  cellar: http://192.168.1.21:8080  # llama-swap\n"),
    ],
    ids=["shorter", "no room"],
)
def test_a_comment_stays_in_its_column_if_there_is_room(key: str, line: bytes) -> None:
    renamed = edit("fleet.yaml", ALIGNED, [RenameKey(("providers", "attic"), key)])
    assert line in renamed
    assert edit("fleet.yaml", renamed, [RenameKey(("providers", key), "attic")]) == ALIGNED


def test_a_comment_that_is_aligned_with_none_moves_with_its_line() -> None:
    renamed = edit("fleet.yaml", ALIGNED, [RenameKey(("providers", "x"), "long")])
    assert b"  long: http://192.168.1.23:8080 # alone\n" in renamed


def test_a_sign_in_a_quoted_value_is_not_a_comment() -> None:
    text = b'a:\n  - {b: x, c: "y # z"}  # one\n  - {b: y, c: z}          # two\n'
    changed = edit("fleet.yaml", text, [SetValue(("a", 0, "b"), "xx")])
    assert changed == text.replace(b"b: x,", b"b: xx,")
