"""What a run of the gateway's measurements found, and what it says about the aims."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

from bench.processes import Usage
from bench.streams import Reading
from bench.unary import Load

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class UnaryRow:
    """Medians of the rounds; CPU microseconds of the contender's own processes per request; the part of the
    time that it waited for its core, because something else ran there; milliseconds."""

    contender: str
    connections: int
    body: int
    requests_per_second: float
    cpu_per_request: float
    waited: float
    p50: float
    p99: float
    failed: int
    rounds: int


@dataclass(frozen=True, slots=True)
class StreamRow:
    """As `UnaryRow`; sums of what went wrong; `memory` in bytes, at its peak."""

    contender: str
    streams: int
    events: int
    lost: int
    changed: int
    failed: int
    first_chunk_p50: float
    first_chunk_p99: float
    cpu_per_chunk: float
    waited: float
    memory: int
    rounds: int


@dataclass(frozen=True, slots=True)
class Idle:
    """A gateway without requests: resident `memory` in bytes, wake-ups a second of all its threads."""

    memory: int
    wake_ups: float


@dataclass(frozen=True, slots=True)
class Aim:
    """`value` is None where the run did not measure it, `bound` empty where a figure is only shown."""

    name: str
    bound: str
    value: float | None
    met: bool | None


Sample = TypeVar("Sample")


def unary_row(contender: str, connections: int, body: int, samples: Sequence[tuple[Load, Usage]]) -> UnaryRow:
    """`samples`: what each round saw, and what the contender used."""
    loads = [load for load, _ in samples]
    return UnaryRow(
        contender=contender,
        connections=connections,
        body=body,
        requests_per_second=_median(loads, lambda load: load.requests / load.seconds),
        cpu_per_request=_median(samples, lambda sample: sample[1].cpu / max(1, sample[0].requests) * 1e6),
        waited=_median(samples, lambda sample: sample[1].waited / sample[0].seconds),
        p50=_median(loads, lambda load: load.p50),
        p99=_median(loads, lambda load: load.p99),
        failed=sum(load.failed for load in loads),
        rounds=len(loads),
    )


def stream_row(contender: str, samples: Sequence[tuple[Reading, Usage, int]]) -> StreamRow:
    """`samples`: what each round saw, what the contender used and the most of its memory."""
    readings = [reading for reading, _, _ in samples]
    return StreamRow(
        contender=contender,
        streams=readings[0].streams,
        events=sum(reading.events for reading in readings),
        lost=sum(max(0, reading.expected_events - reading.events) for reading in readings),
        changed=sum(reading.changed for reading in readings),
        failed=sum(reading.failed for reading in readings),
        first_chunk_p50=_median(readings, lambda reading: reading.first_chunk_p50),
        first_chunk_p99=_median(readings, lambda reading: reading.first_chunk_p99),
        cpu_per_chunk=_median(samples, lambda sample: sample[1].cpu / max(1, sample[0].events) * 1e6),
        waited=_median(samples, lambda sample: sample[1].waited / sample[0].seconds),
        memory=max(memory for _, _, memory in samples),
        rounds=len(samples),
    )


def aims(
    unary: Iterable[UnaryRow], streams: Iterable[StreamRow], starts: Mapping[str, float], idle: Idle
) -> list[Aim]:
    """The gateway's aims, held against what was measured; nginx's figures of the same run beside them."""
    by_case = {(row.contender, row.connections, row.body): row for row in unary}
    many = {row.contender: row for row in streams if row.streams == 500}
    fleet, direct, nginx = many["fleet"], many["direct"], many["nginx"]

    def small(contender: str, connections: int) -> UnaryRow:
        return by_case[contender, connections, 1024]

    def of(other: str, connections: int, body: int = 1024) -> float | None:
        theirs = by_case.get((other, connections, body))
        return (
            by_case["fleet", connections, body].requests_per_second / theirs.requests_per_second
            if theirs
            else None
        )

    def kept(contender: str) -> float:
        return small(contender, 256).requests_per_second / small(contender, 64).requests_per_second

    first = direct.first_chunk_p99
    return [
        at_least("requests/s of nginx's, 64 connections", 0.42, of("nginx", 64)),
        at_least("requests/s of nginx's, bodies of 100 KB", 0.35, of("nginx", 16, 100 * 1024)),
        at_least("requests/s of nginx's, bodies of 2 MB", 0.4, of("nginx", 16, 2 * 1024 * 1024)),
        at_least("requests/s of LiteLLM's, 64 connections", 100, of("litellm", 64)),
        at_most(
            "p50 at 1 connection, more than nginx's, ms", 0.08, small("fleet", 1).p50 - small("nginx", 1).p50
        ),
        shown("    more than direct, ms", small("fleet", 1).p50 - small("direct", 1).p50),
        shown("p99 at 1 connection, more than nginx's, ms", small("fleet", 1).p99 - small("nginx", 1).p99),
        at_least("requests/s at 256 connections of those at 64", 0.9, kept("fleet")),
        shown("    nginx's own", kept("nginx")),
        at_most("p99 at 256 connections, ms", 30, small("fleet", 256).p99),
        shown("p99 at 1,000 connections, ms", small("fleet", 1000).p99),
        shown("    nginx's own", small("nginx", 1000).p99),
        at_most("chunks lost, 500 streams", 0, fleet.lost),
        at_most("streams changed, of 500", 0, fleet.changed),
        at_most(
            "p99 to the first chunk, 500 streams, more than direct, ms", 5, fleet.first_chunk_p99 - first
        ),
        shown("    nginx's own", nginx.first_chunk_p99 - first),
        at_most("CPU per chunk of nginx's, 500 streams", 1.25, fleet.cpu_per_chunk / nginx.cpu_per_chunk),
        at_most("memory under 500 streams, MB", 70, fleet.memory / 1e6),
        at_most("memory without requests, MB", 55, idle.memory / 1e6),
        at_most("wake-ups a second without requests", 5, idle.wake_ups),
        at_most("start to first answer, s", 0.4, starts["fleet"]),
    ]


def environment(**compared: str | None) -> dict[str, object]:
    """What the figures depend on; `compared` are the versions of what is compared."""
    cpu = next(
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    )
    return {
        "python": platform.python_version(),
        "kernel": platform.release(),
        "cpu": cpu,
        "cores": os.cpu_count(),
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "versions": {"uvloop": version("uvloop"), **compared},
    }


def write_results(name: str, results: Mapping[str, object]) -> Path:
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / name
    file.write_text(json.dumps(results, indent=2, default=_plain) + "\n")
    return file


def _median(samples: Iterable[Sample], value: Callable[[Sample], float]) -> float:
    return statistics.median(value(sample) for sample in samples)


def at_least(name: str, bound: float, value: float | None) -> Aim:
    return Aim(name, f"≥ {bound:g}", value, None if value is None else value >= bound)


def at_most(name: str, bound: float, value: float | None) -> Aim:
    return Aim(name, f"≤ {bound:g}", value, None if value is None else value <= bound)


def shown(name: str, value: float) -> Aim:
    """A figure that is told beside the aims."""
    return Aim(name, "", value, None)


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"{type(value).__name__} is not for JSON")
