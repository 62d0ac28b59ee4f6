"""``python -m fleet_runtime.simulator SPEC.json``: simulated machines as a process of their own.

Prints one line of JSON when all answer, ``{"<machine>": {"url", "control_url", "sidecar_url"}}``, and ends
at SIGTERM or SIGINT. SPEC.json is a list of machines (spec.MachineSpec); ``-`` reads it from standard input.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from pathlib import Path

from fleet_runtime.simulator.simulation import Simulation
from fleet_runtime.simulator.spec import MachineSpec, parse_specs


async def run(specs: tuple[MachineSpec, ...]) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with Simulation(specs) as simulation:
        urls = {
            machine.name: {
                "url": machine.url,
                "control_url": machine.control_url,
                "sidecar_url": machine.sidecar_url,
            }
            for machine in simulation.machines.values()
        }
        print(json.dumps(urls), flush=True)
        await ended.wait()


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; the exit code is 1 where SPEC.json cannot be simulated, 2 for wrong usage."""
    parser = argparse.ArgumentParser(
        prog="python -m fleet_runtime.simulator",
        description="Run simulated machines until SIGTERM or SIGINT; print one line of JSON with their URLs.",
    )
    parser.add_argument("spec", metavar="SPEC.json", help="a JSON list of machines; - is standard input")
    spec: str = parser.parse_args(arguments).spec
    try:
        text = sys.stdin.read() if spec == "-" else Path(spec).read_text(encoding="utf-8")
        specs = parse_specs(text)
    except (OSError, ValueError) as problem:
        print(f"'{spec}' cannot be simulated: {problem}", file=sys.stderr)
        return 1
    asyncio.run(run(specs))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
