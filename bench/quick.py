"""``make bench-gateway-quick``: compare the gateway with nginx in a minute, and with the last recorded run.

    python -m bench.quick [--record] [--rounds N]

Run it before and after a change of the inference path. The gateway and nginx take turns with the same
provider, under the load of `bench.workloads`. Trust CPU time per request: requests/s depend on the other load
on the computer. Therefore the load average is part of the result.
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

from bench.contenders import LOAD_CORE, Contender, fleet, nginx, providers
from bench.pages import write_tables
from bench.processes import usage
from bench.report import goal_table, table
from bench.results import RESULTS, Goal, at_least, at_most
from bench.workloads import Workload, mixed_load

ROUNDS: Final = 4
SECONDS: Final = 2
CONNECTIONS: Final = 64
BODY: Final = 1200
WORKLOADS: Final[tuple[Workload, ...]] = ("repeating", "unique", "fresh")
FILE: Final = RESULTS / "quick.json"
GOALS: Final[dict[Workload, tuple[float, float | None]]] = {
    "repeating": (0.42, 42),
    "unique": (0.25, 68),
    "fresh": (0.5, None),
}
"""The lowest ratio to nginx's requests per second, and the most CPU microseconds per request."""


def measure(contender: Contender, workload: Workload) -> tuple[float, float]:
    """Return requests per second and CPU microseconds per request."""
    assert contender.process is not None
    before = usage(contender.process.pid)
    seen = mixed_load(LOAD_CORE, contender.quick, workload, CONNECTIONS, BODY, SECONDS)
    used = usage(contender.process.pid).since(before)
    if seen.failed:
        raise SystemExit(f"{contender.name}: {seen.failed} requests failed")
    return seen.requests / seen.seconds, used.cpu / max(1, seen.requests) * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare the gateway with nginx in a minute.")
    parser.add_argument(
        "--record",
        action="store_true",
        help=f"write the results to bench/results/{FILE.name} and docs/performance.md",
    )
    parser.add_argument(
        "--rounds", type=int, default=ROUNDS, help=f"rounds of 12 seconds (default: {ROUNDS})"
    )
    arguments = parser.parse_args()
    load = [os.getloadavg()[0]]
    samples: dict[tuple[str, str], list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory(prefix="fleet-bench-") as scratch, contextlib.ExitStack() as running:
        folder = Path(scratch)
        ports = running.enter_context(providers(folder, 25))
        contenders = [
            running.enter_context(nginx(folder, ports)),
            running.enter_context(fleet(folder, ports)),
        ]
        for _ in range(arguments.rounds):
            for workload in WORKLOADS:
                for contender in contenders:
                    sample = measure(contender, workload)
                    samples.setdefault((workload, contender.name), []).append(sample)
            contenders.reverse()
    load.append(os.getloadavg()[0])
    last = json.loads(FILE.read_text()) if FILE.exists() else {}
    found: dict[str, object] = {"load_average": load}
    rows = []
    goals: list[Goal] = []
    for workload in WORKLOADS:
        ours, theirs = samples[workload, "fleet"], samples[workload, "nginx"]
        speed, cpu = (statistics.median(sample[column] for sample in ours) for column in (0, 1))
        nginx_speed = statistics.median(sample[0] for sample in theirs)
        ratio = statistics.median(a[0] / b[0] for a, b in zip(ours, theirs, strict=True))
        found[workload] = {"requests_per_second": speed, "cpu_microseconds": cpu, "nginx_ratio": ratio}
        before = last.get(workload, {})
        least, most = GOALS[workload]
        goals.append(at_least(f"{workload}: requests/s × nginx", least, ratio))
        if most is not None:
            goals.append(at_most(f"{workload}: CPU µs", most, cpu))
        cells = [workload, f"{speed:,.0f}", f"{nginx_speed:,.0f}", f"{ratio:.3f}", f"{cpu:.0f}"]
        cells += [f"{before['nginx_ratio']:.3f}", f"{before['cpu_microseconds']:.0f}"] if before else ["", ""]
        rows.append(cells)
    header = ("", "requests/s", "nginx", "× nginx", "CPU µs")
    busy = f"load average of the computer: {load[0]:.1f} before, {load[1]:.1f} after ({os.cpu_count()} cores)"
    print(table((*header, "last run", "CPU µs"), rows), busy, goal_table(goals), sep="\n\n")
    if arguments.record:
        own = table(header, [row[: len(header)] for row in rows])
        write_tables("quick", f"{own}\n\n{busy}\n\n{goal_table(goals)}")
        FILE.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
