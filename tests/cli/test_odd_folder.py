"""A project in a folder whose name a shell would take apart, and that is not UTF-8."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet_compiler.clients import CLIENTS
from fleet_runtime.simulator import ServerSpec, SimulatedModel, SimulationThread
from tests.support.fleet_process import FLEET, run_fleet
from tests.support.stack import Stack, running_stack

NAME = b'it\'s "$(touch pwned)" `touch pwned`; \nnext \xff'
KEY = "abcdefgh12345678"
SHELLS = sorted({shutil.which(shell) or "/bin/sh" for shell in ("dash", "bash", "zsh")})


def fleet_yaml(simulated: SimulationThread, listen: str) -> str:
    clients = ", ".join(CLIENTS)
    return f"""\
version: 1
default_provider: box
providers: {{box: {{url: "{simulated.url("box")}", models: {{m: {{context: 65536}}}}}}}}
roles: {{default: box/m}}
gateway: {{listen: "{listen}", keys: {{own: {{file: "the 'key'"}}}}}}
surfaces: {{code: {{client: [{clients}]}}}}
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("odd") / os.fsdecode(NAME)
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("the file system takes UTF-8 only")
    (folder / "the 'key'").write_text(KEY)
    specs = (ServerSpec("box", models=(SimulatedModel("m"),)),)
    with running_stack(folder, specs, fleet_yaml, online=()) as stack:
        yield stack


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("client", CLIENTS)
def test_a_shell_reads_back_what_a_client_needs(stack: Stack, client: str, shell: str) -> None:
    lines = subprocess.run([*FLEET, "env", client], cwd=stack.folder, capture_output=True, check=False)
    assert (lines.returncode, lines.stderr) == (0, b"")
    script = lines.stdout + b'\nprintf %s "$FLEET_KEY"'
    environ = {"PATH": "/usr/bin:/bin"}
    ran = subprocess.run(
        [shell, "-c", script], cwd=stack.folder, env=environ, capture_output=True, check=False
    )
    assert (ran.returncode, ran.stdout.decode(), ran.stderr) == (0, KEY, b"")
    assert not list(stack.folder.rglob("pwned"))


def test_every_command_shows_it_and_the_gateway_serves(stack: Stack) -> None:
    environ = {"FLEET_KEY": KEY}
    assert stack.client.get("/api/fleet", headers={"x-api-key": KEY}).status_code == 200
    for command in (["status"], ["favorites", "add", "box/m"], ["connect"], ["use"], ["config"], ["diff"]):
        ran = run_fleet(*command, cwd=stack.folder, env=environ)
        assert (ran.returncode, ran.stderr) == (0, ""), command
    found = run_fleet("doctor", "--json", cwd=stack.folder, env=environ)
    assert json.loads(found.stdout)["reachable"] is True


def test_its_state_is_found_again(stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fleet_runtime.store.location import OWNER, abandoned_states, claim_state

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    path = claim_state(None, stack.folder, {})
    path.touch()
    assert (path.parent / OWNER).read_bytes() == os.fsencode(stack.folder) + b"\n"
    assert list(abandoned_states()) == []
