"""TypeScript: the types of the API and of the artifacts compile, and with them the client of
docs/consumers.md, which then does what the page says with a running gateway.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleet_compiler.assets import SCHEMAS
from fleet_runtime.simulator import ServerSpec, SimulatedModel, SimulationThread
from tests.support.stack import Stack, running_stack
from tests.support.waiting import eventually

HERE = Path(__file__).parent
MODULES = HERE / "node_modules"
PAGE = HERE.parents[1] / "docs" / "consumers.md"
BLOCK = re.compile(r"^```ts file=(?P<name>\S+)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
QUICK = 0.2

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed"),
    pytest.mark.skipif(not MODULES.exists(), reason="the tools are not installed: run `make types`"),
]


def fleet_yaml(machines: SimulationThread, listen: str) -> str:
    sidecar = machines.sidecar_url("sam-desktop")
    return f"""\
version: 1
default_provider: sam-desktop
providers:
  sam-desktop: {{url: "{machines.url("sam-desktop")}", sidecar: "{sidecar}"}}
  embedding: {machines.url("embedding")}
surfaces: {{boochat: }}
gateway: {{listen: "{listen}"}}
inventory: {{interval: {QUICK}, timeout: 1, grace: 0.5}}
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    specs = (
        ServerSpec("sam-desktop", models=(SimulatedModel("qwen3-8b", context=32768),), sidecar=True),
        ServerSpec("embedding", models=(SimulatedModel("org/qwen3 8b:Q4"),)),
    )
    folder = tmp_path_factory.mktemp("fleet")
    with running_stack(folder, specs, fleet_yaml, online=("sam-desktop", "embedding")) as stack:
        yield stack


@pytest.fixture(scope="module")
def compiled(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All types and the page's code, compiled with `tsc --strict` and more; the folder of what came of it."""
    folder = tmp_path_factory.mktemp("types")
    (folder / "openapi.json").write_bytes(stack.client.get("/openapi.json").content)
    tool("openapi-typescript", "openapi.json", "-o", "fleet-api.d.ts", cwd=folder)
    for schema in sorted(SCHEMAS.glob("*.schema.json")):
        tool("json2ts", "--input", str(schema), "--output", f"{schema.stem}.d.ts", cwd=folder)
    code = {match["name"]: match["code"] for match in BLOCK.finditer(PAGE.read_text(encoding="utf-8"))}
    assert sorted(code) == ["chat.ts", "fleet.ts", "picker.ts"]
    for name, text in code.items():
        (folder / name).write_text(text, encoding="utf-8")
    for name in ("story.ts", "chat_story.ts", "tsconfig.json"):
        shutil.copy(HERE / name, folder / name)
    tool("tsc", "--project", ".", "--typeRoots", str(MODULES / "@types"), cwd=folder)
    return folder / "out"


def tool(name: str, *arguments: str, cwd: Path) -> None:
    done = subprocess.run(
        [str(MODULES / ".bin" / name), *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_types_and_the_client_compile(compiled: Path) -> None:
    assert {"fleet.js", "picker.js", "story.js"} <= {file.name for file in compiled.iterdir()}


def test_the_chat_distinguishes_a_complete_response_from_one_that_was_cut_or_stopped(
    compiled: Path, stack: Stack
) -> None:
    def chat(mode: str = "") -> Any:
        command = ["node", str(compiled / "chat_story.js"), stack.url, "sam-desktop/qwen3-8b", mode]
        return json.loads(subprocess.run(command, capture_output=True, check=True, timeout=30).stdout)

    complete = chat()
    assert (complete["end"], complete["model"]) == ("done", "sam-desktop/qwen3-8b")
    assert complete["text"].endswith("hello")
    stack.machines.set("sam-desktop", drop_at_byte=600, scope="inference")
    cut = chat()
    stack.machines.set("sam-desktop", drop_at_byte=None, error_status=500)
    failed = chat()
    stack.machines.reset("sam-desktop")
    stack.machines.set("sam-desktop", chunks=200, chunk_ms=20)
    stopped = chat("stop")
    stack.machines.until("sam-desktop", lambda server: server.inference[-1].ended is not None)
    stack.machines.reset("sam-desktop")
    assert [each["end"] for each in (cut, failed, stopped)] == ["cut", "failed", "stopped"]
    assert cut["error"]


def test_the_client_does_with_a_gateway_what_the_page_says(compiled: Path, stack: Stack) -> None:
    """It resolves, prefers, arranges, and keeps a picker while a provider goes and comes back."""
    told = compiled / "told"
    with told.open("wb") as output:
        client = subprocess.Popen(
            ["node", str(compiled / "story.js"), stack.url], stdout=output, stderr=subprocess.STDOUT
        )

    def lines() -> list[Any]:
        return [
            json.loads(line) for line in told.read_text().splitlines(keepends=True) if line.endswith("\n")
        ]

    try:
        eventually(lambda: any("resync" in line for line in lines() if isinstance(line, list)), 20)
        stack.machines.set("embedding", offline=True)
        eventually(lambda: any("embedding is offline" in line for line in lines() if isinstance(line, list)))
        stack.machines.set("embedding", offline=False)
        assert client.wait(20) == 0, told.read_text()
    finally:
        client.kill()
        client.wait()
    resolved, preferred, conflict, arranged, *pickers, left = lines()
    assert resolved == ["sam-desktop/qwen3-8b", "local", "sidecar", 32768]
    assert preferred == [["embedding/org/qwen3 8b:Q4", True]]
    assert conflict == [412, "version_conflict"]
    assert arranged == ["sam-desktop/qwen3-8b", "embedding/org/qwen3 8b:Q4"]
    assert left == 1
    away = next(lines for lines in pickers if lines[0] == "embedding is offline")
    assert away[1:] == [
        "* qwen3-8b on sam-desktop, 32768 tokens",
        "sam-desktop: 1 models",
        "embedding: 0 models",
    ]
    assert pickers[-1][0] == "embedding is online"
    assert "* org/qwen3 8b:Q4 on embedding, 8192 tokens" in pickers[-1]
