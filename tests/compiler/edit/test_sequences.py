"""Changes in any order: each one keeps the comments and the bytes of every provider that it is not about."""

from __future__ import annotations

import re
from typing import TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st

from fleet_compiler.diagnostics.errors import ConfigError, UsageError
from fleet_compiler.document.read import decode
from fleet_compiler.edit.changes import Change
from fleet_compiler.edit.edit import edit_fleet
from fleet_compiler.edit.layout import Layout
from fleet_compiler.edit.providers import add_provider, move_provider, remove_provider, rename_provider
from fleet_compiler.load import Loaded, load_source
from tests.compiler.edit.fleets import NAMES, fleets

Step: TypeAlias = tuple[str, int, str, int]
"""What to do, to which provider, a new name, and the last part of a new address."""

REFUSED = {"F202", "F402"}
"""A former name that would be a provider's, and a surface that would be left without a provider."""

steps = st.lists(
    st.tuples(
        st.sampled_from(["add", "move", "rename", "rename", "remove"]),
        st.integers(0, 9),
        st.sampled_from([*NAMES, "shed", "loft"]),
        st.integers(1, 254),
    ),
    min_size=2,
    max_size=6,
)


def plan(loaded: Loaded, step: Step, name: str) -> list[Change]:
    action, _, new, host = step
    match action:
        case "add":
            return add_provider(loaded, new, f"http://172.16.0.{host}:8080")
        case "move":
            return move_provider(loaded, name, f"http://172.16.0.{host}:8080")
        case "rename":
            return rename_provider(loaded, name, new)
        case _:
            return remove_provider(loaded, name, fix=True)


def attempt(data: bytes, step: Step, name: str) -> bytes | None:
    """Return `data` after a step; None if the name is taken, or the provider cannot be removed."""
    try:
        return edit_fleet("fleet.yaml", data, lambda loaded: plan(loaded, step, name)).data
    except UsageError:
        return None
    except ConfigError as error:
        if {each.code for each in error.diagnostics if each.severity == "error"} <= REFUSED:
            return None
        raise


def names_after(names: list[str], step: Step, name: str) -> list[str]:
    action, _, new, _ = step
    match action:
        case "add":
            return [*names, new]
        case "rename":
            return [new if each == name else each for each in names]
        case "remove":
            return [each for each in names if each != name]
        case _:
            return names


def entries(data: bytes) -> dict[str, str]:
    """The text of each provider in a fleet.yaml, key included."""
    loaded = load_source(decode("fleet.yaml", data))
    layout = Layout(data.decode("utf-8-sig"), loaded.document)
    return {name: layout.raw(layout.entry(("providers", name))) for name in loaded.fleet.providers}


def comments(data: bytes) -> list[str]:
    return re.findall(r"#(?: before| after| x| the)[^\r\n]*", data.decode())


def form(data: bytes) -> tuple[bool, bool]:
    """Whether a file begins with a byte order mark, and whether all of its lines end in CRLF."""
    return data.startswith(b"\xef\xbb\xbf"), data.count(b"\r\n") == data.count(b"\n") > 0


@settings(max_examples=30)
@given(fleets(), steps)
def test_a_change_keeps_what_it_is_not_about(data: bytes, order: list[Step]) -> None:
    before = entries(data)
    for step in order:
        name = list(before)[step[1] % len(before)]
        changed = attempt(data, step, name)
        if changed is None:
            continue
        after = entries(changed)
        assert list(after) == names_after(list(before), step, name)
        others = before.keys() & after.keys() - {name}
        assert {each: after[each] for each in others} == {each: before[each] for each in others}
        if step[0] == "remove":
            assert set(comments(changed)) <= set(comments(data))
        else:
            assert comments(changed) == comments(data)
        assert form(changed) == form(data)
        data, before = changed, after
