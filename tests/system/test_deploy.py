"""The shipped deployment files are valid: the unit, the image and the Compose file."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from fleet_runtime.artifacts.contract import GatewayConfig
from tests.support.artifacts import connection, gateway, write_generated
from tests.support.paths import ROOT
from tests.support.ports import free_port

DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
UNIT = (DEPLOY / "fleet.service").read_text(encoding="utf-8")
COMPOSE: Any = YAML(typ="safe").load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
MOST_EXPOSED = 15
"""Of 100, by the reckoning of `systemd-analyze security`."""


@dataclass
class Image:
    """What a Dockerfile leaves behind, made below `root` instead of ``/``."""

    root: Path
    user: str = ""
    folder: Path = Path()
    environment: dict[str, str] = field(default_factory=dict)
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)
    volumes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.environment["PATH"] = os.environ["PATH"]

    def place(self, text: str) -> str:
        """`text` with the image's own folders below `root`, and its user ours."""
        text = re.sub(r"(?<![\w/.-])/(src|opt/fleet|state|config)\b", rf"{self.root}/\1", text)
        return text.replace("10001", str(os.getuid()))

    def run(self, instruction: str, value: str) -> None:
        match instruction:
            case "WORKDIR":
                self.folder = Path(self.place(value))
                self.folder.mkdir(parents=True, exist_ok=True)
            case "COPY" if not value.startswith("--from"):
                *sources, target = value.split()
                for source in sources:
                    self._copy(ROOT / source, self.folder / target)
            case "RUN":
                environment = {**self.environment, "HOME": str(self.root)}
                subprocess.run(
                    self.place(value), shell=True, cwd=self.folder, env=environment, check=True, text=True
                )
            case "ENV":
                name, _, text = value.partition("=")
                self.environment[name] = self.place(text).replace("$PATH", self.environment["PATH"])
            case "USER":
                self.user = value
            case "VOLUME":
                self.volumes.append(value)
            case "ENTRYPOINT":
                self.entrypoint = json.loads(value)
            case "CMD":
                self.command = [self.place(word) for word in json.loads(value)]
            case "HEALTHCHECK":
                self.health = json.loads(value.partition("CMD ")[2])

    @staticmethod
    def _copy(source: Path, target: Path) -> None:
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)


def instructions() -> Iterator[tuple[str, str]]:
    for line in DOCKERFILE.splitlines():
        if line and not line.startswith("#"):
            instruction, _, value = line.partition(" ")
            yield instruction, value


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if "__pycache__" not in path.parts}


@pytest.mark.slow
@pytest.mark.anyio
async def test_the_steps_of_the_image_make_a_gateway_that_writes_only_its_state(tmp_path: Path) -> None:
    """The commands of the Dockerfile, in order, in a clean folder; then what it starts and how it is seen to
    be healthy."""
    image = Image(tmp_path)
    for instruction, value in instructions():
        await asyncio.to_thread(image.run, instruction, value)
    assert image.user == "10001:10001"
    assert image.volumes == ["/state"]

    port = free_port()
    config = tmp_path / "config"
    keys = {"laptop": {"env": "FLEET_KEY"}}
    write_generated(config / "generated", gateway(connection("a"), listen=f"127.0.0.1:{port}", keys=keys))
    before = files(tmp_path)
    environment = {**image.environment, "FLEET_KEY": "k"}
    served = await asyncio.create_subprocess_exec(
        *image.entrypoint, *image.command, cwd=image.folder, env=environment, stderr=asyncio.subprocess.PIPE
    )
    try:
        assert served.stderr is not None
        line = json.loads(await asyncio.wait_for(served.stderr.readline(), 30))
        assert line["message"].startswith(f"serving http://127.0.0.1:{port}")
        check = [word.replace(":8400", f":{port}") for word in image.health]
        healthy = await asyncio.create_subprocess_exec(*check, env=environment)
        assert await healthy.wait() == 0
        served.send_signal(signal.SIGTERM)
        await asyncio.wait_for(served.stderr.read(), 30)
        assert await served.wait() == 0
    finally:
        if served.returncode is None:
            served.kill()
            await served.wait()
    unhealthy = await asyncio.create_subprocess_exec(*check, env=environment, stderr=subprocess.DEVNULL)
    assert await unhealthy.wait() != 0
    state = tmp_path / "state"
    assert {path for path in files(tmp_path) - before if state not in path.parents} == set()


def test_the_image_installs_the_pinned_dependencies_and_takes_only_what_it_needs() -> None:
    values = dict(instructions())
    assert values["FROM"].startswith("python:3.13-slim")
    assert "--constraint requirements.lock" in DOCKERFILE
    copied = {
        word.removeprefix("./")
        for instruction, value in instructions()
        if instruction == "COPY" and "--from" not in value
        for word in value.split()[:-1]
    }
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert {line[1:] for line in ignored if line.startswith("!")} == copied


def test_the_compose_file_and_the_image_agree() -> None:
    service = COMPOSE["services"]["fleet"]
    values = dict(instructions())
    assert (ROOT / "deploy" / service["build"]["context"] / service["build"]["dockerfile"]).samefile(
        DEPLOY / "Dockerfile"
    )
    [published] = service["ports"]
    assert published.split(":") == ["127.0.0.1", values["EXPOSE"], values["EXPOSE"]]
    assert service["volumes"] == ["./config:/config:ro", f"state:{values['VOLUME']}"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert any(mount.startswith("/tmp") for mount in service["tmpfs"])


def test_every_stop_timeout_is_longer_than_the_drain() -> None:
    drain = GatewayConfig.model_fields["drain"].default
    [unit] = re.findall(r"^TimeoutStopSec=(\d+)$", UNIT, re.MULTILINE)
    compose = COMPOSE["services"]["fleet"]["stop_grace_period"]
    assert drain + 10 <= int(unit)
    assert compose == f"{unit}s"


def test_the_unit_starts_what_the_documentation_installs() -> None:
    [start] = re.findall(r"^ExecStart=(.*)$", UNIT, re.MULTILINE)
    program, *arguments = shlex.split(start)
    docs = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    assert f"{Path(program).parent}/pip install ." in docs
    assert arguments == ["serve", "--generated", "/etc/fleet/generated"]


@pytest.mark.integration
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed")
    program = Path(sys.executable).with_name("fleet")
    unit = tmp_path / "fleet.service"
    unit.write_text(UNIT.replace("/opt/fleet/bin/fleet", str(program)))
    verified = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False
    )
    assert (verified.returncode, verified.stderr) == (0, "")
    security = ["systemd-analyze", "security", "--offline=true", f"--threshold={MOST_EXPOSED}", str(unit)]
    judged = subprocess.run(security, capture_output=True, text=True, check=False)
    assert judged.returncode == 0, judged.stdout
