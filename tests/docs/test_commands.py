"""Every command of README.md and docs/ runs as written, in the order of its page, in an empty home.

Shell commands are the fenced blocks that are marked ``sh``; every other block says what else it is. A page's
blocks are one script, run with simulated providers. Only what `REPLACED` maps is replaced, and only what
`NOT_RUN` lists is left out.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from fleet_compiler.cli import COMMANDS, fleet
from fleet_runtime.simulator import ServerSpec, SimulatedModel, SimulationThread
from tests.support.paths import DOCS, ROOT
from tests.support.ports import free_port

PAGES = {"README.md": ROOT / "README.md", **{page.name: page for page in sorted(DOCS.glob("*.md"))}}
GENERATED = ("cli.md", "diagnostics.md")
"""Pages without marked blocks; the commands of the first are parsed below, the second has none."""

OWN_TESTS = {
    "changing.md": "tests/docs/test_changing_page.py",
    "ci.md": "tests/integration/test_ci_page.py",
    "scale.md": "tests/docs/test_scale_page.py",
}
"""Pages whose commands need more around them than an empty home, and the test that runs them."""

NOT_RUN = {
    "make": "sets up a .venv in the checkout; tests/system/test_demo.py runs the demo and the tour",
    ".venv/bin/fleet": "asks the demo's gateway, as tests/system/test_demo.py does",
    "pipx": "installs into the user's home from a package index",
    "python3": "makes a system-wide venv from a package index",
    "npm": "installs from a package index; `make integration` runs the real opencode",
    "npx": "installs from a package index; `make types` runs it",
    "docker": "needs a daemon; tests/system/test_deploy.py checks the files",
    "systemctl": "changes the system's services",
    "cp": "writes to /etc/systemd; tests/system/test_deploy.py checks the unit",
    "install": "writes to /etc; tests/system/test_deploy.py checks the paths",
    "ln": "changes /etc/fleet; tests/system/test_deploy.py swaps the link",
    "tailscale": "changes the tailnet",
}
"""Programs that cannot run in a test, and why; `fleet` can never be one of them."""

PRELUDE = """\
set -eu
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
fleet() {
  case $1 in
    up|serve)  # in a terminal of its own
      command fleet "$@" > up.log 2>&1 &
      until grep -q '^base URL' up.log; do kill -0 $!; sleep 0.1; done;;
    *) command fleet "$@";;
  esac
}
"""

OPENCODE = """\
version: 1
default_provider: embedding
providers: {embedding: EMBEDDING}
surfaces: {opencode: {client: opencode}}
"""


def blocks(page: Path) -> list[tuple[str, str]]:
    """Return the language and the text of each fenced block."""
    return re.findall(r"(?ms)^```([^\n]*)\n(.*?)^```$", page.read_text(encoding="utf-8"))


def commands(page: Path) -> str:
    """Return the marked commands of a page that can run."""
    text = "".join(text for language, text in blocks(page) if language == "sh")
    return "\n".join(line for line in text.split("\n") if first_word(line) not in NOT_RUN)


def first_word(line: str) -> str:
    return (line.split() or [""])[0]


@pytest.mark.parametrize("name", [name for name in PAGES if name not in GENERATED])
def test_every_block_says_what_it_is_so_that_no_command_hides(name: str) -> None:
    assert [text for language, text in blocks(PAGES[name]) if not language] == []
    shells = [language for language, _ in blocks(PAGES[name]) if language in ("bash", "console", "shell")]
    assert shells == []


def test_what_is_not_run_is_there_and_is_not_fleet() -> None:
    lines = [line for page in PAGES.values() for language, text in blocks(page) if language == "sh"
             for line in text.split("\n")]  # fmt: skip
    assert {first_word(line) for line in lines} >= NOT_RUN.keys(), "a program that no page names any more"
    assert "fleet" not in NOT_RUN
    for page, module in OWN_TESTS.items():
        assert page in (ROOT / module).read_text(encoding="utf-8")


RUN = [name for name, page in PAGES.items() if name not in OWN_TESTS and commands(page).strip()]


def test_the_pages_with_commands_are_these() -> None:
    assert RUN == ["README.md", "access.md", "deploy.md", "ollama.md", "opencode.md"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty home, with `fleet`, `python` and a stand-in for `opencode` on its PATH."""
    programs = {
        "fleet": f'exec {shlex.quote(sys.executable)} -m fleet_compiler "$@"',
        "python": f'exec {shlex.quote(sys.executable)} "$@"',
        "opencode": 'test -n "$OPENCODE_CONFIG" && echo "opencode $*"',
    }
    (tmp_path / "bin").mkdir()
    for name, body in programs.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    return tmp_path


