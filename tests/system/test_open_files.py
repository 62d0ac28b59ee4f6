"""A shell's limit of open files does not limit how many providers and requests a gateway can have."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from fleet_runtime.server import OPEN_FILES
from tests.support.artifacts import connection, gateway, write_generated
from tests.support.process import gateway_process
from tests.support.raw_client import ask

pytestmark = pytest.mark.anyio


async def test_a_gateway_takes_the_open_files_that_the_system_lets_it_have(tmp_path: Path) -> None:
    write_generated(tmp_path / "generated", gateway(connection("a", poll=False)))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
    try:
        async with gateway_process(tmp_path / "generated") as served:
            shown = (await ask(served.port, "/metrics")).body.decode()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    most = float(OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES))
    assert f"process_max_fds {most!r}" in shown.splitlines()
