"""The gateway process: its socket, signals, and composition."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import logging
import resource
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from fleet_runtime.api.app import Api
from fleet_runtime.artifacts.snapshot import Snapshot
from fleet_runtime.console.site import ConsoleSite
from fleet_runtime.doctor.from_inside import diagnose
from fleet_runtime.edge.connection import ClientConnection
from fleet_runtime.edge.dispatch import Dispatcher
from fleet_runtime.edge.interfaces import Edge, OpenConnection
from fleet_runtime.edge.listen_address import CannotServeError, split_address
from fleet_runtime.edge.port_owner import port_owner
from fleet_runtime.gateway.live_snapshot import LiveSnapshot
from fleet_runtime.gateway.service import Service
from fleet_runtime.ollama.handler import OllamaApi
from fleet_runtime.telemetry.access_log import AccessLog
from fleet_runtime.urls import is_wildcard, join_address

BACKLOG = 2048
ACCEPTS = 16
"""Connections that are accepted per turn of the event loop. libuv accepts one per listening handle, and turns
are long with hundreds of streams: clients would wait in the system's queue."""
OPEN_FILES = 65_536
MAX_PORT = 65_535
POLL_SECONDS = 0.05
FLUSH_SECONDS = 1.0
"""Seconds to send the last bytes of aborted responses."""
GARBAGE = (1_500, 200, 100)
"""Thresholds of the garbage collector: new objects, and rounds of each older generation. Neither probes nor
successful requests create reference cycles. A collection of the first generation blocks the event loop in
proportion to the surviving objects, of which many providers create many, so it must be frequent. The second
generation has what failed requests leave: with 1 000 rounds instead of 200, an attack occupied 53 MB. The
service excludes model lists from collections of the older generations."""

log = logging.getLogger("fleet")


def run_gateway(
    folder: Path,
    listen: str | None,
    environ: Mapping[str, str],
    access_log: AccessLog | None,
    log_lines_dropped: Callable[[], int],
    on_serving: Callable[[Snapshot, str], None] = lambda snapshot, url: None,
    on_hangup: Callable[[], None] = lambda: None,
) -> None:
    """Serve the generated folder until a signal stops it.

    As soon as clients can connect and a signal can stop it, `on_serving` gets the snapshot and its URL.
    `listen` (``HOST:PORT``) overrides that of gateway.json. SIGTERM and SIGINT let running requests finish
    for the ``drain`` seconds of fleet.yaml, a second one ends at once; SIGHUP calls `on_hangup` and reloads.
    Raises `CannotServeError`, or one of `service.REFUSALS`, before anything is served.
    """
    raise_open_files()
    service = Service.load(folder, environ, listen, log_lines_dropped)
    host, port = split_address(service.live.gateway.listen)
    with bound_socket(host, port) as listener, asyncio.Runner(loop_factory=loop_factory()) as runner:
        url = service.live.gateway.url if listen is None else _local_url(listener)
        told = partial(on_serving, service.live.snapshot, url)
        runner.run(_serve(service, listener, access_log, told, on_hangup))


def raise_open_files() -> None:
    """Raise the limit of open files to what the system allows, at most `OPEN_FILES`: a shell's limit is 1024,
    and each provider needs one or two, each request two."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _local_url(listener: socket.socket) -> str:
    """Return the URL of a listening socket for clients on this computer."""
    host, port = listener.getsockname()[:2]
    loopback = "::1" if ":" in host else "127.0.0.1"
    return f"http://{join_address(loopback if is_wildcard(host) else host, port)}"


@contextlib.contextmanager
def bound_socket(host: str, port: int) -> Iterator[socket.socket]:
    """Yield a listening socket; raises `CannotServeError` if the address is not available."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise CannotServeError(_listen_problem(host, port, error)) from None
    with listener:
        listener.setblocking(False)
        yield listener


def _listen_problem(host: str, port: int, error: OSError) -> str:
    """Return why the address is not available and, if the port is in use, by which process and how to choose
    another."""
    where = f"cannot listen on {join_address(host, port)}"
    if error.errno != errno.EADDRINUSE:
        return f"{where}: {(error.strerror or str(error)).lower()}"
    owner = port_owner(port) or f"another program (`ss -ltnp 'sport = :{port}'` as root shows which)"
    other = join_address(host, port + 1 if port < MAX_PORT else port - 1)
    return (
        f"{where}: {owner} already listens there; stop it, or choose another port: --listen {other}, or "
        f"`gateway: {{listen: {other}}}` in fleet.yaml"
    )


