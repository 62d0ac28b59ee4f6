"""Several simulated servers together, in this event loop or in a separate thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable
from types import TracebackType
from typing import Any, TypeVar

from fleet_runtime.simulator.engine import Record
from fleet_runtime.simulator.kinds import PRODUCTS
from fleet_runtime.simulator.server import SimulatedServer
from fleet_runtime.simulator.spec import ServerSpec

Result = TypeVar("Result")


class Simulation:
    """``async with Simulation(specs) as simulation``: all servers respond; at the end all ports are free."""

    def __init__(self, specs: Iterable[ServerSpec]) -> None:
        """Raises ValueError for a kind that cannot be simulated."""
        self._specs = tuple(specs)
        for spec in self._specs:
            if spec.kind not in PRODUCTS:
                known = ", ".join(PRODUCTS)
                raise ValueError(f"server '{spec.name}' has the unknown kind '{spec.kind}'; kinds: {known}")
        self.servers: dict[str, SimulatedServer] = {}

    def __getitem__(self, name: str) -> SimulatedServer:
        return self.servers[name]

    async def __aenter__(self) -> Simulation:
        try:
            for spec in self._specs:
                await self.add(spec)
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    async def add(self, spec: ServerSpec) -> SimulatedServer:
        """Add a server while the others run."""
        if spec.name in self.servers:
            raise ValueError(f"server '{spec.name}' already exists")
        server = SimulatedServer(spec)
        self.servers[spec.name] = server
        await server.start()
        return server

    async def _stop(self) -> None:
        for server in self.servers.values():
            await server.stop()


class SimulationThread:
    """A simulation for synchronous code. Everything of it may be called from any thread."""

    def __init__(self, specs: Iterable[ServerSpec]) -> None:
        self._simulation = Simulation(specs)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="simulated servers", daemon=True)

    def __enter__(self) -> SimulationThread:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        self._thread.start()
        try:
            self.run(self._simulation.__aenter__())
        except BaseException:
            self._end()
            raise

    def stop(self) -> None:
        self.run(self._simulation.__aexit__(None, None, None))
        self.run(self._loop.shutdown_asyncgens())
        self._end()

    def url(self, name: str) -> str:
        return self._simulation[name].url

    def sidecar_url(self, name: str) -> str:
        url = self._simulation[name].sidecar_url
        if url is None:
            raise LookupError(f"the server '{name}' has no sidecar")
        return url

    def control_url(self, name: str) -> str:
        return self._simulation[name].control_url

    def add(self, spec: ServerSpec) -> str:
        """Add a server; return its URL."""
        return self.run(self._simulation.add(spec)).url

    def set(self, name: str, **changes: Any) -> None:
        """Change a server's behaviour."""
        self.run(self._simulation[name].apply(changes))

    def release(self, name: str, chunks: int = 1) -> None:
        self._call(lambda: self._simulation[name].release(chunks))

    def reset(self, name: str) -> None:
        self.run(self._simulation[name].reset())

    def records(self, name: str) -> list[Record]:
        return self._call(lambda: list(self._simulation[name].records))

    def inference(self, name: str) -> list[Record]:
        return self._call(lambda: self._simulation[name].inference)

    def counters(self, name: str) -> dict[str, Any]:
        return self._call(lambda: self._simulation[name].counters())

    def until(self, name: str, condition: Callable[[SimulatedServer], bool], seconds: float = 5) -> None:
        """Block until `condition` holds of a server; raises TimeoutError."""
        self.run(self._simulation[name].until(condition, seconds))

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run a coroutine in the simulation's loop and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _call(self, function: Callable[[], Result]) -> Result:
        async def called() -> Result:
            return function()

        return self.run(called())

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
