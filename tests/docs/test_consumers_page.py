"""docs/consumers.md says what the API says: its words, its events, its shapes."""

from __future__ import annotations

import json
import re
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from fleet_runtime import event_log as events
from fleet_runtime.api.events import FLEET_EVENT
from fleet_runtime.api.fleet import KEEP_ALIVE_SECONDS
from fleet_runtime.api.fleet_schemas import History
from fleet_runtime.api.schemas import FavoriteList, ModelCatalog, Picker, Resolution, Role, Roles
from fleet_runtime.artifacts import contract
from fleet_runtime.catalog import favorite_status
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
SHAPES: tuple[type[BaseModel], ...] = (ModelCatalog, Picker, Resolution, Roles, FavoriteList, History)


def row(head: str) -> str:
    """The table's line for a word or for what begins with it."""
    return next(line for line in PAGE.splitlines() if line.startswith(f"| `{head}`"))


@pytest.mark.parametrize("name", WORDS)
def test_every_value_of_a_word_is_listed(name: str) -> None:
    listed = re.findall(r"`(\w+)`", row(name).split("|")[2])
    assert sorted(listed) == sorted(get_args(WORDS[name]))


def test_every_reason_of_a_favorite_is_listed() -> None:
    assert all(f"`{reason}`" in row("reason") for reason in get_args(favorite_status.FavoriteReason))


@pytest.mark.parametrize("topic", get_args(events.Topic))
def test_every_event_is_listed_with_all_its_data(topic: str) -> None:
    schema = FLEET_EVENT.json_schema()
    shape = schema["$defs"][schema["discriminator"]["mapping"][topic].rpartition("/")[2]]
    data = schema["$defs"][shape["properties"]["data"]["$ref"].rpartition("/")[2]]
    (line,) = [
        line for line in PAGE.partition("## Events")[2].splitlines() if line.startswith(f"| `{topic}`")
    ]
    named = re.findall(r'"(\w+)"', line.split("|")[2])
    assert sorted(named) == sorted(data["properties"])


def test_the_shapes_are_those_of_the_api() -> None:
    blocks: list[Any] = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
    for shown, shape in zip(blocks, SHAPES, strict=True):
        if shape is Roles:
            (role,) = shown["roles"].values()
            assert role.keys() - {"…"} <= Role.model_fields.keys()
            continue
        read = shape.model_validate(shown, strict=True)
        assert read.model_dump(mode="json", by_alias=True, exclude_unset=True) == shown


def test_the_comment_comes_as_often_as_it_says() -> None:
    assert f"every {KEEP_ALIVE_SECONDS:g} seconds" in PAGE
