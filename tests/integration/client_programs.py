"""The real client programs: how to install each, and how to send a prompt with it.

``python -m tests.integration.client_programs KIND…`` installs them with their ecosystems' own tools into the
cache of `tools`, each into a folder of its own. A kind whose program is not there is skipped, and says why.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from fleet_runtime.simulator.spec import ScriptedCall
from tests.integration import tools

MODEL = "MODEL"
WORK = "WORK"
"""In arguments: the composite id to ask, and the folder that the program runs in."""


@dataclass(frozen=True, slots=True)
class ClientProgram:
    """`ask` are the arguments for one question; `lists` those that list models, and `listed` reads the ids.

    `call` is a tool call that a model may script, and `use_tool` the arguments that let the program do it;
    `small` are arguments with which it asks its small model, with the tool call that makes it do so.
    `by_surface`: its model cannot be chosen by an argument, so each model has a surface that begins with it.
    `proxied`: it keeps loopback out of a proxy. `outside` are hosts that it may try to reach in spite of its
    configuration. `dead_seconds`: how long it may go on with a provider that refuses connections. `in_ci`:
    what CI tries of these.
    """

    kind: str
    package: str
    version: str
    manager: Literal["npm", "pip"]
    ask: tuple[str, ...]
    lists: tuple[str, ...] = ()
    listed: Callable[[str], list[str]] = str.splitlines
    call: ScriptedCall | None = None
    use_tool: tuple[str, ...] = ()
    small: tuple[str, ...] = ()
    small_call: ScriptedCall | None = None
    by_surface: bool = False
    proxied: bool = True
    outside: frozenset[str] = frozenset()
    dead_seconds: float = 30
    before_python: tuple[int, int] | None = None
    in_ci: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        return tools.CACHE / "clients" / f"{self.kind}-{self.version}"

    @property
    def bin(self) -> Path:
        return self.folder / ("venv/bin" if self.manager == "pip" else "node_modules/.bin")

    def require(self, program: str) -> Path:
        """Return the folder of its executable; skips the test without it."""
        if self.before_python is not None and sys.version_info >= self.before_python:
            pytest.skip(f"{self.package} {self.version} is not for Python {sys.version_info[1]}")
        if not (self.bin / program).exists():
            pytest.skip(f"{self.package} {self.version} is not installed: run `make integration-clients`")
        return self.bin

    def install(self) -> None:
        """Raises `CannotInstall`."""
        if (self.folder / "installed").exists() or (
            self.before_python is not None and sys.version_info >= self.before_python
        ):
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        wanted = f"{self.package}{'==' if self.manager == 'pip' else '@'}{self.version}"
        if self.manager == "npm":
            (self.folder / "package.json").write_text(json.dumps({"private": True}))
            quiet = ["--no-audit", "--no-fund", "--loglevel=error"]
            tools.run_step(["npm", "install", "--prefix", str(self.folder), *quiet, wanted])
        elif shutil.which("uv"):
            tools.run_step(["uv", "venv", "--quiet", "--python", sys.executable, str(self.folder / "venv")])
            tools.run_step(["uv", "pip", "install", "--quiet", "--python", str(self.bin / "python"), wanted])
        else:
            tools.run_step([sys.executable, "-m", "venv", str(self.folder / "venv")])
            tools.run_step([str(self.bin / "python"), "-m", "pip", "install", "--quiet", wanted])
        (self.folder / "installed").touch()


def _catalog(text: str) -> list[str]:
    catalog, _ = json.JSONDecoder().raw_decode(text, text.index("{"))
    return [model["slug"] for model in catalog["models"]]


def _after(mark: str) -> Callable[[str], list[str]]:
    return lambda text: [line.partition(mark)[2] for line in text.splitlines() if line.startswith(mark)]


def _call(name: str, **arguments: Any) -> ScriptedCall:
    return ScriptedCall(name, arguments)


_AIDER = ("--yes-always", "--no-pretty", "--no-gitignore")

PROGRAMS = {
    program.kind: program
    for program in (
        ClientProgram(
            "llm",
            "llm",
            "0.36",
            "pip",
            ask=("--", "-m", MODEL, "say hi"),
            lists=("models", "list"),
            listed=_after("OpenAI Chat: "),
            call=_call("llm_version"),
            use_tool=("--", "-m", MODEL, "-T", "llm_version", "which version?"),
            in_ci=("lists", "ask", "call"),
        ),
        ClientProgram(
            "codex",
            "@openai/codex",
            "0.169.0",
            "npm",
            ask=("exec", "--skip-git-repo-check", "-m", MODEL, "say hi"),
            lists=("debug", "models"),
            listed=_catalog,
            call=_call("exec_command", cmd="echo made by a tool"),
            use_tool=(
                *("exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"),
                *("-m", MODEL, "make it"),
            ),
            outside=frozenset({"github.com", "api.github.com", "chatgpt.com", "ab.chatgpt.com"}),
            in_ci=("lists", "ask", "call"),
        ),
        ClientProgram(
            "aider",
            "aider-chat",
            "0.86.2",
            "pip",
            ask=("--no-git", *_AIDER, "--model", f"openai/{MODEL}", "--message", "say hi"),
            lists=("--no-git", "--list-models", "openai/"),
            listed=_after("- openai/"),
            small=(*_AIDER, "--no-stream", "--message", "change it"),
            dead_seconds=100,
            before_python=(3, 13),
            in_ci=("ask", "small"),
        ),
        ClientProgram(
            "claude-code",
            "@anthropic-ai/claude-code",
            "2.1.197",
            "npm",
            ask=("--", "--model", MODEL, "-p", "say hi"),
            call=_call("Read", file_path=f"{WORK}/note.txt"),
            use_tool=("--", "--model", MODEL, "-p", "read it"),
            small=("--", "--model", MODEL, "-p", "delegate it"),
            small_call=_call("Agent", description="d", prompt="say hi", subagent_type="general-purpose"),
        ),
        ClientProgram(
            "qwen-code",
            "@qwen-code/qwen-code",
            "0.15.10",
            "npm",
            ask=("--", "-m", MODEL, "-p", "say hi"),
            call=_call("read_file", file_path=f"{WORK}/note.txt"),
            use_tool=("--", "-m", MODEL, "-p", "read it"),
            proxied=False,
            dead_seconds=140,
        ),
        ClientProgram(
            "continue",
            "@continuedev/cli",
            "1.5.47",
            "npm",
            ask=("--", "-p", "say hi"),
            by_surface=True,
            call=_call("Read", filepath=f"{WORK}/note.txt"),
            use_tool=("--", "-p", "read it"),
            outside=frozenset({"api.continue.dev", "hub.continue.dev", "registry.npmjs.org"}),
            dead_seconds=140,
        ),
        ClientProgram(
            "pi",
            "@mariozechner/pi-coding-agent",
            "0.73.1",
            "npm",
            ask=("--", "--model", f"fleet/{MODEL}", "-p", "say hi"),
            lists=("--list-models",),
            listed=lambda text: [line.split()[1] for line in text.splitlines() if line.startswith("fleet ")],
            call=_call("read", path=f"{WORK}/note.txt"),
            use_tool=("--", "--model", f"fleet/{MODEL}", "-p", "read it"),
            dead_seconds=40,
        ),
        ClientProgram(
            "gptme",
            "gptme",
            "0.35.1",
            "pip",
            ask=("--", "--model", f"local/{MODEL}", "--non-interactive", "say hi"),
            call=_call("read", path=f"{WORK}/note.txt"),
            use_tool=(
                "--",
                "--model",
                f"local/{MODEL}",
                "--non-interactive",
                "--tool-format",
                "tool",
                "read it",
            ),
            outside=frozenset({"openaipublic.blob.core.windows.net"}),
            dead_seconds=60,
        ),
    )
}

OPEN_WEBUI = ClientProgram("open-webui", "open-webui", "0.12.4", "pip", ask=(), before_python=(3, 13))
"""A server, which takes 7 GB: it is installed only if it is named."""


def install(kinds: list[str]) -> int:
    """Install the programs of `kinds`; how many could not be."""
    failures = 0
    for kind in kinds:
        try:
            {**PROGRAMS, OPEN_WEBUI.kind: OPEN_WEBUI}[kind].install()
        except (tools.CannotInstall, subprocess.TimeoutExpired, OSError) as error:
            failures += 1
            print(f"{kind}: not installed, its tests will be skipped: {error}", file=sys.stderr)
    return failures


if __name__ == "__main__":
    install(sys.argv[1:] or list(PROGRAMS))
