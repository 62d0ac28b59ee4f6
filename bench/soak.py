"""``make soak``: the gateway under constant load for minutes, while one of its providers fails in every way.

    python -m bench.soak [--minutes N] [--hostile] [--log FILE]

Three simulated providers, `fleet build` and `fleet serve` run in separate processes. All three providers get
streaming and other requests, some clients disconnect early, and once a minute a build changes the
configuration. Every 30 seconds, one provider gets one of `FAULTS` for 10 seconds. A warm-up with more
frequent faults and builds is not counted. With `--hostile`, the attacks of `bench.hostile` run during the
load.

The report shows the errors on the two healthy providers, the growth of the gateway's memory (of its minimum
in each minute, so that a body of 20 MB in transit does not count), its open descriptors, and the tracebacks
in its log. The exit code is 1 if any of them exceeds its limit.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.hostile import run_attacks
from fleet_runtime.artifacts.contract import Timeouts
from fleet_runtime.child_process import free_port, running
from fleet_runtime.upstream import Upstream, UpstreamError

HEALTHY = ("north", "south")
FAULTY = "east"
MODEL = "m"
RATE = 100.0
"""Requests per second."""
WARM_UP_SECONDS = 210.0
"""Five times every fault, until all that the gateway keeps on purpose, such as recent events, is filled."""
SAMPLE_SECONDS = 2.0
REST_SECONDS = 20.0
"""Longer than the gateway and the client of this script keep idle connections."""
MAX_GROWTH = 1_000_000
"""Bytes of memory in ten minutes."""
MAX_MORE_DESCRIPTORS = 5
"""How many more descriptors may be open at the end than after the warm-up, both without load."""

FAULTS: tuple[Mapping[str, Any], ...] = (
    {"offline": True},
    {"hang": True},
    {"latency_ms": 1500},
    {"error_status": 500, "error_body": "<html>oops</html>", "error_type": "text/html"},
    {"drop_at_byte": 700},
    {"drop_at_byte": 60, "drop": "fin"},
    {"redirect_to": "http://127.0.0.1:9/"},
    {"malformed": "huge-line"},
    {"malformed": "no-done"},
    {"gzip": True},
    {"list_body": "<html>not a list</html>"},
    {"list_endless": True},
    {"close_after_response": True},
    {"max_parallel": 1},
)


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds: the interval of faults, the duration of a fault, and the interval of builds."""

    fault: float
    duration: float
    build: float


QUICK = Pace(3, 2.5, 10)
STEADY = Pace(30, 10, 60)


