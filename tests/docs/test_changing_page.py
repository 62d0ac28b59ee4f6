"""docs/changing.md: its commands, run as written on the fleet.yaml before them, and its scan."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from fleet_compiler.commands.init import init
from fleet_compiler.edit.starter import starter_text
from fleet_compiler.scan.servers import USUAL_PORTS, FoundServer
from fleet_runtime.simulator import ServerSpec, SimulatedModel, SimulationThread
from tests.support.paths import DOCS

ADDRESSES = ("http://192.168.1.20:8080", "http://192.168.1.21:8080", "http://192.168.1.22:8080")


def test_the_year_of_the_page_ends_as_the_page_says(tmp_path: Path) -> None:
    page = (DOCS / "changing.md").read_text(encoding="utf-8")
    specs = [ServerSpec(name, models=(SimulatedModel("qwen3-8b"),)) for name in ("one", "two", "three")]
    with SimulationThread(specs) as running:
        for address, spec in zip(ADDRESSES, specs, strict=True):
            page = page.replace(address, running.url(spec.name))
        blocks = re.findall(r"(?ms)^```(\w*)\n(.*?)^```$", page)
        first, last = (text for language, text in blocks if language == "yaml")
        (tmp_path / "fleet.yaml").write_text(first)
        commands = "".join(
            text for language, text in blocks if language == "sh" and not text.startswith("fleet init ")
        )
        for line in commands.splitlines():
            arguments = line.split()[1:]
            command = [sys.executable, "-m", "fleet_compiler", *arguments]
            ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
            assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "fleet.yaml").read_text() == last


def test_the_scan_of_the_page_writes_what_the_page_shows() -> None:
    page = (DOCS / "changing.md").read_text(encoding="utf-8")
    found = (
        FoundServer("sam-desktop", "http://sam-desktop:8080", "llama-swap, 12 models"),
        FoundServer("local", "http://127.0.0.1:11434", "ollama, 3 models"),
    )
    shown = starter_text(found).partition("\n# roles:")[0]
    assert f"```text\n{shown}```\n" in page
    for line in re.findall(r"(?m)^fleet init (.*)$", page):
        init.make_context("init", line.split())
    assert all(str(port) in page for port in USUAL_PORTS)
