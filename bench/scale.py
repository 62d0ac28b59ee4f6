"""What a gateway takes for a thousand machines: time, memory, descriptors, probes, lists, reports.

    python -m bench.scale [--machines N …] [--models N] [--record]

The machines are simulated, in a process of their own, on 127.0.0.1; the gateway probes them at the interval
that it has by default. Processor time does not depend on what else the computer does, other times do. With
`--record` the table goes to docs/scale.md.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import httpx

from bench.crowd import Crowd, Watched, build, crowd, gateway
from bench.pages import write_tables
from bench.processes import usage
from bench.report import table
from bench.results import RESULTS

PAGE: Final = Path(__file__).parent.parent / "docs" / "scale.md"
FILE: Final = RESULTS / "scale.json"
INVENTORY: Final = "{interval: 10, timeout: 5, grace: 30}"
WATCHED_SECONDS: Final = 30.0
READS: Final = 40
REPORTS: Final = 5
SAMPLE: Final = 50
"""Machines whose requests are counted."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Seconds, bytes, and parts of one core; `held` are the longest holds of the event loop in seconds."""

    machines: int
    models: int
    cold_build: float
    cold_build_cpu: float
    all_online: float
    start_held: float
    memory: int
    descriptors: int
    requests_per_second: float
    polling_cpu: float
    polling_held: float
    picker: int
    picker_wire: int
    picker_read: float
    picker_unchanged: float
    metrics: int
    metrics_held: float
    fleet: int
    fleet_held: float


def measure(folder: Path, machines: int, models: int) -> Figures:
    with crowd(folder, machines, models, INVENTORY) as people:
        began, cpu = time.monotonic(), children_cpu()
        build(people)
        cold_build, cold_build_cpu = time.monotonic() - began, children_cpu() - cpu
        began = time.monotonic()
        with gateway(people) as served:
            all_online = time.monotonic() - began
            start_held = served.holds.longest(began)
            requests, cpu, polling_held = polling(people, served)
            wire, size, read, unchanged = picker(served.client)
            metrics, metrics_held = report(served, "/metrics")
            fleet, fleet_held = report(served, "/api/fleet")
            return Figures(
                machines,
                models,
                cold_build,
                cold_build_cpu,
                all_online,
                start_held,
                memory(served.pid),
                len(list(Path(f"/proc/{served.pid}/fd").iterdir())),
                requests,
                cpu,
                polling_held,
                size,
                wire,
                read,
                unchanged,
                metrics,
                metrics_held,
                fleet,
                fleet_held,
            )


def polling(people: Crowd, served: Watched) -> tuple[float, float, float]:
    """Return requests/s to all machines, the part of a core that goes into them, and the longest hold."""
    counted = people.controls[:SAMPLE]
    with httpx.Client(trust_env=False) as client:

        def requests() -> int:
            return sum(client.get(f"{each}/_sim/counters").json()["requests"] for each in counted)

        for each in counted:
            client.post(f"{each}/_sim/behaviour", json={"record": True}).raise_for_status()
        time.sleep(WATCHED_SECONDS / 2)  # the probes are spread out by then
        began, before, cpu = time.monotonic(), requests(), usage(served.pid)
        time.sleep(WATCHED_SECONDS)
        seconds, used = time.monotonic() - began, usage(served.pid).since(cpu)
        share = (requests() - before) / len(counted) / seconds
    return share * len(people.controls), used.cpu / seconds, served.holds.longest(began)


def picker(client: httpx.Client) -> tuple[int, int, float, float]:
    """Return bytes on the wire and in all, and the median seconds of a read and of one that finds the list
    unchanged."""

    def read(**headers: str) -> tuple[httpx.Response, int]:
        with client.stream("GET", "/api/picker?surface=boochat", headers=headers) as response:
            wire = sum(map(len, response.iter_raw()))
        return response, wire

    response, wire = read()
    tag = response.headers["etag"]
    size = len(client.get("/api/picker?surface=boochat").content)
    return wire, size, median(read), median(lambda: read(**{"if-none-match": tag}))


def median(read: Callable[[], object]) -> float:
    seconds = []
    for _ in range(READS):
        began = time.perf_counter()
        read()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def report(served: Watched, path: str) -> tuple[int, float]:
    """Return the bytes of a report that is made several times, and the longest hold meanwhile."""
    began, seen, size = time.monotonic(), set[bytes](), 0
    while len(seen) < REPORTS:
        body = served.client.get(path).content
        seen.add(body)
        size = len(body)
    return size, served.holds.longest(began)


def children_cpu() -> float:
    """Return the processor time of the processes that ran and ended, in seconds."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def memory(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))


def milliseconds(seconds: float, *, shortest: float = 0.0) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds > shortest else f"< {shortest * 1000:.0f} ms"


def rows(found: list[Figures]) -> list[list[str]]:
    """Return the lines of the table, one column for each of `found`."""

    def held(seconds: float) -> str:
        return milliseconds(seconds, shortest=0.003)

    cells: tuple[tuple[str, Callable[[Figures], str]], ...] = (
        ("models", lambda one: f"{one.machines * one.models:,}"),
        ("first fleet build", lambda one: f"{one.cold_build:.1f} s"),
        ("first fleet build, CPU", lambda one: f"{one.cold_build_cpu:.1f} s"),
        ("start until all are online", lambda one: f"{one.all_online:.1f} s"),
        ("memory", lambda one: f"{one.memory / 1e6:.0f} MB"),
        ("open descriptors", lambda one: f"{one.descriptors:,}"),
        ("requests/s of the probes", lambda one: f"{one.requests_per_second:.0f}"),
        ("CPU of the probes", lambda one: f"{one.polling_cpu:.1%} of a core"),
        ("picker", lambda one: f"{one.picker / 1e6:.1f} MB"),
        ("picker, on the wire", lambda one: f"{one.picker_wire / 1e3:.0f} KB"),
        ("picker, one read", lambda one: milliseconds(one.picker_read)),
        ("picker, unchanged (304)", lambda one: milliseconds(one.picker_unchanged)),
        ("/metrics", lambda one: f"{one.metrics / 1e3:.0f} KB"),
        ("/api/fleet", lambda one: f"{one.fleet / 1e3:.0f} KB"),
        ("longest hold, start", lambda one: held(one.start_held)),
        ("longest hold, probes", lambda one: held(one.polling_held)),
        ("longest hold, /metrics", lambda one: held(one.metrics_held)),
        ("longest hold, /api/fleet", lambda one: held(one.fleet_held)),
    )
    return [[name, *map(cell, found)] for name, cell in cells]


def main() -> None:
    parser = argparse.ArgumentParser(description="what a gateway takes for a thousand machines")
    parser.add_argument("--machines", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--models", type=int, default=20)
    parser.add_argument("--record", action="store_true", help="keep the table in docs/scale.md")
    chosen = parser.parse_args()
    load = [os.getloadavg()[0]]
    found = []
    for machines in chosen.machines:
        with tempfile.TemporaryDirectory(prefix="fleet-bench-") as scratch:
            found.append(measure(Path(scratch), machines, chosen.models))
    load.append(os.getloadavg()[0])
    head = ["", *(f"{one.machines:,} machines" for one in found)]
    busy = f"load average of the computer: {load[0]:.1f} before, {load[1]:.1f} after ({os.cpu_count()} cores)"
    text = f"{table(head, rows(found))}\n\n{busy}"
    print(text)
    if chosen.record:
        write_tables("scale", text, PAGE)
        figures = {"load_average": load, "figures": [asdict(one) for one in found]}
        FILE.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