@dataclass
class Soak:
    """A run and its counts: `outcomes` of requests by provider, `attacks` by name and outcome, and samples of
    `memory` (seconds, bytes). `hostile` is the port to attack, None for no attacks."""

    gateway: Upstream
    control: Upstream
    hostile: int | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    attacks: Counter[tuple[str, str]] = field(default_factory=Counter)
    memory: list[tuple[float, float]] = field(default_factory=list)

    async def run(self, seconds: float, folder: Path) -> tuple[int, int]:
        """Run the load for `seconds`; return the open descriptors at rest after the warm-up and at the
        end."""
        before = await self._run_load(WARM_UP_SECONDS, folder, QUICK)
        self.outcomes.clear()
        self.attacks.clear()
        self.memory.clear()
        return before, await self._run_load(seconds, folder, STEADY)

    async def _run_load(self, seconds: float, folder: Path, pace: Pace) -> int:
        self.ended.clear()
        async with asyncio.TaskGroup() as tasks:
            for work in (self._disturb(pace), self._build(pace, folder), self._watch()):
                tasks.create_task(work)
            if self.hostile is not None:
                tasks.create_task(run_attacks(self.hostile, self.ended, self.attacks))
            started = time.monotonic()
            for turn in range(round(seconds * RATE)):
                await asyncio.sleep(started + turn / RATE - time.monotonic())
                tasks.create_task(self._request(turn))
            self.ended.set()
        return await self._rest()

    async def _request(self, turn: int) -> None:
        name = (*HEALTHY, FAULTY)[turn % 3]
        self.outcomes[name, await self._outcome(name, turn)] += 1

    async def _outcome(self, name: str, turn: int) -> str:
        stream = turn % 2 == 0
        disconnects = turn % 20 == 0
        prompt = [{"role": "user", "content": f"turn {turn}"}]
        body = json.dumps({"model": f"{name}/{MODEL}", "messages": prompt, "stream": stream}).encode()
        headers = [(b"content-type", b"application/json")]
        try:
            response = await self.gateway.send(b"POST", b"/boochat/v1/chat/completions", headers, body)
            if response.status != 200:
                code = re.search(rb'"code": ?"(\w+)"', await response.read(1 << 24))
                return f"status {response.status} {code[1].decode() if code else ''}".rstrip()
            if disconnects:
                await response.chunk()
                response.abort()
                return "disconnected"
            data = await response.read(1 << 24)
        except UpstreamError as error:
            return type(error).__name__
        if stream and b"[DONE]" not in data:
            return "incomplete"
        return "ok" if stream or f"turn {turn}".encode() in data else "wrong response"

    async def _disturb(self, pace: Pace) -> None:
        """Give the faulty provider one fault after the other."""
        for fault in itertools.cycle(FAULTS):
            if not await self._slept(pace.fault - pace.duration):
                return
            await self._control("behaviour", fault)
            await self._slept(pace.duration)
            await self._control("reset", {})

    async def _build(self, pace: Pace, folder: Path) -> None:
        """Build a changed configuration at the interval of `pace`."""
        for number in itertools.count():
            if not await self._slept(pace.build):
                return
            text = (folder / "fleet.yaml").read_text()
            text = re.sub(
                r"^aliases: .*$", f"aliases: {{old-{number}: north/{MODEL}}}", text, flags=re.MULTILINE
            )
            (folder / "fleet.yaml").write_text(text)
            await asyncio.to_thread(fleet, folder, "build")

    async def _watch(self) -> None:
        started = time.monotonic()
        while await self._slept(SAMPLE_SECONDS):
            self.memory.append(
                (time.monotonic() - started, await self._metric("process_resident_memory_bytes"))
            )

    async def _rest(self) -> int:
        """Wait until idle connections are closed, and return the open descriptors."""
        await asyncio.sleep(REST_SECONDS)
        return int(await self._metric("process_open_fds"))

    async def _metric(self, name: str) -> float:
        response = await self.gateway.send(b"GET", b"/metrics", [])
        text = (await response.read(1 << 24)).decode()
        return float(next(line.split()[1] for line in text.splitlines() if line.startswith(f"{name} ")))

    async def _control(self, action: str, changes: Mapping[str, Any]) -> None:
        response = await self.control.send(
            b"POST", f"/_sim/{action}".encode(), [], json.dumps(changes).encode()
        )
        body = await response.read(1 << 20)
        assert response.status == 200, body

    async def _slept(self, seconds: float) -> bool:
        """Sleep; return False if the run ended meanwhile."""
        try:
            await asyncio.wait_for(self.ended.wait(), seconds)
        except TimeoutError:
            return True
        return False


def slope(samples: list[tuple[float, float]]) -> float:
    """Return the growth in ten minutes, by linear regression over the lowest value of each minute."""
    lowest = [
        min(minute, key=lambda sample: sample[1])
        for _, minute in itertools.groupby(samples, lambda sample: sample[0] // 60)
    ]
    if len(lowest) < 2:
        return 0.0
    fitted = statistics.linear_regression([at for at, _ in lowest], [value for _, value in lowest])
    return fitted.slope * 600


def fleet(folder: Path, *arguments: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "fleet_compiler", *arguments], cwd=folder, check=True, capture_output=True
    )


