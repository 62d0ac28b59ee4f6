"""``python -m fleet_runtime.simulator SPEC.json``: simulated servers as a process.

Prints one line of JSON when all respond, ``{"<name>": {"url", "control_url", "sidecar_url"}}``, and ends
at SIGTERM or SIGINT. SPEC.json is a list of servers (spec.ServerSpec); ``-`` reads it from standard input.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from pathlib import Path

from fleet_runtime.simulator.simulation import Simulation
from fleet_runtime.simulator.spec import parse_specs


async def run(simulation: Simulation) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with simulation:
        urls = {
            server.name: {
                "url": server.url,
                "control_url": server.control_url,
                "sidecar_url": server.sidecar_url,
            }
            for server in simulation.servers.values()
        }
        print(json.dumps(urls), flush=True)
        await ended.wait()


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; the exit code is 1 if SPEC.json cannot be simulated, 2 for wrong usage."""
    parser = argparse.ArgumentParser(
        prog="python -m fleet_runtime.simulator",
        description="Run simulated servers until SIGTERM or SIGINT; print one line of JSON with their URLs.",
    )
    parser.add_argument("spec", metavar="SPEC.json", help="a JSON list of servers; - is standard input")
    spec: str = parser.parse_args(arguments).spec
    try:
        text = sys.stdin.read() if spec == "-" else Path(spec).read_text(encoding="utf-8")
        simulation = Simulation(parse_specs(text))
    except (OSError, ValueError) as problem:
        print(f"'{spec}' cannot be simulated: {problem}", file=sys.stderr)
        return 1
    asyncio.run(run(simulation))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
