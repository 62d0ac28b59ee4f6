"""What is written for each kind of client, for six fleets: ids that are hard to write, and what must not be
in any file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion

from fleet_compiler.clients import CLIENTS, Client
from fleet_compiler.emit.render import render_client
from fleet_runtime.artifacts.contract import ModelFacts, RoutedModel
from tests.support.clients import client_view
from tests.support.projects import compile_text, lock_of

PLANTED = "sk-planted-1234567890"
ALPHA, BETA = "http://127.0.0.1:8401", "http://127.0.0.1:8411"
KNOWN = ModelFacts(context=65536, context_source="running", tools=True)
PLAIN = """
version: 1
default_provider: alpha
providers: {alpha: {url: "http://127.0.0.1:8401", label: Sam's desktop}, beta: "http://127.0.0.1:8411"}
surfaces: {code: {client: KIND}}
"""
ROLES = "roles: {default: alpha/MODEL, task: beta/MODEL, fast: beta/MODEL, embedding: beta/nomic}\n"


def fleet(model: str, facts: ModelFacts = KNOWN, more: str = "") -> tuple[str, dict[str, Any]]:
    """The same model on two providers, and one for vectors."""
    vectors = ModelFacts(context=8192, context_source="listed", purpose="embedding")
    lock = {
        "alpha": lock_of(ALPHA, known={model: facts}),
        "beta": lock_of(BETA, known={model: facts, "nomic": vectors}),
    }
    return PLAIN + ROLES.replace("MODEL", model) + more, lock


FLEETS = {
    "slashes": fleet("unsloth/Qwen3-8B-GGUF"),
    "colons": fleet("qwen3:8b-q4_K_M"),
    "spaces and letters": fleet("Größtes Modell 模型 9000"),
    "unknown context": fleet("qwen3-8b", ModelFacts()),
    "keys": fleet("qwen3-8b", more="gateway: {keys: {laptop: {env: FLEET_KEY_LAPTOP}}}\n"),
    "restricted": fleet("qwen3-8b", ModelFacts(context=32768, context_source="trained")),
}
FLEETS["restricted"] = (
    FLEETS["restricted"][0].replace("{client: KIND}", "{client: KIND, providers: [beta]}"),
    FLEETS["restricted"][1],
)

each_client = pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)


def written(client: Client, folder: Path, yaml: str, lock: Mapping[str, Any]) -> dict[str, str]:
    files = compile_text(folder, yaml.replace("KIND", client.name), **lock).files
    return {path: files[path].decode() for path in client.outputs(client.place("code"))}


@each_client
def test_its_files_for_six_fleets(client: Client, tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    for name, (yaml, lock) in FLEETS.items():
        files = written(client, tmp_path, yaml, lock)
        assert "\n".join(f"--- {path}\n{text}" for path, text in files.items()) == snapshot(name=name)
        for file, text in zip(client.files, files.values(), strict=True):
            file.parse(text)
        assert written(client, tmp_path, yaml, lock) == files


def models_of(client: Client, folder: Path, name: str) -> Iterator[str]:
    yield from written(client, folder, *FLEETS[name]).values()


@each_client
def test_it_holds_no_key_no_absolute_path_and_no_other_provider(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("FLEET_KEY", "FLEET_KEY_LAPTOP", "OPENAI_API_KEY"):
        monkeypatch.setenv(variable, PLANTED)
    (tmp_path / "laptop.key").write_text(PLANTED)
    yaml, lock = fleet("qwen3-8b", more="gateway: {keys: {laptop: {file: laptop.key}}}\n")
    for text in (*written(client, tmp_path, yaml, lock).values(), *models_of(client, tmp_path, "keys")):
        assert PLANTED not in text
        assert str(tmp_path) not in text
    restricted = "\n".join(models_of(client, tmp_path, "restricted"))
    assert "alpha/" not in restricted
    assert "desktop" not in restricted


@each_client
def test_a_model_that_cannot_hold_its_prompt_is_left_out_with_a_warning(
    client: Client, tmp_path: Path
) -> None:
    yaml, lock = fleet("tiny-model", ModelFacts(context=600, context_source="running"))
    compiled = compile_text(tmp_path, yaml.replace("KIND", client.name), **lock)
    text = "\n".join(compiled.files[path].decode() for path in client.outputs(client.place("code")))
    warnings = [each for each in compiled.warnings if each.code == "F311"]
    if client.prompt.tokens:
        assert "tiny-model" not in text
        (warning,) = warnings
        assert "tiny-model (600 tokens)" in warning.message
        assert f"at least {client.prompt.tokens + 512} tokens" in (warning.help or "")
    else:
        assert warnings == []


IDS = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=40)


@each_client
@settings(deadline=None, max_examples=40)
@given(IDS)
def test_any_id_survives_its_files(client: Client, id: str) -> None:
    """Every kind names its first model in full, whatever the id looks like, or leaves it out."""
    facts = RoutedModel(context=65536, context_source="running")
    view = client_view({id: facts}, {"default": (f"desk/{id}",)}, options=client.options())
    parsed = [file.parse(render_client(file, view).decode()) for file in client.files]
    wanted = json.dumps(f"desk/{id}")[1:-1]
    named = any(wanted in json.dumps(each) for each in parsed)
    assert named or not client.holds(f"desk/{id}")


@each_client
@pytest.mark.parametrize("odd", ["\uffff", "\ufffe", "\ufdd0", "\U0010ffff", "\u0378", "\u200d", "\u3000"])
def test_an_id_with_what_yaml_cannot_contain_is_built(client: Client, odd: str) -> None:
    facts = RoutedModel(context=65536, context_source="running")
    view = client_view({f"m{odd}": facts}, {"default": (f"desk/m{odd}",)}, options=client.options())
    files = [render_client(file, view) for file in client.files]
    assert any(odd.encode() in file or json.dumps(odd)[1:-1].encode() in file for file in files)


FILLED = (
    "${{ secrets.HF_TOKEN }}",
    "e${{secrets.X}}",
    "$HOME",
    "m${HF_TOKEN}",
    "{env:HOME}",
    "{file:/etc/passwd}",
)
"""What some client replaces in its configuration."""


@each_client
def test_it_fills_no_model_with_a_secret(client: Client, tmp_path: Path) -> None:
    """Continue fills each ``${{ secrets.NAME }}``, qwen-code and some readers of variables fill ``${NAME}``,
    and opencode ``{env:NAME}``."""
    yaml, lock = fleet("qwen3-8b")
    models = {id: ModelFacts(context=65536, context_source="running") for id in FILLED}
    models[FILLED[1]] = ModelFacts(purpose="embedding")
    lock["alpha"] = lock_of(ALPHA, known={**models, "qwen3-8b": KNOWN})
    yaml = yaml.replace("Sam's desktop", "'$${{ secrets.HOME }} $HOME'").replace("KIND", client.name)
    compiled = compile_text(tmp_path, yaml, **lock)
    text = "".join(compiled.files[path].decode() for path in client.outputs(client.place("code")))
    assert "alpha/qwen3-8b" in text
    marks = {"continue": "${{", "qwen-code": "$HOME", "opencode": "{env:", "env": "HOME", "gptme": "HOME"}
    if (mark := marks.get(client.name)) is not None:
        assert mark not in text
    left_out = [warning.message for warning in compiled.warnings if warning.code == "F312"]
    assert bool(left_out) is any(not client.holds(id) for id in FILLED)
