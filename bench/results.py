"""The results of a benchmark run, and whether they meet the goals."""

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
    """Medians of the rounds: CPU time in microseconds of the contender's own processes per request, latencies
    in milliseconds. `waited` is the share of the time in which the contender was runnable but its core was
    busy."""

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
    """Medians like those of `UnaryRow`, and sums of lost chunks, changed streams and failures; `memory` is
    the peak in bytes."""

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
    """A gateway without requests: resident `memory` in bytes, and wake-ups per second of all its threads."""

    memory: int
    wake_ups: float


@dataclass(frozen=True, slots=True)
class Goal:
    """`value` is None if the run did not measure it; `bound` is empty if a figure has no limit."""

    name: str
    bound: str
    value: float | None
    met: bool | None


Sample = TypeVar("Sample")


def unary_row(contender: str, connections: int, body: int, samples: Sequence[tuple[Load, Usage]]) -> UnaryRow:
    """Summarize the rounds of one contender; each sample is a round's load and the contender's usage."""
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
    """Summarize the rounds of one contender; each sample is a reading, the contender's usage and its peak
    memory."""
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


def goals(
    unary: Iterable[UnaryRow], streams: Iterable[StreamRow], starts: Mapping[str, float], idle: Idle
) -> list[Goal]:
    """Compare the measurements with the gateway's goals; nginx's figures of the same run follow for
    reference."""
    by_case = {(row.contender, row.connections, row.body): row for row in unary}
    many = {row.contender: row for row in streams if row.streams == 500}
    fleet, direct, nginx = many["fleet"], many["direct"], many["nginx"]

    def small(contender: str, connections: int) -> UnaryRow:
        return by_case[contender, connections, 1024]

    def ratio(other: str, connections: int, body: int = 1024) -> float | None:
        theirs = by_case.get((other, connections, body))
        return (
            by_case["fleet", connections, body].requests_per_second / theirs.requests_per_second
            if theirs
            else None
        )

    def retained(contender: str) -> float:
        return small(contender, 256).requests_per_second / small(contender, 64).requests_per_second

    first = direct.first_chunk_p99
    return [
        at_least("requests/s × nginx, 64 connections", 0.42, ratio("nginx", 64)),
        at_least("requests/s × nginx, bodies of 100 KB", 0.35, ratio("nginx", 16, 100 * 1024)),
        at_least("requests/s × nginx, bodies of 2 MB", 0.4, ratio("nginx", 16, 2 * 1024 * 1024)),
        at_least("requests/s × LiteLLM, 64 connections", 100, ratio("litellm", 64)),
        at_most("p50 at 1 connection minus nginx's, ms", 0.08, small("fleet", 1).p50 - small("nginx", 1).p50),
        shown("    minus direct, ms", small("fleet", 1).p50 - small("direct", 1).p50),
        shown("p99 at 1 connection minus nginx's, ms", small("fleet", 1).p99 - small("nginx", 1).p99),
        at_least("requests/s, 256 ÷ 64 connections", 0.9, retained("fleet")),
        shown("    nginx", retained("nginx")),
        at_most("p99 at 256 connections, ms", 30, small("fleet", 256).p99),
        shown("p99 at 1,000 connections, ms", small("fleet", 1000).p99),
        shown("    nginx", small("nginx", 1000).p99),
        at_most("chunks lost, 500 streams", 0, fleet.lost),
        at_most("streams changed, 500 streams", 0, fleet.changed),
        at_most("p99 to first chunk minus direct, 500 streams, ms", 5, fleet.first_chunk_p99 - first),
        shown("    nginx", nginx.first_chunk_p99 - first),
        at_most("CPU per chunk × nginx, 500 streams", 1.25, fleet.cpu_per_chunk / nginx.cpu_per_chunk),
        at_most("memory, 500 streams, MB", 70, fleet.memory / 1e6),
        at_most("memory, idle, MB", 55, idle.memory / 1e6),
        at_most("wake-ups/s, idle", 5, idle.wake_ups),
        at_most("start to first response, s", 0.4, starts["fleet"]),
    ]


def environment(**compared: str | None) -> dict[str, object]:
    """Describe the computer and the versions that the figures depend on; `compared` are those of the
    contenders."""
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


def at_least(name: str, bound: float, value: float | None) -> Goal:
    return Goal(name, f"≥ {bound:g}", value, None if value is None else value >= bound)


def at_most(name: str, bound: float, value: float | None) -> Goal:
    return Goal(name, f"≤ {bound:g}", value, None if value is None else value <= bound)


def shown(name: str, value: float) -> Goal:
    """Return a figure that is only shown, without a bound."""
    return Goal(name, "", value, None)


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"{type(value).__name__} is not JSON serializable")
