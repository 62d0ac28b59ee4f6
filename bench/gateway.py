"""``make bench-gateway``: this gateway, nginx and LiteLLM's proxy before the same machines, in one run.

    python -m bench.gateway [--without-litellm] [--name NAME]

Every contender runs on one core, the machines and the load on another. Rounds of a second or two are
interleaved, each round in another order, and medians told, so that whatever else the computer does meanwhile
meets all of them alike. Nothing is sent anywhere but to 127.0.0.1. Takes about five minutes and needs
Debian's nginx and wrk, taskset and two cores.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.contenders import LOAD_CORE, Contender, Machines, direct, fleet, litellm, machines, nginx
from bench.nginx import nginx_version
from bench.pages import write_tables
from bench.processes import Usage, peak_memory, reset_peak_memory, usage
from bench.report import aim_table, stream_table, unary_table
from bench.results import StreamRow, UnaryRow, aims, environment, stream_row, unary_row, write_results
from bench.streams import Reading, measure_streams
from bench.unary import Load, load
from bench.venvs import installed, version_in

TOOLS = ("nginx", "wrk", "taskset")

ROUNDS = 3
SECONDS = 2
CASES = ((1, 1024), (64, 1024), (256, 1024), (16, 100 * 1024), (16, 2 * 1024 * 1024))
"""Connections and bytes of a request's body."""

STREAM_ROUNDS = 3
STREAM_CASES = (100, 500)
CHUNKS = 160
PACE_MILLISECONDS = 25
SPREAD_SECONDS = 2.0
LITELLM_CHUNKS = 40

STARTS = 3

NAME = "gateway.json"


def main() -> None:
    arguments = _arguments()
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing or (os.cpu_count() or 1) < 2:
        names = ", ".join(missing)
        sys.exit(
            f"missing: {names} (Debian: apt-get install nginx wrk)" if missing else "two cores are needed"
        )
    venv = None if arguments.without_litellm else installed("litellm", "litellm[proxy]", "litellm")
    told = environment(nginx=nginx_version(), litellm=None if venv is None else version_in(venv, "litellm"))
    with tempfile.TemporaryDirectory(prefix="fleet-bench-") as scratch, contextlib.ExitStack() as running:
        folder = Path(scratch)
        ports = running.enter_context(machines(folder, PACE_MILLISECONDS))
        starts = {"fleet": measure_start(folder, ports)}
        contenders = [
            direct(ports),
            running.enter_context(nginx(folder, ports)),
            running.enter_context(fleet(folder, ports)),
        ]
        if venv is not None:
            contenders.append(running.enter_context(litellm(folder, ports, venv)))
        starts |= {each.name: each.start_seconds for each in contenders if each.name in ("nginx", "litellm")}
        streams = [row for count in STREAM_CASES for row in measure_all_streams(contenders, count)]
        print(stream_table(streams), end="\n\n", flush=True)
        unary = [row for case in CASES for row in measure_unary(contenders, *case)]
        print(unary_table(unary), end="\n\n", flush=True)
    held = aims(unary, streams, starts)
    started = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in starts.items())
    started = f"from start to first answer: {started}"
    print(f"{started}\n\n{aim_table(held)}")
    results = {"environment": told, "start": starts, "unary": unary, "streams": streams, "aims": held}
    print(f"\nwrote {write_results(arguments.name, results)}")
    if arguments.name == NAME:
        tables = (unary_table(unary), stream_table(streams), started, aim_table(held))
        write_tables("gateway", "\n\n".join(tables))


def measure_start(folder: Path, ports: Machines) -> float:
    """Seconds from the process's start to its first answer to a chat request, the median of a few."""
    seconds = []
    for _ in range(STARTS):
        with fleet(folder, ports) as contender:
            seconds.append(contender.start_seconds)
    return sorted(seconds)[STARTS // 2]


def measure_unary(contenders: Sequence[Contender], connections: int, body: int) -> Iterator[UnaryRow]:
    samples: dict[str, list[tuple[Load, Usage]]] = {contender.name: [] for contender in contenders}
    for turn in range(ROUNDS):
        for contender in _rotated(contenders, turn):
            seconds = SECONDS if contender.name != "litellm" else max(SECONDS, connections // 20)
            before = _usage(contender)
            seen = load(LOAD_CORE, contender.quick, connections, body, seconds)
            samples[contender.name].append((seen, _usage(contender).since(before)))
    for contender in contenders:
        yield unary_row(contender.name, connections, body, samples[contender.name])


def measure_all_streams(contenders: Sequence[Contender], streams: int) -> Iterator[StreamRow]:
    """LiteLLM, which rewrites every event, gets fewer of them, and is spared the larger number of streams."""
    taking = [each for each in contenders if each.name != "litellm" or streams <= STREAM_CASES[0]]
    samples: dict[str, list[tuple[Reading, Usage, int]]] = {contender.name: [] for contender in taking}
    for turn in range(STREAM_ROUNDS):
        for contender in _rotated(taking, turn):
            chunks = LITELLM_CHUNKS if contender.name == "litellm" else CHUNKS
            if contender.process is not None:
                reset_peak_memory(contender.process.pid)
            before = _usage(contender)
            seen = measure_streams(LOAD_CORE, contender.paced, streams, chunks, SPREAD_SECONDS)
            memory = 0 if contender.process is None else peak_memory(contender.process.pid)
            samples[contender.name].append((seen, _usage(contender).since(before), memory))
    for contender in taking:
        yield stream_row(contender.name, samples[contender.name])


def _usage(contender: Contender) -> Usage:
    return Usage(0.0, 0.0) if contender.process is None else usage(contender.process.pid)


def _rotated(contenders: Sequence[Contender], turn: int) -> list[Contender]:
    first = turn % len(contenders)
    return [*contenders[first:], *contenders[:first]]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="compare the gateway with nginx and LiteLLM's proxy")
    parser.add_argument("--without-litellm", action="store_true", help="leave LiteLLM's proxy out")
    parser.add_argument("--name", default=NAME, help="file below bench/results")
    return parser.parse_args()


if __name__ == "__main__":
    main()
