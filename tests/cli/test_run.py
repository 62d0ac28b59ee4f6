"""``fleet run`` and ``fleet env``: a client starts with its generated configuration."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from fleet_compiler.clients import CLIENTS
from tests.cli.conftest import ONE_MACHINE, Fleet, write
from tests.support.paths import ROOT
from tests.support.ports import free_port

GOLDEN = ROOT / "tests" / "compiler" / "clients" / "golden"


def install_client(folder: Path) -> dict[str, str]:
    """Put an opencode in `folder` that prints what it was started with; return the environment for it."""
    program = folder / "opencode"
    script = "import os, sys\nprint(os.environ['OPENCODE_CONFIG'], sys.argv[1:])\n"
    program.write_text(f"#!{sys.executable}\n{script}")
    program.chmod(0o755)
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}


def test_a_client_is_started_with_its_configuration_and_arguments(
    fleet: Fleet, project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    listen = f"127.0.0.1:{free_port()}"
    write(project, f'{dedent(ONE_MACHINE)}gateway: {{listen: "{listen}"}}\n')
    fleet("build")
    environment = install_client(tmp_path_factory.mktemp("bin"))
    command = [sys.executable, "-m", "fleet_compiler", "run", "opencode", "--help", "-m", "x"]
    ran = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0
    assert ran.stdout == f"{project}/generated/opencode.json ['--help', '-m', 'x']\n"
    assert ran.stderr.startswith(f"warning: no gateway listens at 'http://{listen}/code/v1'")


@pytest.mark.parametrize("name", CLIENTS)
def test_a_program_that_is_not_installed_is_named_with_how_to_install_it(
    fleet: Fleet, project: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("PATH", str(project))
    ran = fleet("run", "--config", str(GOLDEN / name / CLIENTS[name].file), name)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == f"error: '{CLIENTS[name].program}' is not on PATH: {CLIENTS[name].install}\n"


@pytest.mark.parametrize("command", ["run", "env"])
def test_a_missing_configuration_is_named_with_how_to_make_it(
    fleet: Fleet, project: Path, command: str
) -> None:
    ran = fleet(command, "opencode")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == "error: 'generated/gateway.json' does not exist: run `fleet build`\n"
    fleet("build")
    ran = fleet(command, "codex")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == (
        "error: no surface of 'fleet.yaml' has the client 'codex': give one `client: codex` and run"
        " `fleet build`, or choose any with --surface\n"
    )


@pytest.mark.parametrize("command", ["run", "env", "connect"])
def test_a_surface_is_required_if_several_have_the_client(fleet: Fleet, tmp_path: Path, command: str) -> None:
    surfaces = "{one: {client: aider}, two: {client: [aider, env]}, three: }"
    write(tmp_path, ONE_MACHINE.replace("{chat: , code: {client: opencode}}", surfaces))
    assert fleet("build").code == 0
    ran = fleet(command, "aider")
    assert (ran.code, ran.err) == (
        2,
        "error: the surfaces 'one' and 'two' have the client 'aider': choose one with --surface\n",
    )
    ran = fleet(command, "--surface", "four", "aider")
    assert (ran.code, ran.err) == (
        2,
        "error: unknown surface 'four'; surfaces: 'one', 'three' and 'two'\n",
    )


@pytest.mark.parametrize("content", ["{", "[]", '{"provider": []}', '{"provider": {"a": {}}}', '"text"'])
def test_a_file_of_something_else_is_rejected(fleet: Fleet, project: Path, content: str) -> None:
    (project / "other.json").write_text(content)
    ran = fleet("env", "--config", "other.json", "opencode")
    assert (ran.code, ran.out) == (1, "")
    assert "'other.json' is not a configuration of opencode" in ran.err


def test_the_environment_is_printed_for_a_shell(fleet: Fleet, project: Path) -> None:
    fleet("build")
    config = project / "generated" / "opencode.json"
    exports = fleet("env", "opencode").out
    assert f"export OPENCODE_CONFIG={config}\n" in exports
    settings = json.loads(config.read_text())
    assert ("OPENCODE_DISABLE_MODELS_FETCH" in exports) is ("enabled_providers" in settings)


def test_a_program_gets_the_variables_of_sdks_and_the_key_that_they_refer_to(project: Path) -> None:
    config = GOLDEN / "env" / "client.env"
    script = "import os; print(os.environ['OPENAI_BASE_URL'], os.environ['ANTHROPIC_API_KEY'])"
    command = [sys.executable, "-m", "fleet_compiler", "run", "--config", str(config), "env", sys.executable]
    ran = subprocess.run(
        [*command, "-c", script],
        cwd=project,
        env={**os.environ, "FLEET_KEY": "secret"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (0, "http://127.0.0.1:8400/code/v1 secret\n")


def test_a_key_is_exported_as_a_reference_and_never_printed(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEET_KEY", "secret")
    ran = fleet("env", "--config", str(GOLDEN / "env" / "client.env"), "env")
    assert 'export OPENAI_API_KEY="${FLEET_KEY}"\n' in ran.out
    assert "secret" not in ran.out


def test_a_client_that_is_taken_out_loses_its_files(fleet: Fleet, tmp_path: Path) -> None:
    folder = tmp_path / "generated" / "code"
    write(tmp_path, ONE_MACHINE.replace("client: opencode", "client: [aider, claude-code]"))
    assert fleet("build").code == 0
    assert {path.name for path in folder.iterdir()} == {"aider", "claude.json"}
    write(tmp_path, ONE_MACHINE.replace("client: opencode", "client: claude-code"))
    assert fleet("build").code == 0
    assert {path.name for path in folder.iterdir()} == {"claude.json"}


@pytest.mark.parametrize("key", [b"", b"a\0b", b"a b", b"a\nb", "\u00e9".encode(), b"\xff"])
@pytest.mark.parametrize("command", [["run", "env", "true"], ["connect", "--qr", "--with-key"]])
def test_a_file_that_holds_no_key_is_named(
    fleet: Fleet, project: Path, key: bytes, command: list[str]
) -> None:
    keys = "gateway: {keys: {phone: {file: key}}}\n"
    surfaces = "surfaces: {chat: {client: env}}"
    write(project, ONE_MACHINE.replace("surfaces: {chat: , code: {client: opencode}}", surfaces) + keys)
    fleet("build")
    (project / "key").write_bytes(key)
    ran = fleet(*command)
    assert (ran.code, ran.out) == (1, "")
    assert "key" in ran.err
    assert ran.err.startswith("error: ")


@pytest.mark.parametrize("name", ['A}"; touch pwned; "${B', "a b", "", "9"])
def test_a_variable_that_a_shell_would_execute_is_not_one(fleet: Fleet, project: Path, name: str) -> None:
    write(project, ONE_MACHINE.replace("{client: opencode}", "{client: llm}"))
    fleet("build")
    models = project / "generated" / "code" / "llm" / "extra-openai-models.yaml"
    models.write_text(models.read_text().replace("{", f'{{"api_key_name": {json.dumps(name)}, ', 1))
    ran = fleet("env", "llm")
    assert (ran.code, ran.out) == (1, "")
    assert "is not a configuration of llm that `fleet build` wrote" in ran.err


@pytest.mark.parametrize("said", ['{"models": ["x"]}', '{"models": 1}', "[" * 99_999, "{}", "\\377", '"'])
def test_codex_starts_whatever_it_says_of_its_own_models(
    fleet: Fleet, project: Path, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    write(project, ONE_MACHINE.replace("{client: opencode}", "{client: codex}"))
    fleet("build")
    (project / "said").write_text(said)
    program = project / "codex"
    program.write_text(f"#!/bin/sh\ncat {project}/said\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{project}:/usr/bin:/bin")
    ran = fleet("env", "codex")
    assert (ran.code, ran.err) == (0, "")
    assert "model_catalog_json" not in ran.out


@pytest.mark.parametrize(
    ("script", "reason"), [("echo hi\n", "exec format error"), ("#!/no/such\n", "no such file or directory")]
)
def test_a_program_that_cannot_be_started_is_named(
    fleet: Fleet, project: Path, monkeypatch: pytest.MonkeyPatch, script: str, reason: str
) -> None:
    fleet("build")
    program = project / "opencode"
    program.write_text(script)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(project))
    ran = fleet("run", "opencode")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.splitlines()[-1] == f"error: cannot start '{program}': {reason}"
