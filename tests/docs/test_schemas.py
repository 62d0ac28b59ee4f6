"""The schemas of generated files, and the one that editors get."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from docs.generate.schemas import GENERATED, contract_schema
from fleet_compiler.assets import SCHEMAS
from fleet_compiler.document.parse import load_document
from fleet_compiler.document.read import read_source
from fleet_compiler.emit.editor_schema import SCHEMA
from tests.support.golden import FLEETS, NAMES, compiled


@pytest.mark.parametrize("name", GENERATED)
def test_a_schema_in_the_repository_is_the_contracts(name: str) -> None:
    """`python -m docs.generate.schemas` writes them again."""
    assert (SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8") == contract_schema(name)


@pytest.mark.parametrize("fleet", NAMES)
def test_generated_files_are_as_their_schemas_say(fleet: str) -> None:
    files = compiled(FLEETS / fleet).files
    routing = [path for path in files if path.startswith("routing/")]
    for name, paths in {
        "gateway": ["gateway.json"],
        "manifest": ["manifest.json"],
        "routing": routing,
    }.items():
        validator = Draft202012Validator(json.loads(contract_schema(name)))
        for path in paths:
            validator.validate(json.loads(files[path]))
    lock = json.loads((FLEETS / fleet / "fleet.lock").read_text(encoding="utf-8"))
    Draft202012Validator(json.loads(contract_schema("lock"))).validate(lock)


def editor_schema(fleet: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(compiled(FLEETS / fleet).files[SCHEMA])
    return schema


def test_editors_are_offered_this_fleets_names() -> None:
    schema = editor_schema("names")
    definitions = schema["$defs"]
    surface = definitions["surface"]["properties"]
    assert schema["properties"]["default_provider"]["examples"] == ["sam-desktop", "embedding"]
    assert "embedding/deepseek-r1-qwen3-8b" in definitions["role"]["items"]["examples"]
    assert "sam-desktop/qwen3-8b" in definitions["compositeId"]["examples"]
    assert surface["providers"]["items"]["examples"] == [
        "sam-desktop",
        "embedding",
    ]
    assert editor_schema("keys")["$defs"]["surface"]["properties"]["key"]["examples"] == ["disk", "laptop"]


@pytest.mark.parametrize("schema_of", NAMES)
def test_what_is_not_offered_stays_valid(schema_of: str) -> None:
    """Each fleet is valid by the editor schema of each other one."""
    schema = editor_schema(schema_of)
    Draft202012Validator.check_schema(schema)
    for name in NAMES:
        Draft202012Validator(schema).validate(
            load_document(read_source(Path(FLEETS / name / "fleet.yaml"))).data
        )
