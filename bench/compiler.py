"""``make bench-compiler``: the cost of `fleet --help`, `validate` and `build`.

    python -m bench.compiler [--name NAME]

`fleet validate` of the shipped fleet.yaml is compared with a bare interpreter and with `check-jsonschema` (in
a separate venv), which validates the same file, in interleaved rounds. `fleet build --frozen` is measured on
fleets of 10, 100 and 1 000 providers with 20 models each, all of them in fleet.lock. Wall time and CPU time
are shown; CPU time hardly depends on other load on the computer.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bench.pages import write_tables
from bench.report import goal_table, table
from bench.results import Goal, at_most, environment, write_results
from bench.venvs import installed, version_in

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
ROUNDS = 9
BUILD_ROUNDS = 3
SIZES = (10, 100, 1000)
MODELS = 20
NAME = "compiler.json"


@dataclass(frozen=True, slots=True)
class Cost:
    """Medians of the rounds: wall time and CPU time in seconds; `memory` is the peak in bytes."""

    seconds: float
    cpu: float
    memory: int


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the compiler.")
    parser.add_argument("--name", default=NAME, help="file name in bench/results")
    name = parser.parse_args().name
    venv = installed("check-jsonschema", "check-jsonschema", "check-jsonschema")
    versions = environment(check_jsonschema=version_in(venv, "check-jsonschema"))
    commands = measure_commands(venv / "bin" / "check-jsonschema")
    builds = {size: measure_build(size) for size in SIZES}
    measured = goals(commands, builds)
    tables = "\n\n".join((command_table(commands), build_table(builds), goal_table(measured)))
    print(tables)
    results = {"environment": versions, "commands": commands, "builds": builds, "goals": measured}
    print(f"\nwrote {write_results(name, results)}")
    if name == NAME:
        write_tables("compiler", tables)


def command_table(commands: Mapping[str, Cost]) -> str:
    bare = commands["python -c pass"]
    return table(
        ("", "ms", "CPU ms", "× bare Python (CPU)"),
        [
            (name, f"{cost.seconds * 1000:,.0f}", f"{cost.cpu * 1000:,.0f}", f"{cost.cpu / bare.cpu:.1f}")
            for name, cost in commands.items()
        ],
    )


def build_table(builds: Mapping[int, Cost]) -> str:
    return table(
        (f"fleet build, {MODELS} models each", "s", "CPU s", "CPU ms per provider", "memory MB"),
        [
            (
                f"{size:,} providers",
                f"{cost.seconds:.2f}",
                f"{cost.cpu:.2f}",
                f"{cost.cpu / size * 1000:.2f}",
                f"{cost.memory / 1e6:,.0f}",
            )
            for size, cost in builds.items()
        ],
    )


def goals(commands: Mapping[str, Cost], builds: Mapping[int, Cost]) -> list[Goal]:
    middle, large = builds[100], builds[1000]
    bare = commands["python -c pass"]
    return [
        at_most("fleet validate, × bare Python, CPU time", 18, commands["fleet validate"].cpu / bare.cpu),
        at_most(
            "fleet validate, × bare Python, wall time", 18, commands["fleet validate"].seconds / bare.seconds
        ),
        at_most("build of 1,000 providers, s", 1, large.seconds),
        at_most("build of 1,000 providers, MB", 300, large.memory / 1e6),
        at_most("build CPU, 1,000 ÷ 100 providers", 10, large.cpu / middle.cpu),
    ]


def measure_commands(check: Path) -> dict[str, Cost]:
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "fleet --help": [str(BIN / "fleet"), "--help"],
        "fleet validate": [str(BIN / "fleet"), "validate", "-f", "fleet.yaml"],
        "check-jsonschema": [str(check), "--schemafile", "schema/fleet.schema.json", "fleet.yaml"],
    }
    costs: dict[str, list[Cost]] = {name: [] for name in commands}
    for _ in range(ROUNDS):
        for name, command in commands.items():
            costs[name].append(run(command, ROOT))
    return {name: _medians(each) for name, each in costs.items()}


def measure_build(providers: int) -> Cost:
    """Measure the first build of a fleet with that many providers."""
    costs = []
    for _ in range(BUILD_ROUNDS):
        with tempfile.TemporaryDirectory(prefix="fleet-bench-") as folder:
            write_fleet(Path(folder), providers)
            costs.append(run([str(BIN / "fleet"), "build", "--frozen"], Path(folder)))
    return _medians(costs)


def write_fleet(folder: Path, providers: int) -> None:
    """Write fleet.yaml and fleet.lock of a fleet whose providers have the same models."""
    names = [f"provider-{number:04}" for number in range(providers)]
    urls = {name: f"http://10.{number >> 8}.{number & 255}.7:8401" for number, name in enumerate(names)}
    lines = ["version: 1", f"default_provider: {names[0]}", "providers:"]
    lines += [f"  {name}: {url}" for name, url in urls.items()]
    lines += [f"roles: {{default: {names[0]}/model-0}}", "surfaces:", "  boochat:", "  arena:"]
    lines += ["  opencode: {client: opencode}", "gateway: {listen: 127.0.0.1:8400}", ""]
    (folder / "fleet.yaml").write_text("\n".join(lines))
    facts = {
        "context": 32768,
        "context_source": "configured",
        "output": 8192,
        "tools": True,
        "purpose": "chat",
    }
    locked = {
        name: {"url": url, "kind": "llama-swap", "models": {f"model-{k}": facts for k in range(MODELS)}}
        for name, url in urls.items()
    }
    lock = {"format": 1, "providers": locked}
    (folder / "fleet.lock").write_bytes(msgspec.json.format(msgspec.json.encode(lock)) + b"\n")


def run(command: Sequence[str], cwd: Path) -> Cost:
    """Run a command to its end and return its cost; modules are compiled, as in an installation.

    CalledProcessError if it fails.
    """
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    started = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=cwd, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def _medians(costs: Sequence[Cost]) -> Cost:
    return Cost(
        statistics.median(cost.seconds for cost in costs),
        statistics.median(cost.cpu for cost in costs),
        max(cost.memory for cost in costs),
    )


if __name__ == "__main__":
    main()
