"""docs/scale.md: its commands with other addresses, except those for a database server or a cluster."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from fleet_runtime.simulator import ServerSpec, SimulatedModel, SimulationThread
from tests.support.paths import DOCS, ROOT
from tests.support.stack import Stack, running_stack

PAGE = (DOCS / "scale.md").read_text(encoding="utf-8")
LINES = [line for text in re.findall(r"(?ms)^```sh\n(.*?)^```$", PAGE) for line in text.splitlines()]


def fleet_yaml(machines: SimulationThread, listen: str) -> str:
    return f"""\
version: 1
default_provider: box
providers: {{box: '{machines.url("box")}'}}
surfaces: {{boochat: }}
gateway: {{listen: "{listen}"}}
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    specs = [ServerSpec("box", models=(SimulatedModel("qwen3-8b"),))]
    with running_stack(tmp_path_factory.mktemp("scale"), specs, fleet_yaml, online=("box",)) as stack:
        yield stack


def url(stack: Stack) -> str:
    return str(stack.client.base_url).rstrip("/")


def favorites(stack: Stack) -> list[str]:
    return [item["id"] for item in stack.client.get("/api/favorites").json()["favorites"]]


def test_favorites_move_through_the_api(stack: Stack, tmp_path: Path) -> None:
    stack.client.put("/api/favorites/box/qwen3-8b").raise_for_status()
    lines = [line.replace("http://127.0.0.1:8400", url(stack)) for line in LINES if line.startswith("curl ")]
    read, write = (line.replace("curl ", "curl --fail ") for line in lines)
    subprocess.run(read, shell=True, cwd=tmp_path, check=True)
    stack.client.delete("/api/favorites/box/qwen3-8b").raise_for_status()
    assert favorites(stack) == []
    subprocess.run(write, shell=True, cwd=tmp_path, check=True)
    assert favorites(stack) == ["box/qwen3-8b"]


def test_the_status_of_several_gateways_is_success_while_they_serve_the_same(stack: Stack) -> None:
    (line,) = (line for line in LINES if line.startswith("fleet status"))
    line = line.replace("http://10.0.0.11:8400", url(stack))
    line = line.replace("http://10.0.0.12:8400", url(stack).replace("127.0.0.1", "localhost"))
    ran = stack.fleet(*line.partition("#")[0].split()[1:])
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_config_map_is_made_of_the_files_that_are_copied() -> None:
    folder = ROOT / "deploy" / "kubernetes"
    (made,) = YAML(typ="safe").load((folder / "kustomization.yaml").read_text())["configMapGenerator"]
    assert f"cp {' '.join(made['files'])} deploy/kubernetes/" in LINES
    assert "kubectl apply --kustomize deploy/kubernetes" in LINES
