"""``make bench-scale``: the cost of a thousand providers: memory, descriptors, probes, lists, reports.

    python -m bench.scale [--providers N …] [--models N] [--record]

The providers are simulated on 127.0.0.1, in one separate process; the gateway probes them at the default
interval. CPU time hardly depends on other load on the computer, wall time does. `--record` writes the table
to docs/scale.md.
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

from bench.pages import write_tables
from bench.processes import usage
from bench.report import table
from bench.results import RESULTS
from bench.simulated_fleet import RunningGateway, SimulatedFleet, build, gateway, simulated_fleet

PAGE: Final = Path(__file__).parent.parent / "docs" / "scale.md"
FILE: Final = RESULTS / "scale.json"
INVENTORY: Final = "{interval: 10, timeout: 5, grace: 30}"
POLLING_SECONDS: Final = 30.0
READS: Final = 40
REPORTS: Final = 5
SAMPLE: Final = 50
"""The number of providers whose requests are counted."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Seconds, bytes, and shares of one core; `*_stall` are the longest stalls of the event loop in
    seconds."""

    providers: int
    models: int
    cold_build: float
    cold_build_cpu: float
    all_online: float
    start_stall: float
    memory: int
    descriptors: int
    requests_per_second: float
    polling_cpu: float
    polling_stall: float
    picker: int
    picker_wire: int
    picker_read: float
    picker_unchanged: float
    metrics: int
    metrics_stall: float
    fleet: int
    fleet_stall: float


def measure(folder: Path, providers: int, models: int) -> Figures:
    with simulated_fleet(folder, providers, models, INVENTORY) as fleet:
        began, cpu = time.monotonic(), children_cpu()
        build(fleet)
        cold_build, cold_build_cpu = time.monotonic() - began, children_cpu() - cpu
        began = time.monotonic()
        with gateway(fleet) as served:
            all_online = time.monotonic() - began
            start_stall = served.stalls.longest(began)
            requests, cpu, polling_stall = polling(fleet, served)
            wire, size, read, unchanged = picker(served.client)
            metrics, metrics_stall = report(served, "/metrics")
            report_size, report_stall = report(served, "/api/fleet")
            return Figures(
                providers,
                models,
                cold_build,
                cold_build_cpu,
                all_online,
                start_stall,
                memory(served.pid),
                len(list(Path(f"/proc/{served.pid}/fd").iterdir())),
                requests,
                cpu,
                polling_stall,
                size,
                wire,
                read,
                unchanged,
                metrics,
                metrics_stall,
                report_size,
                report_stall,
            )


def polling(fleet: SimulatedFleet, served: RunningGateway) -> tuple[float, float, float]:
    """Return requests/s to all providers, the share of a core that they use, and the longest stall."""
    counted = fleet.controls[:SAMPLE]
    with httpx.Client(trust_env=False) as client:

        def requests() -> int:
            return sum(client.get(f"{each}/_sim/counters").json()["requests"] for each in counted)

        for each in counted:
            client.post(f"{each}/_sim/behaviour", json={"record": True}).raise_for_status()
        time.sleep(POLLING_SECONDS / 2)  # until the probes are spread out
        began, before, cpu = time.monotonic(), requests(), usage(served.pid)
        time.sleep(POLLING_SECONDS)
        seconds, used = time.monotonic() - began, usage(served.pid).since(cpu)
        share = (requests() - before) / len(counted) / seconds
    return share * len(fleet.controls), used.cpu / seconds, served.stalls.longest(began)


def picker(client: httpx.Client) -> tuple[int, int, float, float]:
    """Return the size compressed and uncompressed, and the median time in seconds of a read and of a read
    that returns 304."""

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


def report(served: RunningGateway, path: str) -> tuple[int, float]:
    """Read a report until it has been made `REPORTS` times; return its size and the longest stall
    meanwhile."""
    began, seen, size = time.monotonic(), set[bytes](), 0
    while len(seen) < REPORTS:
        body = served.client.get(path).content
        seen.add(body)
        size = len(body)
    return size, served.stalls.longest(began)


def children_cpu() -> float:
    """Return the CPU time of all exited child processes in seconds."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def memory(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))


def milliseconds(seconds: float, *, shortest: float = 0.0) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds > shortest else f"< {shortest * 1000:.0f} ms"


def rows(found: list[Figures]) -> list[list[str]]:
    """Return the rows of the table, with one column per element of `found`."""

    def stall(seconds: float) -> str:
        return milliseconds(seconds, shortest=0.003)

    cells: tuple[tuple[str, Callable[[Figures], str]], ...] = (
        ("models", lambda one: f"{one.providers * one.models:,}"),
        ("first fleet build, wall time", lambda one: f"{one.cold_build:.1f} s"),
        ("first fleet build, CPU", lambda one: f"{one.cold_build_cpu:.1f} s"),
        ("start until all are online", lambda one: f"{one.all_online:.1f} s"),
        ("memory", lambda one: f"{one.memory / 1e6:.0f} MB"),
        ("open descriptors", lambda one: f"{one.descriptors:,}"),
        ("requests/s of the probes", lambda one: f"{one.requests_per_second:.0f}"),
        ("CPU of the probes", lambda one: f"{one.polling_cpu:.1%} of a core"),
        ("picker", lambda one: f"{one.picker / 1e6:.1f} MB"),
        ("picker, compressed", lambda one: f"{one.picker_wire / 1e3:.0f} KB"),
        ("picker, one read", lambda one: milliseconds(one.picker_read)),
        ("picker, unchanged (304)", lambda one: milliseconds(one.picker_unchanged)),
        ("/metrics", lambda one: f"{one.metrics / 1e3:.0f} KB"),
        ("/api/fleet", lambda one: f"{one.fleet / 1e3:.0f} KB"),
        ("longest stall, start", lambda one: stall(one.start_stall)),
        ("longest stall, probes", lambda one: stall(one.polling_stall)),
        ("longest stall, /metrics", lambda one: stall(one.metrics_stall)),
        ("longest stall, /api/fleet", lambda one: stall(one.fleet_stall)),
    )
    return [[name, *map(cell, found)] for name, cell in cells]


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure a gateway with many providers.")
    parser.add_argument("--providers", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--models", type=int, default=20)
    parser.add_argument("--record", action="store_true", help="write the table to docs/scale.md")
    chosen = parser.parse_args()
    load = [os.getloadavg()[0]]
    found = []
    for providers in chosen.providers:
        with tempfile.TemporaryDirectory(prefix="fleet-bench-") as scratch:
            found.append(measure(Path(scratch), providers, chosen.models))
    load.append(os.getloadavg()[0])
    header = ["", *(f"{one.providers:,} providers" for one in found)]
    busy = f"load average of the computer: {load[0]:.1f} before, {load[1]:.1f} after ({os.cpu_count()} cores)"
    text = f"{table(header, rows(found))}\n\n{busy}"
    print(text)
    if chosen.record:
        write_tables("scale", text, PAGE)
        figures = {"load_average": load, "figures": [asdict(one) for one in found]}
        FILE.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
