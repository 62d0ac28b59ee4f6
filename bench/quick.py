"""``make bench-gateway-quick``: three ratios in less than a minute, beside those that were recorded last.

    python -m bench.quick [--record] [--rounds N]

Run it before and after a change of the inference path. The gateway and nginx take turns before the same
machine; requests come from several clients, for 40 models (`bench.clients`). CPU µs per request is the figure
to trust: requests/s wander with what else the computer does, and so the load average is part of the result.
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

from bench.clients import Kind, honest_load
from bench.contenders import LOAD_CORE, Contender, fleet, machines, nginx
from bench.pages import write_tables
from bench.processes import usage
from bench.report import aim_table, table
from bench.results import RESULTS, Aim, at_least, at_most

ROUNDS: Final = 4
SECONDS: Final = 2
CONNECTIONS: Final = 64
BODY: Final = 1200
KINDS: Final[tuple[Kind, ...]] = ("repeating", "unique", "fresh")
FILE: Final = RESULTS / "quick.json"
AIMS: Final[dict[Kind, tuple[float, float | None]]] = {
    "repeating": (0.42, 42),
    "unique": (0.25, 68),
    "fresh": (0.5, None),
}
"""Of nginx's requests per second at least, and CPU microseconds at most."""


def measure(contender: Contender, kind: Kind) -> tuple[float, float]:
    """Requests per second and CPU microseconds per request."""
    assert contender.process is not None
    before = usage(contender.process.pid)
    seen = honest_load(LOAD_CORE, contender.quick, kind, CONNECTIONS, BODY, SECONDS)
    used = usage(contender.process.pid).since(before)
    if seen.failed:
        raise SystemExit(f"{contender.name}: {seen.failed} requests failed")
    return seen.requests / seen.seconds, used.cpu / max(1, seen.requests) * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description="the gateway beside nginx, in less than a minute")
    parser.add_argument(
        "--record",
        action="store_true",
        help=f"keep the figures in bench/results/{FILE.name} and docs/performance.md",
    )
    parser.add_argument(
        "--rounds", type=int, default=ROUNDS, help=f"rounds of 12 seconds (default: {ROUNDS})"
    )
    arguments = parser.parse_args()
    load = [os.getloadavg()[0]]
    samples: dict[tuple[str, str], list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory(prefix="fleet-bench-") as scratch, contextlib.ExitStack() as running:
        folder = Path(scratch)
        ports = running.enter_context(machines(folder, 25))
        contenders = [
            running.enter_context(nginx(folder, ports)),
            running.enter_context(fleet(folder, ports)),
        ]
        for _ in range(arguments.rounds):
            for kind in KINDS:
                for contender in contenders:
                    samples.setdefault((kind, contender.name), []).append(measure(contender, kind))
            contenders.reverse()
    load.append(os.getloadavg()[0])
    last = json.loads(FILE.read_text()) if FILE.exists() else {}
    found: dict[str, object] = {"load_average": load}
    rows = []
    aims: list[Aim] = []
    for kind in KINDS:
        speed, cpu = (statistics.median(one[at] for one in samples[kind, "fleet"]) for at in (0, 1))
        theirs = statistics.median(one[0] for one in samples[kind, "nginx"])
        ratio = statistics.median(
            ours[0] / its[0] for ours, its in zip(samples[kind, "fleet"], samples[kind, "nginx"], strict=True)
        )
        found[kind] = {"requests_per_second": speed, "cpu_microseconds": cpu, "of_nginx": ratio}
        before = last.get(kind, {})
        least, most = AIMS[kind]
        aims.append(at_least(f"{kind}: requests/s of nginx's", least, ratio))
        if most is not None:
            aims.append(at_most(f"{kind}: CPU µs", most, cpu))
        cells = [kind, f"{speed:,.0f}", f"{theirs:,.0f}", f"{ratio:.3f}", f"{cpu:.0f}"]
        cells += [f"{before['of_nginx']:.3f}", f"{before['cpu_microseconds']:.0f}"] if before else ["", ""]
        rows.append(cells)
    head = ("", "requests/s", "nginx's", "of nginx", "CPU µs")
    busy = f"load average of the computer: {load[0]:.1f} before, {load[1]:.1f} after ({os.cpu_count()} cores)"
    print(table((*head, "recorded", "CPU µs"), rows), busy, aim_table(aims), sep="\n\n")
    if arguments.record:
        own = table(head, [row[: len(head)] for row in rows])
        write_tables("quick", f"{own}\n\n{busy}\n\n{aim_table(aims)}")
        FILE.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
