"""The commands of docs/changing.md, run as written on the fleet.yaml that stands before them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from fleet_runtime.simulator import MachineSpec, SimulatedModel, SimulationThread
from tests.support.paths import DOCS

ADDRESSES = ("http://192.168.1.20:8080", "http://192.168.1.21:8080", "http://192.168.1.22:8080")


def test_the_year_of_the_page_ends_as_the_page_says(tmp_path: Path) -> None:
    page = (DOCS / "changing.md").read_text(encoding="utf-8")
    specs = [MachineSpec(name, models=(SimulatedModel("qwen3-8b"),)) for name in ("one", "two", "three")]
    with SimulationThread(specs) as running:
        for address, spec in zip(ADDRESSES, specs, strict=True):
            page = page.replace(address, running.url(spec.name))
        blocks = re.findall(r"(?ms)^```(\w*)\n(.*?)^```$", page)
        first, last = (text for language, text in blocks if language == "yaml")
        (tmp_path / "fleet.yaml").write_text(first)
        for line in "".join(text for language, text in blocks if not language).splitlines():
            program, *arguments = line.split()
            assert program == "fleet"
            command = [sys.executable, "-m", "fleet_compiler", *arguments]
            ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
            assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "fleet.yaml").read_text() == last
