"""``make bench-peers``: compare the gateway with nginx, nginx with Lua, HAProxy and LiteLLM's proxy.

    python -m bench.side_by_side [--without-litellm] [--record]

The load is the workload `repeating` of `bench.quick`: five clients that repeat their headers, 40 models, 64
connections. The contenders take turns on one core, in a different order each round; medians are shown. Those
that are not installed are skipped.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import tempfile
from pathlib import Path
from typing import Final

from bench.chart import bars
from bench.contenders import LOAD_CORE, Contender, fleet, litellm, nginx, providers
from bench.pages import PAGE, write_tables
from bench.peers import peers
from bench.processes import usage
from bench.report import goal_table, table
from bench.results import RESULTS, at_least
from bench.unary import Load, load
from bench.venvs import installed
from bench.workloads import mixed_load

ROUNDS: Final = 4
SECONDS: Final = 2
SLOW_SECONDS: Final = 4
CONNECTIONS: Final = 64
BODY: Final = 1200
LUA_GOAL: Final = 0.8
CHART: Final = PAGE.with_name("performance.svg")
NOTES: Final = {
    "fleet": "reads and rewrites, all features on",
    "nginx": "by path, no rewrite",
    "nginx with Lua": "reads and rewrites, with a log",
    "HAProxy": "reads JSON, no rewrite, no log",
    "litellm": "reads and rewrites, no log",
}


def measure(contender: Contender) -> tuple[float, float, Load]:
    """Return requests per second, CPU microseconds per request, and the summary of the load."""
    assert contender.process is not None
    before = usage(contender.process.pid)
    if contender.name == "litellm":  # one model, and fewer connections because its requests take so long
        seen = load(LOAD_CORE, contender.quick, 16, BODY, SLOW_SECONDS)
    else:
        seen = mixed_load(LOAD_CORE, contender.quick, "repeating", CONNECTIONS, BODY, SECONDS)
    used = usage(contender.process.pid).since(before)
    if seen.failed:
        raise SystemExit(f"{contender.name}: {seen.failed} requests failed")
    return seen.requests / seen.seconds, used.cpu / max(1, seen.requests) * 1e6, seen


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare the gateway with its peers.")
    parser.add_argument("--without-litellm", action="store_true", help="do not measure LiteLLM's proxy")
    parser.add_argument("--record", action="store_true", help=f"write the table and {CHART.name} to docs/")
    arguments = parser.parse_args()
    load_average = [os.getloadavg()[0]]
    samples: dict[str, list[tuple[float, float, Load]]] = {}
    with tempfile.TemporaryDirectory(prefix="fleet-bench-") as scratch, contextlib.ExitStack() as running:
        folder = Path(scratch)
        ports = running.enter_context(providers(folder, 25))
        contenders = [
            running.enter_context(fleet(folder, ports)),
            running.enter_context(nginx(folder, ports)),
            *running.enter_context(peers(folder, ports)),
        ]
        if not arguments.without_litellm:
            venv = installed("litellm", "litellm[proxy]", "litellm")
            contenders.append(running.enter_context(litellm(folder, ports, venv)))
        for turn in range(ROUNDS):
            for at in range(len(contenders)):
                contender = contenders[(at + turn) % len(contenders)]
                samples.setdefault(contender.name, []).append(measure(contender))
    load_average.append(os.getloadavg()[0])
    found = {name: _medians(rounds) for name, rounds in samples.items()}
    nginx_speed = found["nginx"]["requests_per_second"]
    rows = [
        (
            name,
            f"{row['requests_per_second']:,.0f}",
            f"{row['requests_per_second'] / nginx_speed:.3f}",
            f"{row['cpu_microseconds']:,.0f}",
            f"{row['p50']:.2f}",
            f"{row['p99']:.2f}",
            NOTES[name],
        )
        for name, row in sorted(found.items(), key=lambda item: item[1]["cpu_microseconds"])
    ]
    text = table(("", "requests/s", "× nginx", "CPU µs", "p50 ms", "p99 ms", "what it does"), rows)
    if (lua := found.get("nginx with Lua")) is not None:
        ours = found["fleet"]
        by_speed = ours["requests_per_second"] / lua["requests_per_second"]
        by_cpu = lua["cpu_microseconds"] / ours["cpu_microseconds"]
        goals = [
            at_least("requests/s × nginx with Lua", LUA_GOAL, by_speed),
            at_least("requests per CPU second × nginx with Lua", LUA_GOAL, by_cpu),
        ]
        text += f"\n\n{goal_table(goals)}"
    cores = os.cpu_count()
    text += f"\n\nload average: {load_average[0]:.1f} before, {load_average[1]:.1f} after ({cores} cores)"
    print(text)
    if arguments.record:
        write_tables("peers", text)
        (RESULTS / "peers.json").write_text(
            json.dumps({"load_average": load_average, "contenders": found}, indent=2) + "\n"
        )
        CHART.write_text(chart(found), encoding="utf-8")


def chart(found: dict[str, dict[str, float]]) -> str:
    """Return a chart of the CPU time of one request, without LiteLLM: its bar would dwarf the others."""
    rows = [
        (name, row["cpu_microseconds"], f"{row['cpu_microseconds']:.0f} µs")
        for name, row in sorted(found.items(), key=lambda item: item[1]["cpu_microseconds"])
        if name != "litellm"
    ]
    return bars("CPU time of one request of 1.2 KB, 64 connections", rows, "fleet")


def _medians(rounds: list[tuple[float, float, Load]]) -> dict[str, float]:
    return {
        "requests_per_second": statistics.median(speed for speed, _, _ in rounds),
        "cpu_microseconds": statistics.median(cpu for _, cpu, _ in rounds),
        "p50": statistics.median(seen.p50 for _, _, seen in rounds),
        "p99": statistics.median(seen.p99 for _, _, seen in rounds),
    }


if __name__ == "__main__":
    main()
