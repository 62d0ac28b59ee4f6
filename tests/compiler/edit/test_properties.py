"""What holds for every fleet.yaml: comments stay, and what is undone leaves no trace."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet_compiler.document.parse import load_document
from fleet_compiler.document.read import decode
from fleet_compiler.edit.changes import AddEntry, AddItem, Change, SetValue
from fleet_compiler.edit.edit import edit, edit_fleet
from fleet_compiler.edit.providers import add_provider, move_provider, remove_provider, rename_provider
from fleet_compiler.load import Loaded, load_source
from tests.compiler.edit.fleets import fleets
from tests.support.paths import CASES

URL = "http://172.16.0.9:9000"


def changed(data: bytes, plan: Callable[[Loaded], list[Change]]) -> bytes:
    return edit_fleet("fleet.yaml", data, plan).data


def names(data: bytes) -> list[str]:
    return list(load_source(decode("fleet.yaml", data)).fleet.providers)


def comments(data: bytes) -> list[str]:
    return re.findall(r"#(?: before| after| x| the)[^\r\n]*", data.decode())


fleets_with_a_name = fleets().flatmap(lambda data: st.tuples(st.just(data), st.sampled_from(names(data))))


@settings(max_examples=40)
@given(fleets())
def test_a_provider_that_is_added_and_removed_leaves_every_byte_as_it_was(data: bytes) -> None:
    added = changed(data, lambda loaded: add_provider(loaded, "shed", URL))
    assert names(added) == [*names(data), "shed"]
    assert comments(added) == comments(data)
    assert changed(added, lambda loaded: remove_provider(loaded, "shed", fix=False)) == data


@settings(max_examples=40)
@given(fleets_with_a_name)
def test_a_provider_that_moves_and_moves_back_leaves_every_byte_as_it_was(fleet: tuple[bytes, str]) -> None:
    data, name = fleet
    before = load_source(decode("fleet.yaml", data)).fleet.providers[name].url
    moved = changed(data, lambda loaded: move_provider(loaded, name, URL))
    after = load_source(decode("fleet.yaml", moved)).fleet.providers[name]
    assert (after.url, comments(moved)) == (URL, comments(data))
    assert changed(moved, lambda loaded: move_provider(loaded, name, before)) == data


def with_former_name(data: bytes, name: str, former: str) -> bytes:
    """`data` with nothing else than one more former name."""
    path = ("providers", name)
    written = load_document(decode("fleet.yaml", data)).value(path)
    change: Change
    if isinstance(written, str):
        change = SetValue(path, {"url": written, "formerly": [former]})
    elif "formerly" in written:
        change = AddItem((*path, "formerly"), former)
    else:
        change = AddEntry(path, "formerly", [former])
    return edit("fleet.yaml", data, [change])


def plain(data: bytes) -> bytes:
    """`data` with the former name plain, which may have taken the quotes of a name that needs them, and with
    one space before each comment, which keeps its column only while there is room for it."""
    return re.sub(rb" +#", b" #", re.sub(rb"(['\"])shed\1", b"shed", data))


@settings(max_examples=40)
@given(fleets_with_a_name)
def test_a_name_that_is_changed_and_changed_back_stays_only_as_a_former_one(fleet: tuple[bytes, str]) -> None:
    data, name = fleet
    renamed = changed(data, lambda loaded: rename_provider(loaded, name, "shed"))
    assert comments(renamed) == comments(data)
    back = changed(renamed, lambda loaded: rename_provider(loaded, "shed", name))
    assert plain(back) == plain(with_former_name(data, name, "shed"))


@settings(max_examples=40)
@given(fleets_with_a_name)
def test_what_refers_to_a_removed_provider_goes_with_it_and_nothing_else(fleet: tuple[bytes, str]) -> None:
    data, name = fleet
    before = load_source(decode("fleet.yaml", data)).fleet
    removed = changed(data, lambda loaded: remove_provider(loaded, name, fix=True))
    after = load_source(decode("fleet.yaml", removed)).fleet
    others = [other for other in before.providers if other != name]
    assert after.providers == {other: before.providers[other] for other in others}
    assert after.default_provider == (
        before.default_provider if before.default_provider != name else others[0]
    )
    assert after.aliases == {k: v for k, v in before.aliases.items() if not v.startswith(f"{name}/")}
    assert after.roles["task"] == tuple(id for id in before.roles["task"] if not id.startswith(f"{name}/"))
    assert after.surfaces["code"].providers == tuple(others)
    assert set(comments(removed)) <= set(comments(data))


VALID = sorted((CASES / "valid").glob("*.yaml"))


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.stem)
def test_every_provider_of_a_valid_case_can_be_changed(path: Path) -> None:
    data = path.read_bytes()
    added = changed(data, lambda loaded: add_provider(loaded, "zz-shed", URL))
    assert changed(added, lambda loaded: remove_provider(loaded, "zz-shed", fix=False)) == data
    for name in names(data):
        moved = changed(data, functools.partial(move_provider, name=name, url=URL))
        renamed = changed(data, functools.partial(rename_provider, old=name, new="zz-shed"))
        assert load_source(decode("fleet.yaml", moved)).fleet.providers[name].url == URL
        assert [new for new in names(renamed) if new not in names(data)] == ["zz-shed"]
