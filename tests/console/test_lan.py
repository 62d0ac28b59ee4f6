"""Over plain HTTP on an address of a network: no secure context, and six connections for everything."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from tests.console.conftest import CHROMIUM
from tests.support.paths import ROOT

ADDRESS = "192.168.77.1"
NETWORK = f"""
ip link set lo up
ip address add {ADDRESS}/32 dev lo
exec "$0" -m tests.console.lan {ADDRESS}
"""


@pytest.mark.slow
def test_an_arena_of_four_and_a_chat_in_two_tabs_leave_the_lists_responsive() -> None:
    if not CHROMIUM.exists():
        pytest.skip(f"the console's tests need {CHROMIUM}: apt install chromium")
    if os.geteuid() != 0 or shutil.which("ip") is None or shutil.which("unshare") is None:
        pytest.skip("needs the right to make a network namespace")
    command = ["unshare", "--net", "sh", "-ec", NETWORK, sys.executable]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=180, check=False)
    print(ran.stdout)
    assert ran.returncode == 0, ran.stderr
