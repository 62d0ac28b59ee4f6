"""The gateway's process: its socket, its signals, uvicorn around the application."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import uvicorn

from fleet_runtime.api.app import Api
from fleet_runtime.edge.app import App
from fleet_runtime.edge.listen_address import CannotServeError, split_address
from fleet_runtime.edge.protocol import edge_protocol
from fleet_runtime.gateway.live_snapshot import LiveSnapshot
from fleet_runtime.gateway.service import Service
from fleet_runtime.proxy.request_record import RequestRecord
from fleet_runtime.telemetry.access_log import AccessLog

BACKLOG = 2048
ACCEPTS = 16
"""Connections that are taken in one turn of the event loop. libuv takes one for each handle that listens, and
a turn that has hundreds of streams to serve lasts long: clients would wait in the queue of the system."""
KEEP_ALIVE_SECONDS = 75
LOOK_SECONDS = 0.05
FLUSH_SECONDS = 1.0
"""For the last bytes of aborted responses to leave."""
GARBAGE = (5_000, 20, 20)
"""Objects made, and rounds, between two looks for cyclic garbage: a request leaves none, unless it failed."""

log = logging.getLogger("fleet")


def run_gateway(
    folder: Path,
    listen: str | None,
    environ: Mapping[str, str],
    access_log: AccessLog,
    log_lines_dropped: Callable[[], int],
) -> None:
    """Serve the generated folder until a signal says to stop.

    `listen` (``HOST:PORT``) overrides what gateway.json says. SIGTERM and SIGINT let running requests
    finish for the ``drain`` seconds of fleet.yaml, a second one ends at once; SIGHUP reloads. Raises
    `CannotServeError`, or one of `service.REFUSALS`, before anything is served.
    """
    service = Service.load(folder, environ, listen, log_lines_dropped)
    host, port = split_address(service.live.gateway.listen)
    with bound_socket(host, port) as listener, asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_serve(service, listener, access_log))


@contextlib.contextmanager
def bound_socket(host: str, port: int) -> Iterator[socket.socket]:
    """A listening socket; raises `CannotServeError` where the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise CannotServeError(f"cannot listen on {host}:{port}: {error.strerror or error}") from None
    with listener:
        listener.setblocking(False)
        yield listener


class _Server(uvicorn.Server):
    """uvicorn, with our signals and our end: SIGHUP reloads, a clean stop exits 0, a second signal does not
    wait for anybody."""

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
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})  # blocked since the process began
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

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """No new connections; running requests go on to their end or that of the drain; what is left is cut,
        and never given an end that the machine did not send."""
        for listening in (*self.servers, *(sockets or ())):
            listening.close()
        self._service.events.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        drain = self._service.live.gateway.drain
        running = self.server_state.tasks
        if running:
            log.info("requests that run on: %d, for at most %g s", len(running), drain)
        await self._connections_gone(drain)
        if running:
            log.warning("requests that are cut: %d", len(running))
            for task in list(running):
                task.cancel()
            await asyncio.wait(list(running))
        await self._connections_gone(FLUSH_SECONDS)
        for connection in list(self.server_state.connections):
            connection.transport.abort()

    async def _connections_gone(self, seconds: float) -> None:
        """Return when no connection is left, after `seconds`, or when somebody insists."""
        deadline = time.monotonic() + seconds
        while self.server_state.connections and not self.force_exit and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_SECONDS)  # uvicorn tells nobody of a connection's end


async def _serve(service: Service, listener: socket.socket, access_log: AccessLog) -> None:
    def current() -> LiveSnapshot:
        return service.live

    def finished(record: RequestRecord) -> None:
        service.metrics.finished(record)
        access_log.finished(record)

    gateway = service.live.gateway
    config = uvicorn.Config(
        App(current, Api(service), finished),
        http=edge_protocol(lambda: service.live.gateway.limits.head),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
    server = _Server(config, service)
    gc.freeze()
    gc.set_threshold(*GARBAGE)
    async with asyncio.TaskGroup() as group:
        background = group.create_task(service.run(), name="service")
        host, port = listener.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        log.info(
            "serving http://%s:%s, snapshot %s, %d providers",
            shown,
            port,
            service.live.snapshot.id,
            len(gateway.providers),
        )
        await server.serve(sockets=[listener, *(listener.dup() for _ in range(ACCEPTS - 1))])
        background.cancel()


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it exists (not on Windows), else asyncio's own loop."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
