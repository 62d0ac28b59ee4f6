"""What was generated for opencode is read as far as it is that, whatever became of the file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fleet_runtime.artifacts.contract import Manifest
from fleet_runtime.doctor.opencode_config import inspect_opencode
from fleet_runtime.opencode_files import CONFIG_SCHEMA


def generated(folder: Path, text: str) -> Path:
    (folder / "opencode.json").write_text(text)
    manifest = Manifest(model="m", lock="l", files={"opencode.json": "0"})
    (folder / "manifest.json").write_text(manifest.model_dump_json(by_alias=True))
    return folder


def test_its_providers_are_what_opencode_should_have(tmp_path: Path) -> None:
    folder = generated(tmp_path, json.dumps({"$schema": CONFIG_SCHEMA, "provider": {"box": {}}}))
    found = inspect_opencode(folder, {"HOME": str(tmp_path)})
    assert found is not None
    assert found.wanted == {"box": {}}


@pytest.mark.parametrize(
    "text",
    [
        *('"x"', "null", "[]", "{}", "{", "[" * 99_999, "\udcff"),
        json.dumps({"$schema": CONFIG_SCHEMA}),
        json.dumps({"$schema": CONFIG_SCHEMA, "provider": ["box"]}),
    ],
    ids=lambda text: repr(text[:20]),
)
def test_anything_else_is_not_a_file_for_opencode(tmp_path: Path, text: str) -> None:
    folder = generated(tmp_path, "")
    (folder / "opencode.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert inspect_opencode(folder, {"HOME": str(tmp_path)}) is None
