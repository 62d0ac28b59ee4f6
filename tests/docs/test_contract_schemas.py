"""The schemas say of every property what it is, with an example, in words that editors understand."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from docs.generate.schema_examples import EXAMPLES
from docs.generate.schemas import GENERATED, contract_schema
from fleet_compiler.assets import SCHEMAS
from fleet_runtime.artifacts.artifact import Artifact
from fleet_runtime.artifacts.contract import to_data

KEYWORDS = frozenset({
    "$schema", "$defs", "$ref", "title", "description", "examples", "default", "errorMessage",
    "type", "enum", "const", "not", "allOf", "anyOf", "if", "then", "else",
    "properties", "required", "additionalProperties", "propertyNames", "minProperties",
    "items", "minItems", "uniqueItems", "minLength", "maxLength", "pattern",
    "minimum", "maximum", "exclusiveMinimum",
})  # fmt: skip
"""Those of our schemas, all of which yaml-language-server 1.25 reads; `errorMessage` is its own addition."""

NAMES = ["fleet", *GENERATED]


def loaded(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))
    return schema


def properties(name: str) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    schema = loaded(name)
    for title, part in {schema["title"]: schema, **schema["$defs"]}.items() if "$defs" in schema else ():
        for key, below in part.get("properties", {}).items():
            yield f"{name}: {title}.{key}", below, schema["$defs"]
    if "$defs" not in schema:
        for key, below in schema["properties"].items():
            yield f"{name}: {key}", below, {}


PROPERTIES = [found for name in GENERATED for found in properties(name)]


@pytest.mark.parametrize(
    ("where", "part", "definitions"), PROPERTIES, ids=[where for where, _, _ in PROPERTIES]
)
def test_a_property_has_a_description_and_valid_examples(
    where: str, part: dict[str, Any], definitions: dict[str, Any]
) -> None:
    assert re.fullmatch(r"[A-Z`].*\.", part["description"])
    assert part["examples"]
    validator = Draft202012Validator({"$defs": definitions, **part})
    for example in part["examples"]:
        validator.validate(example)


@pytest.mark.parametrize("name", GENERATED)
def test_each_part_of_a_file_says_what_it_is(name: str) -> None:
    schema = loaded(name)
    for title, part in {schema["title"]: schema, **schema.get("$defs", {})}.items():
        assert part["description"].endswith("."), title


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: type(example).__name__)
def test_an_example_is_valid_by_its_schema(example: Artifact) -> None:
    (name,) = (name for name, artifact in GENERATED.items() if type(example) is artifact)
    Draft202012Validator(json.loads(contract_schema(name))).validate(to_data(example))


def keywords(part: Any) -> Iterator[str]:
    """Every keyword of a schema, and none of the names and values that it is about."""
    if isinstance(part, dict):
        for keyword, value in part.items():
            yield keyword
            if keyword in ("properties", "$defs"):
                for below in value.values():
                    yield from keywords(below)
            elif keyword in ("items", "additionalProperties", "propertyNames", "if", "then", "else", "not"):
                yield from keywords(value)
            elif keyword in ("allOf", "anyOf"):
                for below in value:
                    yield from keywords(below)


@pytest.mark.parametrize("name", NAMES)
def test_editors_know_every_keyword(name: str) -> None:
    assert set(keywords(loaded(name))) <= KEYWORDS


def values(part: Any, keyword: str) -> Iterator[Any]:
    if isinstance(part, dict):
        yield from [part[keyword]] if keyword in part else []
    for below in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from values(below, keyword)


@pytest.mark.parametrize("name", NAMES)
def test_every_reference_stays_inside_its_file(name: str) -> None:
    schema = loaded(name)
    for reference in values(schema, "$ref"):
        assert reference.removeprefix("#/$defs/") in schema["$defs"]


def test_patterns_mean_the_same_in_python_and_in_javascript() -> None:
    """No escape or group that only one of the two knows; an editor compiles them with the flag `u`."""
    for pattern in values(loaded("fleet"), "pattern"):
        re.compile(pattern)
        assert set(re.findall(r"\\(.)", pattern)) <= set("sSx.[]"), pattern
        assert set(re.findall(r"\(\?(.)", pattern)) <= {":"}, pattern
