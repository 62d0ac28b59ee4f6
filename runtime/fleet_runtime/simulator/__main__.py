"""``python -m fleet_runtime.simulator SPEC.json``: simulated servers as a process.

Prints one line of JSON when all servers respond, ``{"<name>": {"url", "control_url", "sidecar_url"}}``, and
exits on SIGTERM or SIGINT. SPEC.json is a list of servers (spec.ServerSpec); ``-`` reads it from standard
input.
"""

from __future__ import annotations

import argparse
import asyncio
import errno
import json
import signal
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from fleet_runtime.simulator.kinds import PRODUCTS
from fleet_runtime.simulator.simulation import Simulation
from fleet_runtime.simulator.spec import Behaviour, ServerSpec, SimulatedModel, parse_specs
from fleet_runtime.text import count, escape

WIDTH = 100
SHOWN_ERRORS = 5
EXAMPLE = """\
[{"name": "box", "models": [{"id": "qwen3-8b", "context": 32768}], "port": 8080},
 {"name": "mini", "kind": "ollama", "models": [{"id": "qwen3:4b", "loaded": true}]}]"""


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
        epilog=_spec_help(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("spec", metavar="SPEC.json", help="a JSON list of servers; - is standard input")
    spec: str = parser.parse_args(arguments).spec
    try:
        text = sys.stdin.read() if spec == "-" else Path(spec).read_text(encoding="utf-8")
        simulation = Simulation(parse_specs(text))
        asyncio.run(run(simulation))
    except ValidationError as error:
        return _fail(spec, "; ".join(_problems(error)))
    except OSError as error:
        is_taken = error.errno == errno.EADDRINUSE
        return _fail(
            spec, "one of its ports is in use" if is_taken else (error.strerror or str(error)).lower()
        )
    except ValueError as error:
        return _fail(spec, str(error))
    return 0


def _fail(spec: str, problem: str) -> int:
    print(f"'{spec}' cannot be simulated: {escape(problem)}", file=sys.stderr)
    return 1


def _problems(error: ValidationError) -> Iterator[str]:
    """Yield the problems, each with its path in the JSON: ``[0].models[1].context``."""
    found = error.errors(include_url=False)
    for each in found[:SHOWN_ERRORS]:
        steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in each["loc"])
        place = "".join(steps).removeprefix(".")
        message = "is not a key" if each["type"] == "unexpected_keyword_argument" else each["msg"]
        yield f"{place}: {message[:1].lower()}{message[1:]}" if place else message
    if len(found) > SHOWN_ERRORS:
        yield f"and {count(len(found) - SHOWN_ERRORS, 'problem')} more"


def _spec_help() -> str:
    """Return the help text of a specification, generated from its shapes."""
    parts = [
        "A specification, for example:",
        textwrap.indent(EXAMPLE, "  "),
        "Keys of a server, with their defaults (port 0 is any free port):",
        _keys(ServerSpec),
        f"Kinds: {', '.join(sorted(PRODUCTS))}",
        "Keys of a model:",
        _keys(SimulatedModel),
        "Keys of a behaviour; while the server runs, some of them are changed with "
        "`curl CONTROL_URL/_sim/behaviour --json '{\"offline\": true}'`:",
        _keys(Behaviour),
    ]
    return "\n\n".join(part if "\n" in part else textwrap.fill(part, WIDTH) for part in parts)


def _keys(shape: Any) -> str:
    keys = ", ".join(map(_key, fields(shape)))
    return textwrap.fill(keys, WIDTH, initial_indent="  ", subsequent_indent="  ", break_long_words=False)


def _key(field: Field[Any]) -> str:
    if field.default is MISSING:
        return field.name if field.default_factory is not MISSING else f"{field.name} (required)"
    return f"{field.name} {json.dumps(field.default)}"


if __name__ == "__main__":
    raise SystemExit(main())
