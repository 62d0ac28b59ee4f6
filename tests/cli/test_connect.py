"""``fleet connect``, and clients against a gateway elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet_runtime.simulator import ServerSpec, SimulatedModel, SimulationThread
from tests.cli.conftest import ONE_MACHINE, Fleet, write
from tests.support.stack import Stack, running_stack

KEY = "key-of-the-laptop"
KEYS = "gateway: {keys: {laptop: {file: laptop.key}}}\n"


@pytest.fixture
def built(fleet: Fleet, tmp_path: Path) -> Path:
    (tmp_path / "laptop.key").write_text(KEY)
    clients = "{client: [aider, codex, llm, claude-code, env]}"
    write(tmp_path, ONE_MACHINE.replace("{client: opencode}", clients) + KEYS)
    assert fleet("build").code == 0
    return tmp_path


def test_url_key_and_models_are_shown(fleet: Fleet, built: Path) -> None:
    shown = fleet("connect", "--surface", "code").out
    assert "base URL   http://127.0.0.1:8400/code/v1\n" in shown
    assert f"key        the content of {built}/laptop.key\n" in shown
    assert "model      desk/qwen3-4b\n" in shown
    assert "start      fleet run --surface code aider\n" in shown
    assert [each["name"] for each in json.loads(fleet("connect", "--json").out)["surfaces"]] == [
        "chat",
        "code",
    ]
    assert "2, listed with --surface chat" in fleet("connect").out


def test_the_code_for_a_phone_holds_the_key_only_if_that_is_said(fleet: Fleet, built: Path) -> None:
    plain = fleet("connect", "--surface", "code", "--qr")
    assert plain.out.endswith("http://127.0.0.1:8400/code/v1\n")
    assert plain.out.count("█") > 20 or plain.out.count("▀") > 20
    assert plain.err.startswith("warning: other devices cannot reach 'http://127.0.0.1:8400/code/v1'")
    with_key = fleet("connect", "--surface", "code", "--qr", "--with-key")
    assert len(with_key.out) > len(plain.out)
    assert KEY not in with_key.out
    assert fleet("connect", "--qr").code == fleet("connect", "--with-key").code == 2


@pytest.mark.parametrize(
    ("client", "start"),
    [
        ("aider", "aider --config BUILT/generated/code/aider/aider.conf.yml --model-metadata-file"),
        ("claude-code", "claude --settings BUILT/generated/code/claude.json"),
        ("env", 'OPENAI_API_KEY="$FLEET_KEY"'),
        ("llm", 'OPENAI_API_KEY="$FLEET_KEY" llm'),
    ],
)
def test_the_files_of_a_client_are_printed_with_how_it_starts(
    fleet: Fleet, built: Path, monkeypatch: pytest.MonkeyPatch, client: str, start: str
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(built / "state"))
    ran = fleet("connect", client)
    assert start.replace("BUILT", str(built)) in ran.err
    assert "desk/qwen3-8b" in ran.out
    assert KEY not in ran.out + ran.err
    exports = fleet("env", client).out
    assert exports.startswith(f'export FLEET_KEY="$(cat {built}/laptop.key)"\n')
    assert KEY not in exports


def fleet_yaml(machines: SimulationThread, listen: str) -> str:
    return f"""\
version: 1
default_provider: box
providers: {{box: "{machines.url("box")}"}}
roles: {{default: box/qwen3-8b}}
surfaces: {{code: {{client: [{{kind: aider, edit_format: diff}}, llm]}}, chat: }}
gateway: {{listen: "{listen}", keys: {{k: {{env: FLEET_KEY}}}}}}
"""


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    specs = [ServerSpec("box", models=(SimulatedModel("qwen3-8b", context=32768),))]
    with running_stack(tmp_path_factory.mktemp("gateway"), specs, fleet_yaml, {"FLEET_KEY": KEY}) as stack:
        yield stack


def test_a_computer_without_a_fleet_yaml_needs_only_the_url_and_the_key(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, remote: Stack
) -> None:
    for name, value in {"FLEET_URL": remote.url, "FLEET_KEY": KEY, "XDG_STATE_HOME": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    program = tmp_path / "bin" / "aider"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "$OPENAI_API_KEY" "$2" "$#" "$7"\ncat "$2" "$6"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    shown = fleet("env", "aider").out
    folder = next((tmp_path / "fleet" / "clients").iterdir()) / "aider"
    assert f"--config {folder}/aider.conf.yml" in shown
    assert folder.stat().st_mode & 0o777 == 0o700
    conf = (folder / "aider.conf.yml").read_text()
    assert f'openai-api-base: "{remote.url}/code/v1"' in conf
    assert '"edit_format": "diff"' in (folder / "aider.model.settings.yml").read_text()
    assert KEY not in "".join(file.read_text() for file in folder.iterdir())
    assert fleet("connect", "codex").err.startswith("error: no surface of the gateway")
    assert '"box/qwen3-8b"' in fleet("connect", "--surface", "chat", "codex").out
    assert json.loads(fleet("connect", "--json", "--surface", "chat").out)["surfaces"][0]["models"] == [
        "box/qwen3-8b"
    ]
    assert fleet("run", "--surface", "nowhere", "aider").code == 1


def test_a_gateway_that_does_not_respond_is_named(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEET_URL", "http://127.0.0.1:9")
    ran = fleet("run", "aider")
    assert (ran.code, ran.out) == (4, "")
    assert "http://127.0.0.1:9" in ran.err


def test_the_gateway_that_fleet_use_chose_is_used(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, remote: Stack
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("FLEET_KEY", KEY)
    assert fleet("use", remote.url).code == 0
    shown = json.loads(fleet("connect", "--surface", "code", "--json").out)["surfaces"]
    assert [each["base_url"] for each in shown] == [f"{remote.url}/code/v1"]
