"""Each kind of client is complete: module, templates, golden files, start, schema and docs row."""

from __future__ import annotations

import json
import os
from keyword import iskeyword
from pathlib import Path, PurePosixPath
from types import ModuleType

import pytest
from msgspec.structs import replace

import fleet_compiler.clients
from docs.generate.yaml_page import client_row
from fleet_compiler.assets import TEMPLATES
from fleet_compiler.checks.conflicts import RESERVED_OUTPUTS
from fleet_compiler.clients import CLIENTS, Client, ClientView
from fleet_compiler.config.schema import schema
from fleet_compiler.diagnostics.codes import codes
from fleet_compiler.emit.render import render_client
from fleet_compiler.files import path_problem
from fleet_runtime.artifacts.contract import ModelFacts
from tests.support.clients import client_view
from tests.support.golden import FLEETS, NAMES, compiled
from tests.support.paths import ROOT
from tests.support.projects import compile_text, lock_of

GOLDEN = Path(__file__).parent / "golden"
FLEET = """
version: 1
default_provider: sam-desktop
providers:
  sam-desktop: {url: "http://127.0.0.1:8401", label: Sam's desktop}
  embedding: {url: "http://127.0.0.1:8411", formerly: [old-box]}
  deepseek:
    url: https://api.deepseek.com
    class: cloud
    api_key_env: DEEPSEEK_API_KEY
    models: {deepseek-chat: {name: DeepSeek V3, context: 131072, output: 8192, tools: true, reasoning: false}}
aliases: {deepseek-chat: deepseek/deepseek-chat}
roles: {default: sam-desktop/qwen3-coder-30b, task: [embedding/qwen3-4b], embedding: embedding/nomic-embed}
surfaces: {code: {client: KIND}}
gateway: {keys: {laptop: {env: FLEET_KEY}}}
"""
LOCK = {
    "sam-desktop": lock_of(
        "http://127.0.0.1:8401",
        known={
            "qwen3-coder-30b": ModelFacts(
                context=65536, context_source="running", tools=True, purpose="chat"
            ),
            "unsloth/Qwen3-8B-GGUF:Q4_K_M": ModelFacts(context=40960, context_source="trained"),
            "tiny": ModelFacts(context=4096, context_source="running"),
            "seer": ModelFacts(context=32768, context_source="listed", input=("text", "image")),
        },
    ),
    "embedding": lock_of(
        "http://127.0.0.1:8411",
        known={
            "qwen3-4b": ModelFacts(context=32768, context_source="listed", aliases=("small",)),
            "nomic-embed": ModelFacts(context=8192, context_source="listed", purpose="embedding"),
            'it\'s "odd" {env:HOME}': ModelFacts(context=32768, context_source="listed"),
        },
    ),
}

each_client = pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)


def written(client: Client, folder: Path) -> dict[str, bytes]:
    """The files of a client for the fleet above."""
    files = compile_text(folder, FLEET.replace("KIND", client.name), **LOCK).files
    main = client.place("code")
    return {PurePosixPath(path).name: files[path] for path in client.outputs(main)}


@each_client
def test_a_client_is_called_like_its_module(client: Client) -> None:
    name = client.name.replace("-", "_")
    module: ModuleType = getattr(fleet_compiler.clients, f"{name}_" if iskeyword(name) else name)
    assert module.CLIENT is client


@each_client
def test_its_files_are_as_the_golden_ones(client: Client, tmp_path: Path) -> None:
    """`UPDATE_CASES=1` writes them."""
    for path, content in written(client, tmp_path).items():
        golden = GOLDEN / client.name / path
        if os.environ.get("UPDATE_CASES"):
            golden.parent.mkdir(parents=True, exist_ok=True)
            golden.write_bytes(content)
        assert content.decode() == golden.read_text(encoding="utf-8"), path


@each_client
@pytest.mark.parametrize("name", NAMES)
def test_it_renders_every_golden_fleet(client: Client, name: str) -> None:
    resolved = compiled(FLEETS / name).resolved
    for table in resolved.tables.values():
        view = ClientView(resolved.gateway.url, table, client.file, None, client.options())
        for file in client.files:
            render_client(file, view)


@each_client
def test_it_starts_on_its_own_file_and_asks_the_gateway(client: Client, tmp_path: Path) -> None:
    content = next(iter(written(client, tmp_path).values()))
    launch = client.launch(tmp_path / client.file, content)
    assert launch.environment or launch.leading or launch.home
    assert launch.keys == ("FLEET_KEY",)
    assert launch.urls
    assert all(url.startswith("http://127.0.0.1:8400/code") for url in launch.urls)


@each_client
@pytest.mark.parametrize("content", [b"", b"\xff", b"[]", b"{", b"x"])
def test_it_does_not_start_on_something_else(client: Client, content: bytes, tmp_path: Path) -> None:
    with pytest.raises((ValueError, LookupError, TypeError, AttributeError)):
        client.launch(tmp_path / client.file, content)


@each_client
def test_each_of_its_options_shows_in_what_is_generated(client: Client, tmp_path: Path) -> None:
    (keys,) = (
        kind["then"]["properties"]
        for kind in schema()["$defs"]["clientMapping"]["allOf"]
        if kind["if"]["properties"]["kind"]["const"] == client.name
    )
    plain = written(client, tmp_path)
    for option in client.options.model_fields:
        (value, *_) = keys[option]["examples"]
        settings = f"{{kind: {client.name}, {option}: {json.dumps(value)}}}"
        files = compile_text(tmp_path, FLEET.replace("KIND", settings), **LOCK).files
        assert plain != {
            PurePosixPath(path).name: files[path] for path in client.outputs(client.place("code"))
        }


@each_client
def test_its_file_names_are_free(client: Client) -> None:
    for name in client.outputs(client.place("laptop")):
        assert path_problem(name) is None
    assert {PurePosixPath(file.name).parts[0] for file in client.files}.isdisjoint(RESERVED_OUTPUTS)


@each_client
def test_its_templates_exist_and_are_called_like_it(client: Client) -> None:
    for file in client.files:
        assert (TEMPLATES / file.template).is_file()
        assert file.template.startswith(client.name)


@each_client
def test_its_findings_have_codes(client: Client, tmp_path: Path) -> None:
    loaded = compile_text(tmp_path, FLEET.replace("KIND", client.name), **LOCK)
    view = client_view()
    view = replace(view, options=client.options())
    for finding in (*client.check(loaded.loaded.fleet), *client.check_models(view)):
        assert finding.code in codes()


@each_client
def test_its_schema_and_page_know_it(client: Client) -> None:
    assert client.name in schema()["$defs"]["clientKind"]["enum"]
    assert client_row(client) in (ROOT / "docs" / "fleet-yaml.md").read_text(encoding="utf-8")
    assert f"## {client.name}" in (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")
    assert (ROOT / "docs" / client.page).is_file()


@each_client
def test_a_program_that_is_configured_by_flags_has_a_name_that_every_shell_takes(
    client: Client, tmp_path: Path
) -> None:
    """``fleet env`` defines a function with that name."""
    content = next(iter(written(client, tmp_path).values()))
    if client.launch(tmp_path / client.file, content).arguments:
        assert client.program.isidentifier()
