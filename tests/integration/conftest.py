"""What the integration tests share: a fleet of simulated providers for opencode and the SDKs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet_runtime.simulator import ServerSpec, SimulatedModel, SimulationThread
from tests.integration import tools
from tests.integration.elsewhere import Elsewhere, elsewhere
from tests.integration.opencode import Opencode
from tests.support.stack import Stack, running_stack

SLASHED = "unsloth/Qwen3-8B-GGUF:Q4_K_M"
CHAT_MODELS = ("qwen3-8b", "qwen3-4b", SLASHED, "deepseek-r1-qwen3-8b")
OTHER_MODELS = (
    SimulatedModel("nomic-embed", purpose="embedding"),
    SimulatedModel("whisper", purpose="transcription"),
    SimulatedModel("flux", purpose="image"),
)
MACHINES = ("sam-desktop", "embedding")


def machines() -> list[ServerSpec]:
    chat = tuple(SimulatedModel(model, context=32768) for model in CHAT_MODELS)
    return [
        ServerSpec("sam-desktop", models=(*chat, *OTHER_MODELS), sidecar=True),
        ServerSpec("embedding", models=(*chat, *OTHER_MODELS)),
        ServerSpec("deepseek", kind="cloud", models=chat, api_key="canary"),
    ]


def fleet_yaml(simulated: SimulationThread, listen: str) -> str:
    """Three providers with the same ids; one surface has opencode's configuration, one is for the SDKs."""
    embeds = "nomic-embed: {purpose: embedding}"
    return f"""\
version: 1
default_provider: sam-desktop
providers:
  sam-desktop:
    url: {simulated.url("sam-desktop")}
    sidecar: {simulated.sidecar_url("sam-desktop")}
    models: {{{embeds}}}
  embedding: {{url: "{simulated.url("embedding")}", models: {{{embeds}}}}}
  deepseek:
    {{url: "{simulated.url("deepseek")}", class: cloud, api_key_env: CANARY_KEY, models: [deepseek-chat]}}
namespaces: [llama-swap]
roles:
  default: sam-desktop/qwen3-8b
  task: [embedding/qwen3-4b, sam-desktop/qwen3-4b]
surfaces:
  arena:
  scripts: {{client: env, classes: [local]}}
  opencode: {{client: opencode, classes: [local]}}
  coder: {{client: opencode, file: coder/opencode.json, classes: [local], legacy_provider: llama-swap}}
gateway: {{listen: "{listen}"}}
inventory: {{interval: 1, timeout: 1, grace: 3}}
"""


@pytest.fixture(scope="session")
def shared_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("fleet")
    environment = {"CANARY_KEY": "canary"}
    with running_stack(folder, machines(), fleet_yaml, env=environment, online=MACHINES) as stack:
        yield stack


@pytest.fixture
def stack(shared_stack: Stack) -> Iterator[Stack]:
    """The providers as at the start, with empty records."""
    for name in (*MACHINES, "deepseek"):
        shared_stack.machines.reset(name)
    yield shared_stack
    assert shared_stack.machines.inference("deepseek") == [], "a cloud was asked for a local model"


@pytest.fixture
def outside() -> Iterator[Elsewhere]:
    """Nothing may be sent there, but that opencode looks for its own plugin's package in the background."""
    with elsewhere() as seen:
        yield seen
    assert set(seen.asked) <= {"CONNECT registry.npmjs.org:443 HTTP/1.1"}


@pytest.fixture
def opencode(stack: Stack, outside: Elsewhere, tmp_path: Path) -> Opencode:
    config = stack.folder / "generated" / "opencode.json"
    return Opencode(tools.opencode(), config, tmp_path, outside.url)


def answered(stack: Stack) -> list[tuple[str, str, str]]:
    """Provider, model and way of every request for a response, as the providers themselves recorded them."""
    return [
        (name, record.json["model"], "sidecar" if record.sidecar else "direct")
        for name in (*MACHINES, "deepseek")
        for record in stack.machines.inference(name)
    ]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say at the end which programs were not there: what was skipped for one is not tested."""
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = {str(report.longrepr[2]) for report in skipped if isinstance(report.longrepr, tuple)}
    for reason in sorted(reason for reason in reasons if "installed" in reason):
        terminalreporter.write_line(f"NOT TESTED: {reason.removeprefix('Skipped: ')}", yellow=True, bold=True)
