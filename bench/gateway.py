"""``make bench-gateway``: compare the gateway with nginx and LiteLLM's proxy, with the same providers.

    python -m bench.gateway [--without-litellm] [--name NAME]

The contenders run on one core, the providers and the load on another. Rounds of a second or two are
interleaved, in a different order each round, and the medians are reported, so that other load on the computer
affects all contenders alike. All traffic goes to 127.0.0.1. The run takes about eight minutes, nine with
LiteLLM, and needs Debian's nginx and wrk, taskset and two cores.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.contenders import LOAD_CORE, Contender, Providers, direct, fleet, litellm, nginx, providers
from bench.nginx import nginx_version
from bench.pages import write_tables
from bench.processes import Usage, memory, peak_memory, reset_peak_memory, usage, wake_ups
from bench.report import goal_table, stream_table, unary_table
from bench.results import Idle, StreamRow, UnaryRow, environment, goals, stream_row, unary_row, write_results
from bench.streams import Reading, measure_streams
from bench.unary import Load, load
from bench.venvs import installed, version_in

TOOLS = ("nginx", "wrk", "taskset")

ROUNDS = 7
SECONDS = 1
CASES = ((1, 1024), (64, 1024), (256, 1024), (1000, 1024), (16, 100 * 1024), (16, 2 * 1024 * 1024))
"""Pairs: connections, and the size of a request's body in bytes."""
LITELLM_ROUNDS = 3
LITELLM_CONNECTIONS = 256
"""LiteLLM is not measured with more connections: its responses would take tens of seconds."""

STREAM_CASES = (100, 500)
CHUNKS = 100
PACE_MILLISECONDS = 25
SPREAD_SECONDS = 2.0
LITELLM_CHUNKS = 40

STARTS = 3
IDLE_AFTER = 10.0
IDLE_SECONDS = 20.0

NAME = "gateway.json"


def main() -> None:
    arguments = _arguments()
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing or (os.cpu_count() or 1) < 2:
        names = ", ".join(missing)
        sys.exit(
            f"missing: {names} (Debian: apt-get install nginx wrk)"
            if missing
            else "the benchmark needs two cores"
        )
    venv = None if arguments.without_litellm else installed("litellm", "litellm[proxy]", "litellm")
    load_before = os.getloadavg()[0]
    litellm_version = None if venv is None else version_in(venv, "litellm")
    versions = environment(nginx=nginx_version(), litellm=litellm_version)
    with tempfile.TemporaryDirectory(prefix="fleet-bench-") as scratch, contextlib.ExitStack() as running:
        folder = Path(scratch)
        ports = running.enter_context(providers(folder, PACE_MILLISECONDS))
        starts = {"fleet": measure_start(folder, ports)}
        contenders = [
            direct(ports),
            running.enter_context(nginx(folder, ports)),
            running.enter_context(fleet(folder, ports)),
        ]
        if venv is not None:
            contenders.append(running.enter_context(litellm(folder, ports, venv)))
        idle = measure_idle(contenders[2])
        starts |= {each.name: each.start_seconds for each in contenders if each.name in ("nginx", "litellm")}
        streams = [row for count in STREAM_CASES for row in measure_streams_of_all(contenders, count)]
        print(stream_table(streams), end="\n\n", flush=True)
        unary = [row for case in CASES for row in measure_unary(contenders, *case)]
        print(unary_table(unary), end="\n\n", flush=True)
    measured = goals(unary, streams, starts, idle)
    started = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in starts.items())
    started = f"time to first response: {started}"
    busy = [round(average, 1) for average in (load_before, os.getloadavg()[0])]
    started += f"\nload average of the computer: {busy[0]} before, {busy[1]} after ({os.cpu_count()} cores)"
    print(f"{started}\n\n{goal_table(measured)}")
    results = {"environment": versions, "start": starts, "idle": idle, "unary": unary, "streams": streams}
    results["goals"] = measured
    print(f"\nwrote {write_results(arguments.name, results)}")
    if arguments.name == NAME:
        tables = (unary_table(unary), stream_table(streams), started, goal_table(measured))
        write_tables("gateway", "\n\n".join(tables))


def measure_start(folder: Path, ports: Providers) -> float:
    """Return the median time from a gateway's start to its first response to a chat request, in seconds."""
    seconds = []
    for _ in range(STARTS):
        with fleet(folder, ports) as contender:
            seconds.append(contender.start_seconds)
    return sorted(seconds)[STARTS // 2]


def measure_idle(contender: Contender) -> Idle:
    """Measure a contender without requests, some time after its start."""
    assert contender.process is not None
    pid = contender.process.pid
    time.sleep(IDLE_AFTER)
    before = wake_ups(pid)
    time.sleep(IDLE_SECONDS)
    return Idle(memory(pid), (wake_ups(pid) - before) / IDLE_SECONDS)


def measure_unary(contenders: Sequence[Contender], connections: int, body: int) -> Iterator[UnaryRow]:
    taking = [each for each in contenders if each.name != "litellm" or connections <= LITELLM_CONNECTIONS]
    samples: dict[str, list[tuple[Load, Usage]]] = {contender.name: [] for contender in taking}
    for turn in range(ROUNDS):
        for contender in _rotated(taking, turn):
            if contender.name == "litellm" and turn >= LITELLM_ROUNDS:
                continue
            seconds = SECONDS if contender.name != "litellm" else max(SECONDS, connections // 20)
            before = _usage(contender)
            seen = load(LOAD_CORE, contender.quick, connections, body, seconds)
            samples[contender.name].append((seen, _usage(contender).since(before)))
    for contender in taking:
        yield unary_row(contender.name, connections, body, samples[contender.name])


def measure_streams_of_all(contenders: Sequence[Contender], streams: int) -> Iterator[StreamRow]:
    """Measure all contenders. LiteLLM, which rewrites every event, gets fewer events and only the smaller
    case."""
    taking = [each for each in contenders if each.name != "litellm" or streams <= STREAM_CASES[0]]
    samples: dict[str, list[tuple[Reading, Usage, int]]] = {contender.name: [] for contender in taking}
    for turn in range(ROUNDS):
        for contender in _rotated(taking, turn):
            if contender.name == "litellm" and turn >= LITELLM_ROUNDS:
                continue
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
    parser = argparse.ArgumentParser(description="Compare the gateway with nginx and LiteLLM's proxy.")
    parser.add_argument("--without-litellm", action="store_true", help="do not measure LiteLLM's proxy")
    parser.add_argument("--name", default=NAME, help="file name in bench/results")
    return parser.parse_args()


if __name__ == "__main__":
    main()
