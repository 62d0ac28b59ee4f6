"""docs/consumers.md says what the API says: its words, its events, its shapes."""

from __future__ import annotations

import json
import re
from typing import Any, get_args

import msgspec
import pytest

from fleet_runtime.api.event_stream import KEEP_ALIVE_SECONDS
from fleet_runtime.api.shapes import History
from fleet_runtime.api_shape import ApiShape
from fleet_runtime.artifacts import contract
from fleet_runtime.catalog.shapes import (
    FavoriteList,
    FavoriteReason,
    ModelCatalog,
    ModelResolution,
    Picker,
    RoleResolution,
    Roles,
)
from fleet_runtime.dialects.status_reason import ReasonCode
from fleet_runtime.events import EVENTS, EventData
from tests.support.paths import DOCS

PAGE = (DOCS / "consumers.md").read_text(encoding="utf-8")
WORDS = {
    "status": contract.ProviderStatus,
    "state": contract.ModelState,
    "class": contract.ProviderClass,
    "via": contract.Via,
    "rule": contract.Rule,
    "context_source": contract.ContextSource,
    "purpose": contract.Purpose,
}
SHAPES: tuple[type[ApiShape], ...] = (ModelCatalog, Picker, ModelResolution, Roles, FavoriteList, History)


def row(head: str) -> str:
    """The table's line for a word or for what begins with it."""
    return next(line for line in PAGE.splitlines() if line.startswith(f"| `{head}`"))


@pytest.mark.parametrize("name", WORDS)
def test_every_value_of_a_word_is_listed(name: str) -> None:
    listed = re.findall(r"`(\w+)`", row(name).split("|")[2])
    assert sorted(listed) == sorted(get_args(WORDS[name]))


def test_every_reason_of_a_favorite_is_listed() -> None:
    assert all(f"`{reason}`" in row("reason") for reason in get_args(FavoriteReason))


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.topic)
def test_every_event_is_listed_with_all_its_data(event: type[EventData]) -> None:
    table = PAGE.partition("## Events")[2].splitlines()
    (line,) = [line for line in table if line.startswith(f"| `{event.topic}`")]
    named = re.findall(r'"(\w+)"', line.split("|")[2])
    assert sorted(named) == sorted(event.__struct_encode_fields__)


def test_the_shapes_are_those_of_the_api() -> None:
    blocks: list[Any] = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
    for shown, shape in zip(blocks, SHAPES, strict=True):
        if shape is Roles:
            (role,) = shown["roles"].values()
            assert role.keys() - {"…"} <= set(RoleResolution.__struct_encode_fields__)
            continue
        assert json.loads(msgspec.json.encode(msgspec.convert(shown, shape))) == shown


def test_the_comment_comes_as_often_as_it_says() -> None:
    assert f"every {KEEP_ALIVE_SECONDS:g} seconds" in PAGE


def test_every_reason_code_of_a_provider_is_listed() -> None:
    listed = row("reason_code")
    assert all(f"`{code}`" in listed for code in get_args(ReasonCode))
