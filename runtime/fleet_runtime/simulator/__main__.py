"""``python -m fleet_runtime.simulator SPEC.json``: simulated machines as a process of their own.

Prints one line of JSON when all answer, ``{"<machine>": {"url", "control_url", "sidecar_url"}}``, and ends
at SIGTERM or SIGINT. SPEC.json is a list of machines (spec.MachineSpec); ``-`` reads it from standard input.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path

from pydantic import ValidationError

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


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: python -m fleet_runtime.simulator SPEC.json", file=sys.stderr)
        return 2
    try:
        text = sys.stdin.read() if arguments[0] == "-" else Path(arguments[0]).read_text()
        specs = parse_specs(text)
    except (OSError, ValidationError) as problem:
        print(f"'{arguments[0]}' cannot be simulated: {problem}", file=sys.stderr)
        return 1
    asyncio.run(run(specs))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