class _Server:
    """Listening sockets, signals and shutdown: SIGHUP reloads, a clean stop exits with 0, and a second signal
    stops at once."""

    def __init__(self, service: Service, edge: Edge, on_hangup: Callable[[], None]) -> None:
        self._service = service
        self._edge = edge
        self._on_hangup = on_hangup
        self._reloads: set[asyncio.Task[str | None]] = set()
        self._stopping = asyncio.Event()
        self._insisted = asyncio.Event()

    async def run(self, listener: socket.socket, on_serving: Callable[[], None]) -> None:
        """Serve until a signal, then let running requests finish."""
        with self._signals():
            loop = asyncio.get_running_loop()
            sockets = [listener, *(listener.dup() for _ in range(ACCEPTS - 1))]
            servers = [
                await loop.create_server(lambda: ClientConnection(self._edge), sock=sock, backlog=BACKLOG)
                for sock in sockets
            ]
            on_serving()
            await self._stopping.wait()
            await self._announce()
            for server in servers:
                server.close()
            await self._shut_down()

    async def _announce(self) -> None:
        """Continue to serve for `not_ready` seconds, with 503 on ``/ready``."""
        self._service.is_stopping = True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._insisted.wait(), self._service.live.gateway.not_ready)

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        handled = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        for stop in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(stop, self._stop, stop)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, handled)  # some are blocked since the process began
        try:
            yield
        finally:
            for number in handled:
                loop.remove_signal_handler(number)

    def _stop(self, received: signal.Signals) -> None:
        if self._stopping.is_set():
            self._insisted.set()
            return
        log.info("%s: stopping", received.name)
        self._stopping.set()

    def _reload(self) -> None:
        self._on_hangup()
        task = asyncio.ensure_future(self._service.reload())
        self._reloads.add(task)
        task.add_done_callback(self._reloads.discard)

    async def _shut_down(self) -> None:
        """Let running requests finish until the drain ends; abort the others, without completing their
        responses."""
        self._service.events.close()
        for connection in list(self._edge.connections):
            connection.stop_accepting()
        drain = self._service.live.gateway.drain
        if running := self._running():
            log.info("requests still running: %d, for at most %g s", len(running), drain)
        await self._connections_closed(drain)
        if running := self._running():
            log.warning("requests aborted: %d", len(running))
            for connection in running:
                connection.stop()
        await self._connections_closed(FLUSH_SECONDS)
        for connection in list(self._edge.connections):
            connection.abort()

    def _running(self) -> list[OpenConnection]:
        return [connection for connection in self._edge.connections if connection.handler]

    async def _connections_closed(self, seconds: float) -> None:
        """Return when no connection is open, after `seconds`, or at a second signal."""
        deadline = time.monotonic() + seconds
        while self._edge.connections and not self._insisted.is_set() and time.monotonic() < deadline:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._insisted.wait(), POLL_SECONDS)


async def _serve(
    service: Service,
    listener: socket.socket,
    access_log: AccessLog | None,
    on_serving: Callable[[], None],
    on_hangup: Callable[[], None],
) -> None:
    def current() -> LiveSnapshot:
        return service.live

    if access_log is not None:
        service.finished.sinks.append(access_log.add)
    api = Api(service, diagnose)
    pages = ConsoleSite.load().respond
    dispatcher = Dispatcher(current, service.finished.add, api, api.find, pages, OllamaApi().find)
    edge = Edge(
        dispatcher.read,
        dispatcher.begin,
        head_limit=lambda: service.live.limits.head,
        stall_seconds=lambda: service.live.limits.stall,
    )
    service.activity.running = edge.exchanges
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
            len(service.live.gateway.providers),
        )
        await _Server(service, edge, on_hangup).run(listener, on_serving)
        background.cancel()
    service.finished.flush()


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return the factory of uvloop if it is available (not on Windows), else None for asyncio's loop."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
