"""`fleet serve` as a separate process, on a folder that a test writes."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.fleet_process import FleetProcess, start_fleet
from tests.support.raw_client import Answer, ask

STDOUT = 1


@dataclass
class GatewayProcess:
    """`lines`: what it wrote on standard error so far."""

    process: FleetProcess
    port: int = 0
    lines: list[str] = field(default_factory=list)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def said(self, text: str, times: int = 1, seconds: float = 20) -> str:
        """The line that holds `text` for the `times`th time; waits for it."""

        def found() -> list[str]:
            return [line for line in self.lines if text in line]

        try:
            async with asyncio.timeout(seconds), self._news:
                await self._news.wait_for(lambda: len(found()) >= times)
        except TimeoutError:
            raise AssertionError(f"'{text}' was not said {times} times:\n{''.join(self.lines)}") from None
        return found()[times - 1]

    async def ended(self, seconds: float = 20) -> int:
        """Its exit code, once it has ended."""
        return await asyncio.to_thread(self.process.wait, seconds)

    async def reload(self) -> Answer:
        return await ask(self.port, "/api/reload", b"")

    async def fleet(self) -> Any:
        return (await ask(self.port, "/api/fleet")).json()

    async def snapshot(self) -> str:
        return str((await self.fleet())["snapshot"])

    async def read_log(self, errors: int) -> None:
        """Read what it writes on standard error, the descriptor `errors`, to its end."""
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(errors, "rb", 0)
        )
        try:
            async for line in reader:
                async with self._news:
                    self.lines.append(line.decode(errors="replace"))
                    self._news.notify_all()
        finally:
            transport.close()


@asynccontextmanager
async def gateway_process(
    generated: Path, *options: str, env: Mapping[str, str] | None = None, code: str | None = None
) -> AsyncIterator[GatewayProcess]:
    """Serve `generated` on a free port of 127.0.0.1; killed at the end if it still runs. `code`: what Python
    runs instead of `fleet`."""
    command = ("serve", "--generated", str(generated), "--listen", "127.0.0.1:0", *options)
    env = {"STATE_DIRECTORY": str(generated.parent / "state"), **(env or {})}
    reading, writing = os.pipe()
    process: FleetProcess
    if code is None:
        process = start_fleet(*command, cwd=Path.cwd(), stdout=STDOUT, stderr=writing, env=env)
    else:
        python = [sys.executable, "-c", code, *command]
        process = subprocess.Popen(python, env={**os.environ, **env}, stderr=writing)
    os.close(writing)
    gateway = GatewayProcess(process)
    listener = asyncio.create_task(gateway.read_log(reading))
    try:
        serving = await gateway.said("serving http")
        found = re.search(r"http://127\.0\.0\.1:(\d+)", serving)
        assert found is not None
        gateway.port = int(found[1])
        await ask(gateway.port, "/health")
        yield gateway
    finally:
        process.kill()
        await gateway.ended()
        await listener
