"""The gateway under steady load for a long time, while one of its machines fails in every way it can.

    python -m bench.soak [--minutes N] [--hostile]

Three simulated machines, `fleet build` and `fleet serve` as their own processes. Unary requests and streams
go to all three, some clients leave half-way, and once a minute a build changes the configuration. Every 30
seconds one machine gets one of `FAULTS`, for 10 seconds. Counting begins after a warm-up at a quicker pace.
With `--hostile`, the attacks of `bench.hostile` run beside the load all the time. At the end: errors on the
other two, the slope of the gateway's memory (its lowest in each minute, so that a body of 20 MB that is just
being read does not count as growth), its descriptors, tracebacks in its log. The exit code is 1 if any of
them is not as it must be.
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

from bench.hostile import besiege
from fleet_runtime.artifacts.contract import Timeouts
from fleet_runtime.child_process import free_port, running
from fleet_runtime.upstream import Upstream, UpstreamError

HEALTHY = ("north", "south")
FAULTY = "east"
MODEL = "m"
RATE = 100.0
WARM_UP_SECONDS = 210.0
"""Every fault five times: what the gateway keeps on purpose, such as its last events, has come by then."""
SAMPLE_SECONDS = 2.0
REST_SECONDS = 20.0
"""More than idle connections are kept, by the gateway and by the client here."""
MOST_GROWTH = 1_000_000
"""Bytes of memory in ten minutes."""
MOST_DESCRIPTORS = 5
"""How many more may be open at the end than after warming up, both without load."""

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
    """Seconds from one fault to the next, those that it lasts, and from one build to the next."""

    fault: float
    lasting: float
    build: float


QUICK = Pace(3, 2.5, 10)
STEADY = Pace(30, 10, 60)


@dataclass
class Soak:
    """What was counted: `answers` by machine and outcome, `attacks` by name and outcome, `memory` by second,
    `open` descriptors at rest. `hostile`: the port to attack, None for peace."""

    gateway: Upstream
    control: Upstream
    hostile: int | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    answers: Counter[tuple[str, str]] = field(default_factory=Counter)
    attacks: Counter[tuple[str, str]] = field(default_factory=Counter)
    memory: list[tuple[float, float]] = field(default_factory=list)

    async def run(self, seconds: float, folder: Path) -> tuple[int, int]:
        """Load for `seconds`; descriptors at rest after warming up and at the end."""
        before = await self._loaded(WARM_UP_SECONDS, folder, QUICK)
        self.answers.clear()
        self.attacks.clear()
        self.memory.clear()
        return before, await self._loaded(seconds, folder, STEADY)

    async def _loaded(self, seconds: float, folder: Path, pace: Pace) -> int:
        self.ended.clear()
        async with asyncio.TaskGroup() as tasks:
            for work in (self._disturb(pace), self._build(pace, folder), self._watch()):
                tasks.create_task(work)
            if self.hostile is not None:
                tasks.create_task(besiege(self.hostile, self.ended, self.attacks))
            started = time.monotonic()
            for turn in range(round(seconds * RATE)):
                await asyncio.sleep(started + turn / RATE - time.monotonic())
                tasks.create_task(self._ask(turn))
            self.ended.set()
        return await self._rest()

    async def _ask(self, turn: int) -> None:
        name = (*HEALTHY, FAULTY)[turn % 3]
        self.answers[name, await self._answer(name, turn)] += 1

    async def _answer(self, name: str, turn: int) -> str:
        stream = turn % 2 == 0
        leaves = turn % 20 == 0
        prompt = [{"role": "user", "content": f"turn {turn}"}]
        body = json.dumps({"model": f"{name}/{MODEL}", "messages": prompt, "stream": stream}).encode()
        headers = [(b"content-type", b"application/json")]
        try:
            answer = await self.gateway.send(b"POST", b"/boochat/v1/chat/completions", headers, body)
            if answer.status != 200:
                code = re.search(rb'"code": ?"(\w+)"', await answer.read(1 << 24))
                return f"status {answer.status} {code[1].decode() if code else ''}".rstrip()
            if leaves:
                await answer.chunk()
                answer.abort()
                return "left"
            data = await answer.read(1 << 24)
        except UpstreamError as error:
            return type(error).__name__
        if stream and b"[DONE]" not in data:
            return "no end"
        return "ok" if stream or f"turn {turn}".encode() in data else "another answer"

    async def _disturb(self, pace: Pace) -> None:
        """One fault after the other on the one machine."""
        for fault in itertools.cycle(FAULTS):
            if not await self._slept(pace.fault - pace.lasting):
                return
            await self._control("behaviour", fault)
            await self._slept(pace.lasting)
            await self._control("reset", {})

    async def _build(self, pace: Pace, folder: Path) -> None:
        """Now and then a configuration that differs."""
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
        """Open descriptors once nothing runs any more and what idles has been closed."""
        await asyncio.sleep(REST_SECONDS)
        return int(await self._metric("process_open_fds"))

    async def _metric(self, name: str) -> float:
        answer = await self.gateway.send(b"GET", b"/metrics", [])
        text = (await answer.read(1 << 24)).decode()
        return float(next(line.split()[1] for line in text.splitlines() if line.startswith(f"{name} ")))

    async def _control(self, what: str, changes: Mapping[str, Any]) -> None:
        answer = await self.control.send(b"POST", f"/_sim/{what}".encode(), [], json.dumps(changes).encode())
        told = await answer.read(1 << 20)
        assert answer.status == 200, told

    async def _slept(self, seconds: float) -> bool:
        """False if the end came first."""
        try:
            await asyncio.wait_for(self.ended.wait(), seconds)
        except TimeoutError:
            return True
        return False


def slope(samples: list[tuple[float, float]]) -> float:
    """Growth in ten minutes, by the line of least squares through the lowest value of each minute."""
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
async def simulated() -> AsyncIterator[Mapping[str, Mapping[str, str]]]:
    """The machines' addresses by name. They do not record requests, so that only the gateway is watched."""
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


