"""The gateway's process: its socket, its signals, uvicorn around the application."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import uvicorn

from fleet_runtime.api import create_api
from fleet_runtime.app import App
from fleet_runtime.listen import CannotServe, split_address
from fleet_runtime.protocol import edge_protocol
from fleet_runtime.running import Running
from fleet_runtime.service import Service

BACKLOG = 2048
KEEP_ALIVE_SECONDS = 75

log = logging.getLogger("fleet")


def run_gateway(folder: Path, listen: str | None, environ: Mapping[str, str]) -> None:
    """Serve the generated folder until a signal says to stop.

    `listen` (``HOST:PORT``) overrides what gateway.json says. SIGTERM and SIGINT let running requests
    finish for the ``drain`` seconds of fleet.yaml, a second one ends at once; SIGHUP reloads. Raises
    `CannotServe`, or one of `service.REFUSALS`, before anything is served.
    """
    service = Service.load(folder, environ, listen)
    host, port = split_address(service.running.gateway.listen)
    with bound_socket(host, port) as listener, asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_serve(service, listener))


@contextlib.contextmanager
def bound_socket(host: str, port: int) -> Iterator[socket.socket]:
    """A listening socket; raises `CannotServe` where the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise CannotServe(f"cannot listen on {host}:{port}: {error.strerror or error}") from None
    with listener:
        listener.setblocking(False)
        yield listener


class _Server(uvicorn.Server):
    """uvicorn, with our signals: a clean stop exits 0, a second signal ends at once, SIGHUP reloads."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service
        self._reloads: set[asyncio.Task[str | None]] = set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for stop in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(stop, self._stop, stop)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        try:
            yield
        finally:
            for handled in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                loop.remove_signal_handler(handled)

    def _stop(self, received: signal.Signals) -> None:
        if self.should_exit:
            self.force_exit = True
            return
        log.info("%s: stopping", received.name)
        self.should_exit = True

    def _reload(self) -> None:
        task = asyncio.ensure_future(self._service.reload())
        self._reloads.add(task)
        task.add_done_callback(self._reloads.discard)


async def _serve(service: Service, listener: socket.socket) -> None:
    def current() -> Running:
        return service.running

    gateway = service.running.gateway
    config = uvicorn.Config(
        App(current, create_api(service)),
        http=edge_protocol(lambda: service.running.gateway.limits.head),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=max(1, round(gateway.drain)),
    )
    server = _Server(config, service)
    async with asyncio.TaskGroup() as group:
        background = group.create_task(service.run(), name="service")
        host, port = listener.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        log.info(
            "serving http://%s:%s, snapshot %s, %d providers",
            shown,
            port,
            service.running.snapshot.id,
            len(gateway.providers),
        )
        await server.serve(sockets=[listener])
        background.cancel()


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it exists (not on Windows), else asyncio's own loop."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
