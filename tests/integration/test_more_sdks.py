"""Other SDKs as they are published: `make integration-sdks` installs them, and CI does not."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration import tools
from tests.integration.conftest import MACHINES, fleet_yaml, machines
from tests.support.ports import free_port
from tests.support.stack import Stack, running_stack

pytestmark = [pytest.mark.integration, pytest.mark.slow]

HERE = Path(__file__).parent
DEAD = "dark/qwen3-8b"
TOLD = {"told": True, "soon": True}
CALLED = {"city": "example"}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The providers of the other tests, and one that is off."""
    dark = f"  dark: {{url: 'http://127.0.0.1:{free_port()}', models: [qwen3-8b], poll: false}}\n"

    def with_dark(simulated: Any, listen: str) -> str:
        return fleet_yaml(simulated, listen).replace("namespaces:", f"{dark}namespaces:", 1)

    folder = tmp_path_factory.mktemp("sdks")
    with running_stack(folder, machines(), with_dark, env={"CANARY_KEY": "canary"}, online=MACHINES) as stack:
        yield stack


def seen(*command: str, cwd: Path) -> dict[str, Any]:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("name", tools.PYTHON_SDKS)
def test_an_sdk_for_python(stack: Stack, tmp_path: Path, name: str, machine: str) -> None:
    script = str(HERE / "python_sdks.py")
    found = seen(str(tools.sdk_python(name)), script, name, f"{stack.url}/arena", machine, DEAD, cwd=tmp_path)
    said = f"[{machine}] qwen3-8b: hi"
    expected = {"chat": said, "stream": said, "tool": CALLED, "anthropic": said, "vectors": 2, "dead": TOLD}
    assert found == {key: expected[key] for key in found}
    assert {"chat", "dead"} <= found.keys()


@pytest.mark.parametrize("machine", MACHINES)
def test_the_ai_sdk(stack: Stack, tmp_path: Path, machine: str) -> None:
    node, modules = tools.ai_sdk()
    script = modules / "ai_sdk.mjs"
    script.write_bytes((HERE / "ai_sdk.mjs").read_bytes())
    found = seen(str(node), str(script), f"{stack.url}/arena", machine, DEAD, cwd=tmp_path)
    said = f"[{machine}] qwen3-8b: hi"
    assert found == {
        "chat": said,
        "stream": said,
        "responses": said,
        "anthropic": said,
        "tool": CALLED,
        "vectors": 2,
        "dead": TOLD,
    }