def fleet_yaml(machines: Mapping[str, Mapping[str, str]], port: int) -> str:
    limits = "{connect: 1, first_byte: 3, idle: 3}"
    providers = "".join(
        f"  {name}: {{url: '{machine['url']}', timeouts: {limits}}}\n" for name, machine in machines.items()
    )
    return (
        f"version: 1\ndefault_provider: north\nproviders:\n{providers}"
        f"aliases: {{}}\nsurfaces: {{boochat: }}\ngateway: {{listen: '127.0.0.1:{port}'}}\n"
        "inventory: {interval: 2, timeout: 1, grace: 5}\n"
    )


async def soak(seconds: float, log: Path, *, hostile: bool) -> bool:
    """Run, print what was found, and say whether it is as it must be. `log`: the gateway's, which is kept."""
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        async with simulated() as machines:
            (folder / "fleet.yaml").write_text(fleet_yaml(machines, port))
            fleet(folder, "build")
            command = [sys.executable, "-m", "fleet_compiler", "serve"]
            with running(command, log, cwd=folder):
                patience = Timeouts(connect=5, first_byte=30)
                gateway = Upstream(f"http://127.0.0.1:{port}", timeouts=patience)
                control = Upstream(machines[FAULTY]["control_url"], timeouts=patience)
                found = Soak(gateway, control, port if hostile else None)
                await up(gateway)
                before, after = await found.run(seconds, folder)
        written = await asyncio.to_thread(log.read_text, errors="replace")
    return report(found, before, after, written.count("Traceback (most recent call last)"))


async def up(gateway: Upstream) -> None:
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
    for (name, outcome), count in sorted(found.answers.items()):
        print(f"{name:<8} {outcome:<34} {count:>8}")
    wrong = sum(
        count
        for (name, outcome), count in found.answers.items()
        if name in HEALTHY and outcome not in ("ok", "left")
    )
    growth = slope(found.memory)
    first, last = found.memory[0][1] / 1e6, found.memory[-1][1] / 1e6
    print(f"errors on healthy machines: {wrong}")
    print(f"memory: {first:.1f} MB to {last:.1f} MB, {growth / 1e6:+.2f} MB in 10 minutes")
    print(f"descriptors at rest: {before} before, {after} after")
    print(f"tracebacks in the log: {tracebacks}")
    few = after <= before + MOST_DESCRIPTORS
    return wrong == 0 and growth < MOST_GROWTH and few and tracebacks == 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description="The gateway under long load.")
    parser.add_argument("--minutes", type=float, default=10.0, help="after the warm-up (10)")
    parser.add_argument("--hostile", action="store_true", help="with hostile clients beside the load")
    parser.add_argument("--log", type=Path, help="where to keep the gateway's log (a new temporary file)")
    options = parser.parse_args()
    log = options.log or Path(tempfile.mkstemp(prefix="fleet-soak-", suffix=".log")[1])
    print(f"the gateway's log: {log}", flush=True)
    return 0 if asyncio.run(soak(options.minutes * 60, log, hostile=options.hostile)) else 1


if __name__ == "__main__":
    raise SystemExit(main())