def run_page(home: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Run a page's commands in `home`; its exit code is 0 if all succeeded."""
    path = f"{home / 'bin'}{os.pathsep}{os.environ['PATH']}"
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("FLEET_", "XDG_"))}
    ran = subprocess.run(
        ["bash", "-c", PRELUDE + script],
        cwd=home,
        env={**clean, "HOME": str(home), "PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert ran.returncode == 0, f"{script}\n{ran.stdout}\n{ran.stderr}"
    return ran


def replaced(text: str, mapping: dict[str, str]) -> str:
    for written, here in mapping.items():
        assert written in text, f"'{written}' is not on the page any more"
        text = text.replace(written, here)
    return text


MODELS = (SimulatedModel("qwen3-8b"), SimulatedModel("qwen3-4b"))
SERVERS = (
    ServerSpec("one", models=MODELS),
    ServerSpec("two", "ollama", models=MODELS),
    ServerSpec("three", models=MODELS),
)


def address(machines: SimulationThread, name: str) -> str:
    return machines.url(name).removeprefix("http://")


@pytest.mark.slow
def test_the_readme_leads_to_the_first_answer(home: Path) -> None:
    with SimulationThread(SERVERS) as machines:
        script = replaced(
            commands(PAGES["README.md"]),
            {
                "sam-desktop 192.168.1.21": f"{address(machines, 'one')} {address(machines, 'two')}",
                "sam-desktop/": "local-llama-swap/",
                "fleet up": f"fleet up --listen 127.0.0.1:{(port := free_port())}",
                "http://127.0.0.1:8400": f"http://127.0.0.1:{port}",
                "fleet ask": f"fleet ask --url http://127.0.0.1:{port}",
                "http://100.64.0.7:8080": machines.url("three"),
            },
        )
        ran = run_page(home, script)
    assert "ms to the first token" in ran.stderr
    assert '"finish_reason"' in ran.stdout
    assert "third-box/qwen3-8b" in ran.stderr


@pytest.mark.slow
def test_a_phone_reaches_the_gateway_with_its_key_only(home: Path) -> None:
    (home / "fleet.yaml").write_text("")
    with SimulationThread(SERVERS) as machines:
        (home / "fleet.yaml").write_text(
            f"version: 1\ndefault_provider: one\nproviders: {{one: {machines.url('one')}}}\n"
        )
        here = f"127.0.0.1:{free_port()}"
        script = replaced(commands(PAGES["access.md"]), {"192.168.1.10:8400": here})
        script += f"\ncurl -s -o /dev/null -w '%{{http_code}}\\n' http://{here}/v1/models\n"
        ran = run_page(home, script)
    assert '"one/qwen3-8b"' in ran.stdout
    assert ran.stdout.endswith("401\n")
    assert (home / "keys" / "phone").stat().st_mode & 0o777 == 0o600
    assert (home / "keys").stat().st_mode & 0o777 == 0o700


@pytest.mark.slow
def test_opencode_starts_with_each_configuration(home: Path) -> None:
    with SimulationThread((ServerSpec("embedding", models=MODELS),)) as machines:
        (home / "fleet.yaml").write_text(OPENCODE.replace("EMBEDDING", machines.url("embedding")))
        listen = f"gateway: {{listen: '127.0.0.1:{free_port()}'}}\n"
        (home / "fleet.yaml").write_text((home / "fleet.yaml").read_text() + listen)
        run_page(home, "fleet build && mkdir generated/laptop && cp generated/opencode.json generated/laptop")
        ran = run_page(home, replaced(commands(PAGES["opencode.md"]), {"fleet serve &": "fleet serve"}))
    assert ran.stdout.count("opencode") == 4


@pytest.mark.slow
def test_ollama_s_api_responds_as_the_page_asks(home: Path) -> None:
    here = f"127.0.0.1:{free_port()}"
    with SimulationThread((ServerSpec("one", models=(SimulatedModel("qwen3-coder-30b"),)),)) as machines:
        (home / "fleet.yaml").write_text(
            f"version: 1\ndefault_provider: sam-desktop\nproviders: {{sam-desktop: {machines.url('one')}}}\n"
            "surfaces: {boochat: }\n"
        )
        script = replaced(commands(PAGES["ollama.md"]), {"http://127.0.0.1:8400": f"http://{here}"})
        ran = run_page(home, f"fleet up --listen {here}\n{script}")
    assert '"done":true' in ran.stdout


@pytest.mark.slow
def test_the_snapshot_of_a_gateway_is_shown(home: Path) -> None:
    """The only command of docs/deploy.md that changes nothing outside of the home."""
    (home / "fleet.yaml").write_text("version: 1\ndefault_provider: a\nproviders: {a: http://127.0.0.1:9}\n")
    here = f"127.0.0.1:{free_port()}"
    script = replaced(commands(PAGES["deploy.md"]), {"http://127.0.0.1:8400": f"http://{here}"})
    ran = run_page(home, f"fleet up --listen {here}\n{script}")
    assert '"snapshot":' in ran.stdout


def examples() -> list[tuple[str, str]]:
    """Return the path of each command and one of its examples, as `--help` and docs/cli.md show it."""
    found = []

    def walk(command: click.Command, path: str) -> None:
        for line in re.findall(r"(?m)^  (.*)$", (command.epilog or "").partition("Exit codes")[0]):
            found.append((path, re.split(r"\s{3,}", line)[0]))
        for name, below in command.commands.items() if isinstance(command, click.Group) else ():
            walk(below, f"{path} {name}")

    context = click.Context(fleet)
    for name in COMMANDS:
        command = fleet.get_command(context, name)
        assert command is not None
        walk(command, f"fleet {name}")
    return found


@pytest.mark.parametrize(("path", "example"), examples())
def test_every_example_of_a_commands_help_can_be_parsed(path: str, example: str) -> None:
    assert path.split()[1] in example
    for part in example.partition(" | ")[0].replace('eval "$(', "").replace(')"', "").split("&&"):
        words = shlex.split(re.split(r" [<>] ", part)[0])
        if not words or words[0] != "fleet":
            continue
        command: click.Command = fleet
        context = click.Context(fleet)
        arguments = words[1:]
        while isinstance(command, click.Group):
            found = command.get_command(context, arguments[0])
            assert found is not None, arguments[0]
            command, arguments = found, arguments[1:]
        command.make_context(command.name, arguments)