@asynccontextmanager
async def simulated_providers() -> AsyncIterator[Mapping[str, Mapping[str, str]]]:
    """Run the providers and yield their URLs by name. They do not record requests, to keep the load low."""
    models = [{"id": MODEL, "loaded": True}]
    specs = [{"name": name, "models": models, "behaviour": {"record": False}} for name in (*HEALTHY, FAULTY)]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "fleet_runtime.simulator", "-"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(specs).encode())
    process.stdin.write_eof()
    try:
        yield json.loads(await process.stdout.readline())
    finally:
        process.terminate()
        await process.wait()


def fleet_yaml(providers: Mapping[str, Mapping[str, str]], port: int) -> str:
    limits = "{connect: 1, first_byte: 3, idle: 3}"
    lines = "".join(
        f"  {name}: {{url: '{provider['url']}', timeouts: {limits}}}\n"
        for name, provider in providers.items()
    )
    return (
        f"version: 1\ndefault_provider: north\nproviders:\n{lines}"
        f"aliases: {{}}\nsurfaces: {{boochat: }}\ngateway: {{listen: '127.0.0.1:{port}'}}\n"
        "inventory: {interval: 2, timeout: 1, grace: 5}\n"
    )


async def soak(seconds: float, log: Path, *, hostile: bool) -> bool:
    """Run the test, print its report, and return whether all limits are met. `log` is the gateway's log,
    kept."""
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        async with simulated_providers() as providers:
            (folder / "fleet.yaml").write_text(fleet_yaml(providers, port))
            fleet(folder, "build")
            command = [sys.executable, "-m", "fleet_compiler", "serve"]
            with running(command, log, cwd=folder):
                timeouts = Timeouts(connect=5, first_byte=30)
                gateway = Upstream(f"http://127.0.0.1:{port}", timeouts=timeouts)
                control = Upstream(providers[FAULTY]["control_url"], timeouts=timeouts)
                found = Soak(gateway, control, port if hostile else None)
                await wait_until_ready(gateway)
                before, after = await found.run(seconds, folder)
        written = await asyncio.to_thread(log.read_text, errors="replace")
    return report(found, before, after, written.count("Traceback (most recent call last)"))


async def wait_until_ready(gateway: Upstream) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                await (await gateway.send(b"GET", b"/ready", [])).read(1 << 16)
                return
            except UpstreamError:
                await asyncio.sleep(0.1)


def report(found: Soak, before: int, after: int, tracebacks: int) -> bool:
    for (name, outcome), count in sorted(found.attacks.items()):
        print(f"{name:<29} {outcome:<10} {count:>8}")
    for (name, outcome), count in sorted(found.outcomes.items()):
        print(f"{name:<8} {outcome:<34} {count:>8}")
    wrong = sum(
        count
        for (name, outcome), count in found.outcomes.items()
        if name in HEALTHY and outcome not in ("ok", "disconnected")
    )
    growth = slope(found.memory)
    first, last = found.memory[0][1] / 1e6, found.memory[-1][1] / 1e6
    print(f"errors on healthy providers: {wrong}")
    print(f"memory: {first:.1f} MB to {last:.1f} MB, {growth / 1e6:+.2f} MB in 10 minutes")
    print(f"open descriptors at rest: {before} before, {after} after")
    print(f"tracebacks in the log: {tracebacks}")
    few_descriptors = after <= before + MAX_MORE_DESCRIPTORS
    return wrong == 0 and growth < MAX_GROWTH and few_descriptors and tracebacks == 0


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.soak", description="Run the gateway under load and faults."
    )
    parser.add_argument(
        "--minutes", type=float, default=10.0, help="duration after the warm-up (default: 10)"
    )
    parser.add_argument("--hostile", action="store_true", help="run hostile clients during the load")
    parser.add_argument("--log", type=Path, help="file for the gateway's log (default: a new temporary file)")
    options = parser.parse_args()
    log = options.log or Path(tempfile.mkstemp(prefix="fleet-soak-", suffix=".log")[1])
    print(f"the gateway's log: {log}", flush=True)
    return 0 if asyncio.run(soak(options.minutes * 60, log, hostile=options.hostile)) else 1


if __name__ == "__main__":
    raise SystemExit(main())
