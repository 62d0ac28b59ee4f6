"""``fleet completion``: the completions in a real bash."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fleet_compiler.commands.completion import SHELLS
from tests.cli.conftest import Fleet

Complete = Callable[..., list[str]]

BASH = shutil.which("bash")


@pytest.fixture
def complete(project: Path, fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Complete:
    """Completes the last of some words in bash, in a folder with a built fleet."""
    fleet("build")
    folder = tmp_path_factory.mktemp("bin")
    program = folder / "fleet"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m fleet_compiler "$@"\n')
    program.chmod(0o755)
    script = fleet("completion", "bash").out

    def run(*words: str) -> list[str]:
        asked = "\n".join(
            (
                script,
                f"COMP_WORDS=({shlex.join(['fleet', *words])}); COMP_CWORD={len(words)}",
                f"_fleet_completion fleet {shlex.quote(words[-1])}",
                'printf "%s\\n" "${COMPREPLY[@]}"',
            )
        )
        ran = subprocess.run(
            [str(BASH), "--norc", "-c", asked],
            cwd=project,
            env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=True,
        )
        assert ran.stderr == ""
        return ran.stdout.split()

    return run


@pytest.mark.skipif(BASH is None, reason="there is no bash")
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["va"], ["validate"]),
        (["lock", ""], ["desk"]),
        (["remove", "de"], ["desk"]),
        (["build", "--fro"], ["--frozen"]),
        (["explain", "f30"], [f"F30{number}" for number in range(1, 10)]),
        (["completion", "z"], ["zsh"]),
        (["models", "--surface", "co"], ["code"]),
        (["resolve", "desk/q"], ["desk/qwen3-4b", "desk/qwen3-8b"]),
        (["resolve", "@"], ["@default"]),
    ],
)
def test_commands_options_and_the_fleets_own_names_are_offered(
    complete: Complete, words: list[str], offered: list[str]
) -> None:
    assert complete(*words) == offered


@pytest.mark.skipif(BASH is None, reason="there is no bash")
def test_a_folder_without_a_fleet_offers_nothing_and_says_nothing(complete: Complete, project: Path) -> None:
    shutil.rmtree(project / "generated")
    assert complete("lock", "") == []
    (project / "fleet.yaml").unlink()
    assert complete("lock", "") == []


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_gets_its_script(fleet: Fleet, shell: str) -> None:
    ran = fleet("completion", shell)
    assert (ran.code, ran.err) == (0, "")
    assert f"_FLEET_COMPLETE={shell}_complete" in ran.out


@pytest.mark.skipif(BASH is None, reason="there is no bash")
def test_an_id_that_a_shell_would_execute_is_not_offered(complete: Complete, project: Path) -> None:
    table = project / "generated" / "routing" / "_fleet.json"
    hostile = [
        r"qwen3-$(touch x)",
        r"qwen3-`touch x`",
        r"qwen3-;x",
        r"qwen3-*",
        "qwen3- x",
        r"qwen3-\\",
        "qwen3-'x",
    ]
    models = "".join(f'"{id}": {{}}, ' for id in hostile)
    text = table.read_text().replace('"qwen3-8b": {}', f'{models}"qwen3-8b": {{}}', 1)
    table.write_text(text)
    assert "touch x" in text
    assert complete("resolve", "desk/q") == ["desk/qwen3-4b", "desk/qwen3-8b"]
