"""The foreign programs of the integration tests: which versions, where they are kept, how they get there.

``python -m tests.integration.tools`` installs them with their ecosystems' own tools into a cache next to this
file (elsewhere: ``$FLEET_INTEGRATION_CACHE``). A test whose program is not there is skipped, and says why.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NoReturn

import pytest

from tests.support.paths import ROOT

OPENCODE = "1.18.33"
OPENAI_FOR_NODE = "7.57.0"
YAML_LANGUAGE_SERVER = "1.25.0"
LLAMA_SWAP = "v0.1.6-0.20260708034905-fdda55e46644"
LLAMA_SWAP_MODULE = "github.com/mostlygeek/llama-swap"
ACTIONLINT = "v1.7.7"
ACTIONLINT_MODULE = "github.com/rhysd/actionlint"

PYTHON_SDKS = {
    "langchain": ("langchain-anthropic==1.7.10", "langchain-openai==1.7.4"),
    "litellm": ("litellm==1.110.2",),
    "llama-index": ("llama-index-llms-openai-like==0.8.1",),
    "pydantic-ai": ("pydantic-ai-slim[openai]==2.38.0",),
}
"""What is installed for each SDK, in its own environment: they need other versions of packages."""
AI_SDK = {
    "ai": "6.0.326",
    "@ai-sdk/anthropic": "3.0.140",
    "@ai-sdk/openai": "3.0.141",
    "@ai-sdk/openai-compatible": "2.0.92",
}

CACHE = Path(os.environ.get("FLEET_INTEGRATION_CACHE", Path(__file__).parent / ".cache"))
NODE_MODULES = CACHE / "node_modules"
MINUTES_10 = 600.0


class CannotInstall(Exception):
    """A program could not be installed; the message says which step failed and how."""


def opencode() -> Path:
    """opencode's own executable; its package brings one for each processor."""
    found = sorted(NODE_MODULES.glob("opencode-*/bin/opencode"), key=lambda path: len(str(path)))
    return found[0] if found else _skip(f"opencode-ai {OPENCODE} is not installed")


def llama_swap() -> Path:
    """The one on PATH, else the pinned version that the Go proxy may lack."""
    if (own := shutil.which("llama-swap")) is not None:
        return Path(own)
    path = CACHE / "bin" / f"llama-swap-{LLAMA_SWAP}"
    if not path.exists():
        pytest.skip(
            "llama-swap is not installed: put it on PATH; "
            f"`make integration` installs {LLAMA_SWAP} only if the Go proxy has it"
        )
    return path


def actionlint() -> Path:
    path = CACHE / "bin" / f"actionlint-{ACTIONLINT}"
    return path if path.exists() else _skip(f"actionlint {ACTIONLINT} is not installed")


def openai_for_node() -> tuple[Path, Path]:
    """Node, and the folder from which it finds the SDK."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    if not (NODE_MODULES / "openai").exists():
        _skip(f"openai {OPENAI_FOR_NODE} for Node is not installed")
    return Path(node), CACHE


def sdk_python(name: str) -> Path:
    """The interpreter of the environment that has one of `PYTHON_SDKS`."""
    python = CACHE / "sdks" / name / "bin" / "python"
    return python if python.exists() else _skip_sdks(f"{' and '.join(PYTHON_SDKS[name])} is not installed")


def ai_sdk() -> tuple[Path, Path]:
    """Node, and the folder from which it finds the AI SDK."""
    node, modules = shutil.which("node"), CACHE / "ai"
    if node is None:
        pytest.skip("node is not installed")
    if not (modules / "node_modules" / "ai").exists():
        _skip_sdks(f"ai {AI_SDK['ai']} is not installed")
    return Path(node), modules


def yaml_language_server() -> list[str]:
    """The command that serves editors on its standard input and output."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    server = NODE_MODULES / "yaml-language-server" / "bin" / "yaml-language-server"
    if not server.exists():
        _skip(f"yaml-language-server {YAML_LANGUAGE_SERVER} is not installed")
    return [node, str(server), "--stdio"]


