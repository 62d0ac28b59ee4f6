"""Codex: its profile as flags, and a catalog that is complete or not passed at all."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from fleet_compiler.clients.codex import CATALOG, CLIENT, complete
from fleet_compiler.emit.render import render_client
from fleet_runtime.artifacts.contract import KeyReference, RoutedModel
from tests.support.clients import client_view

BUNDLED = {"models": [
    {"base_instructions": "for code", "tool_mode": "code_mode_only"},
    {"base_instructions": "Codex's own", "tool_mode": None},
]}  # fmt: skip


def files(key: KeyReference | None = None) -> dict[str, bytes]:
    facts = RoutedModel(context=65536, context_source="running")
    view = client_view({'q "8b"': facts, "small": RoutedModel()}, {"default": ('desk/q "8b"',)}, key=key)
    return {file.name: render_client(file, view) for file in CLIENT.files}


def test_the_catalog_gets_the_instructions_of_codex_itself() -> None:
    written = complete(json.dumps(BUNDLED).encode(), files())
    models = json.loads(written[CATALOG])["models"]
    assert [model["base_instructions"] for model in models] == ["Codex's own"] * 2
    assert [model.get("context_window") for model in models] == [65536, None]
    assert CATALOG not in complete(b'{"models": []}', files())


def test_the_flags_are_the_profile_and_the_catalog_only_if_it_is_complete(tmp_path: Path) -> None:
    made = files(KeyReference(env="FLEET_KEY"))
    config = tmp_path / CLIENT.file
    (tmp_path / CATALOG).write_bytes(made[CATALOG])
    launch = CLIENT.launch(config, made[CLIENT.file])
    assert launch.arguments[::2] == ("-c",) * (len(launch.arguments) // 2)
    settings = tomllib.loads("\n".join(launch.arguments[1::2]))
    assert settings == tomllib.loads(made[CLIENT.file].decode())
    assert settings["model"] == 'desk/q "8b"'
    assert settings["model_providers"]["fleet"]["env_key"] == "FLEET_KEY"
    (tmp_path / CATALOG).write_bytes(complete(json.dumps(BUNDLED).encode(), made)[CATALOG])
    assert f'model_catalog_json="{tmp_path / CATALOG}"' in CLIENT.launch(config, made[CLIENT.file]).arguments


@pytest.mark.parametrize("bundled", [b"", b"[]", b'{"models": [{}]}'])
def test_what_codex_does_not_print_is_an_error_that_is_caught(bundled: bytes) -> None:
    with pytest.raises((ValueError, LookupError, TypeError)):
        complete(bundled, files())