def _skip_sdks(reason: str) -> NoReturn:
    pytest.skip(f"{reason}: run `make integration-sdks`")


def _skip(reason: str) -> NoReturn:
    pytest.skip(f"{reason}: run `make integration`")


def install_python_sdks() -> None:
    """The dependency group `integration`, into this interpreter's environment."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = project["dependency-groups"]["integration"]
    if shutil.which("uv"):
        run_step(["uv", "pip", "install", "--quiet", "--python", sys.executable, *wanted])
    else:
        run_step([sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted])


def install_python_sdk(name: str) -> None:
    folder = CACHE / "sdks" / name
    if not (folder / "bin" / "python").exists():
        run_step([sys.executable, "-m", "venv", str(folder)])
    install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run_step([str(folder / "bin" / "python"), *install, *PYTHON_SDKS[name]])


def install_ai_sdk() -> None:
    folder = CACHE / "ai"
    folder.mkdir(exist_ok=True)
    (folder / "package.json").write_text(json.dumps({"private": True, "dependencies": AI_SDK}))
    run_step(["npm", "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--loglevel=error"])


def install_from_npm() -> None:
    wanted = {
        "opencode-ai": OPENCODE,
        "openai": OPENAI_FOR_NODE,
        "yaml-language-server": YAML_LANGUAGE_SERVER,
    }
    (CACHE / "package.json").write_text(json.dumps({"private": True, "dependencies": wanted}))
    run_step(["npm", "install", "--prefix", str(CACHE), "--no-audit", "--no-fund", "--loglevel=error"])


def install_go_program(name: str, module: str, version: str, package: str = ".") -> None:
    """Built in the module cache: what ``go install`` does, without asking which other versions there are."""
    target = CACHE / "bin" / f"{name}-{version}"
    if target.exists():
        return
    found = json.loads(run_step(["go", "mod", "download", "-json", f"{module}@{version}"]))
    run_step(["go", "build", "-C", found["Dir"], "-buildvcs=false", "-o", str(target), package])


def run_step(command: list[str]) -> str:
    """Run a step of an installation; raises `CannotInstall`."""
    if shutil.which(command[0]) is None:
        raise CannotInstall(f"'{command[0]}' is not installed")
    done = subprocess.run(command, capture_output=True, text=True, timeout=MINUTES_10, cwd=CACHE, check=False)
    if done.returncode != 0:
        raise CannotInstall(f"`{' '.join(command)}` failed:\n{done.stderr.strip()}")
    return done.stdout


def install(*, sdks: bool = False) -> int:
    """Install those of `make integration`, or those of `make integration-sdks`; how many could not be."""
    CACHE.mkdir(parents=True, exist_ok=True)
    failures = 0
    other: dict[str, Callable[[], None]] = {name: partial(install_python_sdk, name) for name in PYTHON_SDKS}
    other["the AI SDK"] = install_ai_sdk
    usual: dict[str, Callable[[], None]] = {
        "openai and anthropic for Python": install_python_sdks,
        "opencode, openai for Node and yaml-language-server": install_from_npm,
        "llama-swap": lambda: install_go_program("llama-swap", LLAMA_SWAP_MODULE, LLAMA_SWAP),
        "actionlint": lambda: install_go_program(
            "actionlint", ACTIONLINT_MODULE, ACTIONLINT, "./cmd/actionlint"
        ),
    }
    for name, step in (other if sdks else usual).items():
        try:
            step()
        except (CannotInstall, subprocess.TimeoutExpired, OSError) as error:
            failures += 1
            print(f"{name}: not installed, its tests will be skipped: {error}", file=sys.stderr)
    return failures


if __name__ == "__main__":
    install(sdks="--sdks" in sys.argv)
